"""`doctor` on a desk: its configuration, its key, and what the command finds."""

import json

KEY = "key-5a0e77c1d2"


def write_key(desk, key):
    path = desk.folder / "key"
    path.write_text(f"{key}\n")
    path.chmod(0o600)


def configure(desk, account=None, **keys):
    """Lay these keys over the configuration."""
    document = json.loads(desk.config.read_text()) | keys
    document["accounts"]["ica"] |= account or {}
    desk.config.write_text(json.dumps(document))


def examine(desk, *words):
    """Run `doctor --json`; its exit code, and what it found."""
    ended = desk.run("doctor", "--json", *words)
    answer = json.loads(ended.out)
    assert (ended.err, answer["exit_code"]) == ("", ended.code)
    assert KEY not in ended.out
    return ended.code, answer["findings"]


def wrong(findings, result="wrong"):
    return [each for each in findings if each["result"] == result]


def about(findings, check):
    return [each for each in findings if each["check"] == check]
