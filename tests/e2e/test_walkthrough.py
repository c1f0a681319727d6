"""docs/walkthrough.md: its commands, run as they stand there, print and write what it says."""

import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import free_port

PAGE = (Path(__file__).parents[2] / "docs/walkthrough.md").read_text()
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
OUTPUTS = re.findall(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
LIMIT = 1500
"""Seconds after which the shell is ended."""


@pytest.fixture(scope="module")
def walk(tmp_path_factory):
    """The folder after all commands were typed into one shell, and what they printed."""
    folder = tmp_path_factory.mktemp("walk")
    ports = {"8090": str(free_port()), "8080": str(free_port())}  # others may use those of the page
    script = re.sub(r"\b(8090|8080)\b", lambda port: ports[port[0]], "set -e\n" + "".join(COMMANDS) + "wait\n")
    script = script.replace("--retry 30 ", f"--retry {LIMIT} ").replace(  # a person types more slowly
        "orchestrator cancel germline-run-0173",
        "until orchestrator show germline-run-0173 >/dev/null 2>&1; do sleep 0.2; done\n"
        "orchestrator cancel germline-run-0173",
    )
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")} | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ORCHESTRATOR_SERVER__LISTEN": f"127.0.0.1:{ports['8080']}",
        "ORCHESTRATOR_ACCOUNTS__ICA__POLL__MIN_INTERVAL": "500ms",
        "ORCHESTRATOR_ACCOUNTS__ICA__POLL__MAX_INTERVAL": "1s",
    }
    with (folder / "printed").open("w") as printed:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=environ,
            stdout=printed,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = shell.wait(LIMIT)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGTERM)  # what the shell has left behind
    text = (folder / "printed").read_text()
    assert code == 0, text
    return folder, text


def _plain(text):
    """Without what is between the columns."""
    return " ".join(text.split())


def test_every_command_runs(walk):
    """To the end, with the two jobs as the page has them: one retried, one cancelled."""
    folder, text = walk
    assert "done: 1 item is submitted again" in text
    assert "done: 4 items ended" in text  # of the job that was a mistake
    results = {file.name for file in (folder / "queue/results").glob("*.html")}
    assert results >= {"link-run-0172.html", "germline-run-0172.html", "germline-run-0173.html"}


def test_what_the_page_shows_is_what_is_printed(walk):
    """Each line of its outputs, but for the rest of a wide line, stands in what was printed or in a file."""
    folder, text = walk
    files = [(folder / "samples.csv").read_text(), (folder / "queue/results/germline-run-0172.csv").read_text()]
    found = [_plain(line) for line in "\n".join([text, *files]).splitlines()]
    for line in (line for output in OUTPUTS for line in output.splitlines()):
        assert any(each.startswith(_plain(line)) for each in found), line


def test_the_report_says_what_the_page_says(walk):
    """Three of four, and why not the fourth; written where the command was typed."""
    folder, _ = walk
    report = (folder / "germline-run-0172.html").read_text()
    assert "3 of 4" in report
    assert "The pipeline ended with an error" in report
    with (folder / "queue/results/germline-run-0172.csv").open() as table:
        assert [row["state"] for row in csv.DictReader(table)] == ["succeeded"] * 3 + ["failed"]
