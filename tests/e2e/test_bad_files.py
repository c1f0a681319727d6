"""Whatever is dropped, the good file runs, and each bad one is given back with its reasons."""

import json
import os
import socket

GOOD = {"dataId": "fil.0a"}


def _job(lab, **changes):
    job = lab.links("bad", ["fil.0b"]) | changes
    return json.dumps({"version": 1, "jobs": [{key: value for key, value in job.items() if value is not None}]}) + "\n"


def _drop_all(lab):
    """Drop one of each kind; returns the names under which they must be rejected, each with a word of its reason."""
    text = {
        "empty.yaml": ("", "empty"),
        "no-end.yaml": ("version: 1\njobs:\n  - name: half", "line"),
        "half.json": ('{"version": 1, "jobs": [{"name": "x"', "cut"),
        "trailing.json": ('{"version": 1} {"version": 1}\n', "line"),
        "nul.yaml": ("version: 1\n\0\n", "NUL"),
        "alias.yaml": ("version: 1\njobs: &a []\ncontrols: *a\n", "alias"),
        "tag.yaml": ("version: 1\njobs: !!python/object:os.system []\n", "tag"),
        "deep.json": ("[" * 100_000 + "]" * 100_000 + "\n", "deep"),
        "deep.yaml": ("[" * 100_000 + "]" * 100_000 + "\n", "deep"),
        "twice.yaml": ("version: 1\nversion: 1\njobs: []\n", "twice"),
        "version.yaml": ("version: 2\njobs: []\n", "version"),
        "unknown-key.json": (_job(lab, projekt="x"), "projekt"),
        "unknown-account.json": (_job(lab, account="icc"), "icc"),
        "unknown-kind.json": (_job(lab, kind="ica.nothing"), "ica.nothing"),
        "webhook.json": (_job(lab, notify={"webhook": "https://example.org"}), "notify"),
        "bad-name.json": (_job(lab, name="../../etc/passwd"), "name"),
        "same-key.json": (_job(lab, items=[GOOD, GOOD]), "same dataId"),
        "count.json": (_job(lab, count=3), "count"),
        "no-items.json": (_job(lab, items=None), "items"),
    }
    for name, (content, _) in text.items():
        lab.drop(name, content)
    lab.drop("latin1.yaml", "version: 1 # Größe\n".encode("latin-1"))
    incoming = lab.queue / "incoming"
    (incoming / "link.yaml").symlink_to("/etc/passwd")
    (incoming / "folder.yaml").mkdir()
    os.mkfifo(incoming / "pipe.yaml")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(incoming / "socket.yaml"))
    reasons = {name: word for name, (_, word) in text.items()}
    return reasons | {"latin1.yaml": "UTF-8", "link.yaml": "link", "folder.yaml": "folder", "pipe.yaml": "pipe"}


async def test_bad_files_of_every_kind_beside_a_good_one(lab):
    """Two dozen kinds of bad files are rejected, each with its reason; the good one among them runs."""
    async with lab.open():
        expected = _drop_all(lab)
        lab.drop("no-table.txt", "hello\n")
        lab.drop_jobs("good.json", lab.links("good", ["fil.0a"]))
        ended = await lab.run()
        assert ended.code == 0, ended.log[-3000:]

        assert lab.result("good")["job"]["state"] == "succeeded"
        assert [effect.name for effect in lab.simulator.ledger.effects("link")] == ["fil.0a"]
        assert [path.name for path in (lab.queue / "accepted").iterdir()] == ["good.json"]
        assert [path.name for path in (lab.queue / "incoming").iterdir()] == ["no-table.txt"]  # not for the queue
        rejected = [path.name for path in (lab.queue / "rejected").iterdir()]
        for name, word in expected.items():
            told = json.dumps(lab.errors(name))
            assert word.lower() in told.lower(), (name, told)
            assert name in rejected
        assert lab.errors("socket.yaml")["mistakes"]


async def test_all_mistakes_of_a_file_are_told_at_once(lab):
    """One look at NAME.error.json is enough to mend a file: every mistake, with its line or path."""
    async with lab.open():
        lab.drop(
            "many.yaml",
            "version: 1\n"
            "jobs:\n"
            "  - name: many\n"
            "    kind: ica.analysis_creation\n"
            "    account: ica\n"
            "    project: not-a-uuid\n"
            "    engine: nextflow\n"
            "    items:\n"
            "      - {userReference: 'a.dot', pipelineId: x, analysisInput: {inputs: []}}\n"
            f"      - {{userReference: same, pipelineId: {lab.pipeline}, analysisInput: {{inputs: []}}}}\n"
            f"      - {{userReference: same, pipelineId: {lab.pipeline}, analysisInput: {{inputs: []}}}}\n",
        )
        await lab.run()
        mistakes = lab.errors("many.yaml")["mistakes"]
        told = {(mistake["line"], mistake["field"]) for mistake in mistakes}
        assert {(6, "project"), (9, "userReference"), (9, "pipelineId")} <= told
        assert any(mistake["line"] == 11 for mistake in mistakes)


async def test_texts_that_look_like_numbers_stay_as_they_are_written(lab):
    """`0172`, `NO` and `1_000` in YAML reach the platform as text."""
    async with lab.open():
        lines = [
            "version: 1\njobs:\n  - name: texts\n    kind: ica.analysis_creation\n    account: ica\n",
            f"    engine: nextflow\n    project: {lab.project}\n",
            f"    template: {{pipelineId: {lab.pipeline}, analysisInput: {{inputs: []}}}}\n",
            "    items: [{userReference: 0172}, {userReference: NO}, {userReference: 1_000}]\n",
        ]
        lab.drop("work.yaml", "".join(lines))
        ended = await lab.run()
        assert ended.code == 0
        assert [effect.name for effect in lab.simulator.ledger.effects("analysis")] == ["0172", "NO", "1_000"]


async def test_names_that_are_not_utf8_stop_nothing(lab):
    """Hidden or not, such a name ends neither the running daemon nor the next start; a visible one is rejected."""
    async with lab.open():
        incoming = os.fsencode(lab.queue / "incoming")
        async with lab.daemon() as process:
            await lab.until(lambda: "daemon_started" in (lab.folder / "daemon.log").read_text())
            for name in (b".y\xff", b"z\xff.yaml"):
                os.close(os.open(incoming + b"/" + name, os.O_CREAT | os.O_WRONLY))
            await lab.until((lab.queue / "rejected" / "z%FF.yaml.error.json").exists)
            lab.drop_jobs("good.json", lab.links("good", ["fil.0a"]))
            await lab.until((lab.queue / "results" / "good.json").exists)
            assert process.returncode is None
        lab.drop_jobs("second.json", lab.links("second", ["fil.0b"]))
        ended = await lab.run()
        assert (ended.code, lab.result("second")["job"]["state"]) == (0, "succeeded")
