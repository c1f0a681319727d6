"""`jobs`, `show`, `validate`: everything that people and `grep` need is there, on a narrow terminal too."""

import fcntl
import json
import os
import pty
import subprocess
import sys
import termios

import pytest
from commands import PROJECT, Desk, job

from orchestrator.cli.tables import lay_out
from orchestrator.domain.messages.counting import counted

LONG = "germline-" + "x" * 80
REMOTE = "c2a9a2f4-6d3f-4b67-b2c8-6f1a3de0f111"
HEADER = ("job", "kind", "state", "detail")
ROWS = [(LONG, "ica.analysis_creation", "running", "-"), ("short", "ica.data_linking", "queued", "why " * 30)]


@pytest.fixture
def desk(tmp_path):
    """A folder with a configuration and nothing else."""
    return Desk(tmp_path)


@pytest.fixture
def filled(desk):
    """With a job that waits for two others, one of them not dropped yet."""
    desk.fill(job(LONG), job("waits", 1, after=[LONG, "typo"]))
    desk.sql(f"UPDATE batches SET remote_id = '{REMOTE}'")
    return desk


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize(("width", "left_out"), [(None, set()), (130, set()), (110, {"kind"}), (20, {"kind", "state"})])
def test_a_narrow_terminal_loses_columns_and_no_characters(width, left_out):
    """The less important ones first; a name that does not fit is wrapped by the terminal, never cut."""
    without, lines = lay_out(HEADER, ROWS, width=width, spare=("kind", "state"), loose="detail")
    assert without == left_out
    assert [line.split()[0] for line in lines] == ["job", LONG, "short"]
    assert not [line for line in lines if "…" in line or line != line.rstrip()]


def test_columns_stand_below_each_other():
    """Also where characters are two columns wide."""
    _, lines = lay_out(("a", "b"), [("漢字", "x"), ("y", "z")], width=None, spare=())
    assert lines == ["a     b", "漢字  x", "y     z"]


def test_a_pipe_gets_every_column_in_full(filled):
    """Names, ids and all columns: what `grep` and `adopt` need."""
    lines = filled.run("jobs").out.splitlines()
    assert lines[0].split() == ["job", "kind", "account", "state", "needs", "items", "progress", "created"]
    assert [LONG in line for line in lines] == [False, False, True]
    assert any(REMOTE in line for line in filled.run("show", LONG).out.splitlines())


def test_a_terminal_of_eighty_columns_shows_names_and_ids_whole(filled):
    """As a person sees it: the columns that are not shown are named."""
    text = on_a_terminal(filled, "show", LONG)
    assert (LONG in text, REMOTE in text, "…" in text) == (True, True, False)
    text = on_a_terminal(filled, "jobs")
    assert (LONG in text, "ica.data_linking" in text) == (True, False)
    assert "columns omitted, the terminal is too narrow: kind, account, items, progress, created" in text


def on_a_terminal(desk, *words):
    """What a command prints on a terminal of 80 columns."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, 80))
    command = [sys.executable, "-m", "orchestrator", *words, "--config", str(desk.config)]
    environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environ) as process:
        os.close(its)
        told = b""
        while piece := _read(ours):
            told += piece
    os.close(ours)
    assert process.returncode == 0
    return told.decode()


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # how a terminal says that nobody writes any more
        return b""


# ---------------------------------------------------------------- one job


def test_the_status_of_a_batch_names_what_it_is_about(filled):
    """Its analyses were created, and one of them failed: nobody reads that as a success."""
    filled.sql("UPDATE batches SET state = 'tracking', status = 'SUCCEEDED'")
    filled.sql("UPDATE items SET state = 'running', stage = 'analysis'")
    filled.sql("UPDATE items SET state = 'failed' WHERE seq = 1")
    filled.sql("UPDATE batches SET open = open - 1, creating = 0")
    (line,) = [line for line in filled.run("show", LONG).out.splitlines() if REMOTE in line]
    assert "creation: SUCCEEDED  1 running, 1 failed" in line
    (batch,) = json.loads(filled.run("show", LONG, "--json").out)["batches"]
    assert (batch["stage"], batch["status"], batch["counts"]) == ("creation", "SUCCEEDED", {"running": 1, "failed": 1})


def test_a_waiting_job_tells_what_it_waits_for(filled):
    """Each with its state; a mistyped name stands out."""
    assert f"after  {LONG}: queued, typo: no such job yet (required: succeeded)" in filled.run("show", "waits").out


def test_the_document_stays_as_it_is(filled):
    """What programs read has no key that only people need."""
    told = json.loads(filled.run("show", "waits", "--json").out)["job"]
    assert ("after" in told, told["dropped_by"]) == (False, "0")


def test_items_have_a_header(filled):
    """As many columns as each line."""
    lines = [line.split("\t") for line in filled.run("show", LONG, "--items").out.splitlines() if "\t" in line]
    assert lines[0] == ["key", "batch", "stage", "state", "status", "remote id", "detail"]
    assert [len(line) for line in lines] == [7, 7, 7]


def test_a_program_that_asks_for_items_gets_nothing_else(filled):
    """The first line is the head of the columns."""
    assert filled.run("show", LONG, "--items").out.startswith("key\t")
    assert "\t" not in filled.run("show", LONG).out


def test_an_unknown_account_is_a_mistake(filled):
    """An empty list would say that the account has no jobs."""
    ended = filled.run("jobs", "--account", "nix")
    assert (ended.code, "unknown account 'nix'; configured accounts: ica" in ended.err) == (2, True)


def test_what_was_never_submitted_has_no_attempt(filled):
    """An item of a job that waits or was skipped."""
    filled.sql("UPDATE jobs SET state = 'skipped', settled_at = 1 WHERE name = 'waits'")
    document = json.loads(filled.run("show", "waits", "--json").out)
    assert [item["attempts"] for item in document["items"]] == [0]


def test_a_job_that_is_being_cancelled_shows_it(filled):
    """In the list and with its items."""
    filled.sql("UPDATE jobs SET cancelled_at = 1 WHERE name = 'waits'")
    assert "cancelling" in next(line for line in filled.run("jobs").out.splitlines() if line.startswith("waits"))


def test_help_has_a_short_name(desk):
    """As with other programs."""
    for words in (["jobs", "-h"], ["schema", "-h"]):
        ended = desk.run(*words)
        assert (ended.code, "Usage" in ended.out) == (0, True)


@pytest.mark.parametrize("words", [["cancel", "-h"], ["init", "-h"], ["db", "upgrade", "-h"]])
def test_help_names_no_type_of_a_flag(desk, words):
    """A flag takes no value; options with one have its type."""
    out = desk.run(*words).out
    assert "--help" in out
    assert "<path>" in out
    assert "bool" not in out


def test_who_dropped_a_job_is_named(desk):
    """Where this system knows the number; elsewhere it stays a number."""
    desk.fill(job("a"), job("b", dropped_by="4294967000"))
    assert "dropped_by  0 (root)\n" in desk.run("show", "a").out
    assert "dropped_by  4294967000\n" in desk.run("show", "b").out


def test_a_mistyped_job_is_told_with_the_one_that_was_meant(filled):
    """Code 2, as for any wrong use."""
    ended = filled.run("show", "wait")
    assert (ended.code, ended.err.startswith("no job is named 'wait': did you mean waits?")) == (2, True)


# ---------------------------------------------------------------- validate


def queue_file(desk, *jobs):
    path = desk.folder / "work.json"
    common = {"kind": "ica.data_linking", "account": "ica", "project": PROJECT, "items": [{"dataId": "fil.1"}]}
    path.write_text(json.dumps({"version": 1, "jobs": [common | each for each in jobs]}))
    return str(path)


@pytest.mark.parametrize("database", [True, False])
def test_validate_notes_an_unknown_job_to_wait_for(desk, database):
    """No mistake, for it may be dropped later; jobs of the file and of the database are known."""
    if database:
        desk.fill(job("Old"))
    other = {"items": [{"dataId": "fil.2"}]}
    file = queue_file(desk, {"name": "a", "after": ["old", "typo"]}, {"name": "b", "after": ["a"]} | other)
    ended = desk.run("validate", file)
    missing = "typo" if database else "old, typo"
    assert (ended.code, ended.out.splitlines()) == (
        0,
        [
            f"{file}: valid: 2 jobs, 2 items",
            f"{file}: note: a waits for {missing}: no such job exists yet",
        ],
    )


def test_one_of_a_thing_is_told_as_one(desk):
    """`1 job`, not `1 jobs`."""
    ended = desk.run("validate", queue_file(desk, {"name": "a"}), "--plan")
    assert "valid: 1 job, 1 item\n" in ended.out
    assert "a: 1 item in 1 batch, at least " in ended.out
    assert [counted(n, noun) for n, noun in ((0, "job"), (1, "batch"), (2, "batch"))] == [
        "0 jobs",
        "1 batch",
        "2 batches",
    ]


def test_a_queue_file_that_cannot_be_read_is_one_line(desk):
    """Not there, or a folder."""
    ended = desk.run("validate", str(desk.folder / "gone.yaml"))
    assert (ended.code, ended.err) == (2, f"{desk.folder}/gone.yaml: file not found\n")


def test_unfinished_jobs_are_shown_with_the_note_that_no_daemon_runs(filled):
    """On stderr: after a crash, `running` alone would say that all is well. Of settled jobs nothing is noted."""
    note = f"no daemon is running on {filled.state}: jobs continue when one starts\n"
    assert (filled.run("jobs").err, filled.run("show", LONG).err) == (note, note)
    assert filled.run("jobs", "--json").err == ""
    with os.fdopen(os.open(filled.state / "lock", os.O_RDWR | os.O_CREAT)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert filled.run("jobs").err == ""
    filled.sql("UPDATE jobs SET state = 'succeeded'")
    assert (filled.run("jobs").err, filled.run("show", LONG).err) == ("", "")


# ---------------------------------------------------------------- history and why


def test_the_history_is_one_event_a_line(filled):
    """With its time, the user's id and name, and the change; the same as JSON."""
    lines = filled.run("show", LONG, "--history").out.splitlines()
    assert lines[0].split("\t") == ["at", "actor", "batch", "item", "event", "change", "detail"]
    at, actor, batch, item, event, change, _ = lines[1].split("\t")
    assert (at, actor) == ("2023-11-14T22:13:20.000Z", "0 (root)")
    assert (batch, item, event, change) == ("-", "-", "job", "loading → queued")
    events = json.loads(filled.run("show", LONG, "--history", "--json").out)["events"]
    assert [(told["event"], told["actor"]) for told in events] == [("job", "0")]


def test_why_says_what_is_known_without_a_daemon(filled):
    """What a job waits for, and that the daemon was not asked; the same as JSON."""
    out = filled.run("show", "waits", "--why").out
    assert f"waits for  after: {LONG}: queued, typo: no such job yet (required: succeeded)" in out
    assert "daemon  none answers" in out
    told = json.loads(filled.run("show", "waits", "--why", "--json").out)
    assert [reason["waits_for"] for reason in told["reasons"]] == ["after"]


def test_history_and_why_are_two_questions(filled):
    """Both at once is wrong use."""
    assert filled.run("show", LONG, "--why", "--history").code == 2


@pytest.mark.parametrize("words", [("--history",), ("--history", "--json"), ("--items",), ("--json",), ("--why",)])
def test_of_a_job_that_does_not_exist_nothing_is_printed(filled, words):
    """No header and no half of a document that a program would read; the message goes to stderr."""
    ended = filled.run("show", "nobody", *words)
    assert (ended.code, ended.out) == (2, "")
    assert "no job is named 'nobody'" in ended.err


# ---------------------------------------------------------------- many jobs


def test_jobs_are_found_by_label_name_project_and_time(desk):
    """As in the API; what is no label or time is wrong use."""
    desk.fill(job("a-1", labels={"run": "1"}), job("b-1", labels={"run": "2", "lab": "x"}), job("b-2", project="other"))

    def names(*words):
        return [told["name"] for told in json.loads(desk.run("jobs", "--json", *words).out)["jobs"]]

    assert names() == ["b-2", "b-1", "a-1"]
    assert names("--label", "run=2", "--label", "lab=x") == ["b-1"]
    assert names("--name", "B-") == ["b-2", "b-1"]
    assert names("--project", "other") == ["b-2"]
    assert names("--since", "2023-11-14") == ["b-2", "b-1", "a-1"]
    assert names("--since", "1d") == []
    assert desk.run("jobs", "--since", "soon").code == 2
    assert desk.run("jobs", "--label", "run").code == 2
