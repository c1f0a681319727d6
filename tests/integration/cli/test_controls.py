"""The commands that drop controls: a slip is refused at once, and `--wait` tells what became of it."""

import json

import anyio
import pytest
from commands import Desk, job

from orchestrator.cli.commands import controls
from orchestrator.cli.sources.file_outcome import daemon_holds
from orchestrator.clock import SystemClock
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.admission import Admission
from orchestrator.intake.directory.dropping import drop_controls
from orchestrator.intake.directory.open_file import open_source
from orchestrator.intake.validation.check import check
from orchestrator.settings import load
from orchestrator.store.database.lock import DaemonLock
from orchestrator.store.store import Store


@pytest.fixture
def desk(tmp_path):
    """A folder with a configuration and a database with one job, `big`."""
    desk = Desk(tmp_path)
    desk.fill(job("big"))
    (desk.queue / "incoming").mkdir(parents=True)
    return desk


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cancel", "bg"], "no job is named 'bg': did you mean big?; nothing was queued (use --force"),
        (["cancel", "nope"], "no job is named 'nope': `orchestrator jobs` lists them; nothing was queued (use --force"),
        (["pause", "nope"], "no job is named 'nope'"),
        (["resume", "nope"], "no job is named 'nope'"),
        (
            ["pause", "all"],
            "no job is named 'all': for all jobs write `pause: {all: true}` (`orchestrator pause --all`); ",
        ),
        (
            ["resume", "ica"],
            "no job is named 'ica': ica is an account: for all of its jobs write `resume: {account: ica}`",
        ),
        (["cancel", "all"], "no job is named 'all': `cancel` is for one job: write it for each of them; `pause: {"),
        (
            ["retry", "big", "--item", "fil.1", "--item", "nope"],
            "big has no item nope: `orchestrator show big --items`",
        ),
        (["give-up", "big", "--item", "nope"], "big has no item nope: `orchestrator show big --items`"),
        (["give-up", "nope"], "no job is named 'nope'"),
        (["adopt", "big", "99", "abc"], "big has no batch 99: `orchestrator show big` lists them"),
        (["adopt", "big", "1", "abc"], "batch 1 of big is planned: only a blocked or unconfirmed batch can be adopted"),
        (["pause", "--account", "nope"], "unknown account 'nope'; configured accounts: ica"),
        (["cancel", "../x"], "cancel: '../x' is no job name: A-Z a-z 0-9"),
        (["cancel", ""], "cancel: '' is no job name"),
        (["pause", "a b"], "pause: 'a b' is no job name"),
        (["retry", "big", "--item", ""], "items[0]: is empty"),
        (["adopt", "big", "1", ""], "adopt.remote_id: is empty"),
        (["retry", "big", "--item", "fil.1", "--state", "failed"], "--item and --state cannot be used together"),
        (["pause"], "specify exactly one of JOB, --account A and --all"),
    ],
)
def test_a_slip_is_refused_and_nothing_dropped(desk, words, says):
    """Code 2 and one line: it must not look as if the wrong job were cancelled."""
    ended = desk.run(*words)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert ended.err.startswith(says)
    assert desk.dropped == []


@pytest.mark.parametrize(
    ("words", "control"),
    [
        (["cancel", "BIG"], {"cancel": "BIG"}),
        (["retry", "big", "--item", "fil.2"], {"retry": "big", "items": ["fil.2"]}),
        (["give-up", "big"], {"give-up": "big"}),
        (["give-up", "big", "--item", "fil.2"], {"give-up": "big", "items": ["fil.2"]}),
        (["pause", "--account", "ica"], {"pause": {"account": "ica"}}),
        (["resume", "--all"], {"resume": {"all": True}}),
        (["cancel", "nope", "--force"], {"cancel": "nope"}),
        (["adopt", "big", "99", "abc", "--force"], {"adopt": {"job": "big", "batch": 99, "remote_id": "abc"}}),
    ],
)
def test_what_can_be_done_is_dropped(desk, words, control):
    """`--force` drops what the database does not know: its file may still be in incoming/."""
    ended = desk.run(*words)
    assert (ended.code, desk.dropped) == (0, [control])
    assert ended.out.startswith(f"{next(iter(control))} requested (control-")


def test_without_a_database_no_job_is_known(tmp_path):
    """Most likely it is the wrong folder; `--force` is for those who dropped before the daemon ever ran."""
    desk = Desk(tmp_path)
    ended = desk.run("cancel", "big")
    assert (ended.code, f"there is no database at {desk.database}" in ended.err) == (2, True)
    (desk.queue / "incoming").mkdir(parents=True)
    assert (desk.run("cancel", "big", "--force").code, desk.dropped) == (0, [{"cancel": "big"}])


def test_a_database_that_cannot_be_read_does_not_keep_anyone_from_cancelling(desk):
    """It is said that the name was not checked."""
    desk.database.write_text("spoilt " * 1000)
    ended = desk.run("cancel", "big")
    assert (ended.code, desk.dropped) == (0, [{"cancel": "big"}])
    assert ended.err.startswith("it was not checked that job big exists: ")


# ---------------------------------------------------------------- the daemon


def test_without_a_daemon_it_is_said_to_wait(desk):
    """A control that nobody carries out must not look done."""
    assert (
        f"no daemon is running on {desk.state}: it will be carried out when one starts" in desk.run("cancel", "big").err
    )


def test_a_daemon_that_holds_the_state_is_noticed(desk):
    """Then nothing is said of it."""

    async def held():
        async with DaemonLock(desk.state):
            return daemon_holds(settings)

    settings = load(desk.config, {}, for_daemon=False)
    assert [daemon_holds(settings), anyio.run(held), daemon_holds(settings)] == [False, True, False]


@pytest.fixture
def decided(desk, monkeypatch):
    """Has what is dropped decided upon before anybody looks."""

    def decide(folder):
        def drop(*given, **named):
            name = drop_controls(*given, **named)
            (desk.queue / folder).mkdir()
            (desk.queue / "incoming" / name).rename(desk.queue / folder / name)
            if folder == "rejected":
                mistakes = [{"message": "no job is named 'big'", "remedy": "look"}]
                (desk.queue / folder / f"{name}.error.json").write_text(json.dumps({"mistakes": mistakes}))
            return name

        monkeypatch.setattr(controls, "drop_controls", drop)

    return decide


@pytest.mark.parametrize("wait", [["--wait"], []])
def test_waiting_ends_when_it_is_done(desk, decided, wait):
    """Code 0 once the file is in accepted/; without `--wait` nobody waits."""
    decided("accepted")
    ended = desk.run("pause", "big", *wait)
    assert (ended.code, ended.out.splitlines()[1:]) == (0, ["done"] if wait else [])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["retry", "big"], "nothing changed: no item failed, was aborted or cancelled, and no batch is blocked"),
        (["resume", "big"], "nothing changed: it is neither paused nor stopped"),
        (["pause", "--all"], "1 job paused"),
        (["cancel", "big"], "2 items ended"),
    ],
)
def test_waiting_prints_what_changed(desk, monkeypatch, words, says):
    """With numbers, or why nothing did: what the daemon kept with the control."""

    def drop(*given, **named):
        name = drop_controls(*given, **named)
        anyio.run(carried_out, desk, name)
        return name

    monkeypatch.setattr(controls, "drop_controls", drop)
    monkeypatch.setattr(controls, "SystemClock", lambda: Ending(desk, "succeeded"))
    ended = desk.run(*words, "--wait")
    assert (ended.code, says in " ".join(ended.out.split())) == (0, True), ended


async def carried_out(desk, name):
    """By the admission of a daemon, which then writes what results there are."""
    path = desk.queue / "incoming" / name
    async with Store.opened(f"sqlite:///{desk.database}", state_directory=desk.state) as store:
        with await check(path, {"ica": AccountLimits("ica", 5000)}) as report:
            source = open_source(path)
            token = source.token(lambda: None)
            source.close()
            admission = Admission(store.jobs, store.advance, {"ica": AccountLimits("ica", 5000)}, SystemClock())
            await admission.admit(report, token)
        for entry in await store.outbox.due(SystemClock().now()):
            await store.outbox.done(entry)
    (desk.queue / "accepted").mkdir()
    path.rename(desk.queue / "accepted" / name)


class Ending:
    """A clock whose first pause lasts until the job has settled in this state."""

    def __init__(self, desk, state):
        self._desk, self._state = desk, state
        self.slept = 0

    async def sleep(self, seconds):
        self.slept += 1
        assert self.slept == 1, "the job has settled, and is waited for"
        self._desk.sql(f"UPDATE jobs SET state = '{self._state}', settled_at = 1 WHERE name = 'big'")


WAITED_FOR = {
    "cancel": (["cancel", "big"], "cancelled", 0),
    "cancel_too_late": (["cancel", "big"], "failed", 0),
    "retry": (["retry", "big"], "succeeded", 0),
    "retry_in_vain": (["retry", "big"], "partial", 1),
    "pause": (["pause", "big"], None, 0),
    "resume": (["resume", "big"], None, 0),
    "give_up": (["give-up", "big"], None, 0),
    "adopt": (["adopt", "big", "1", "remote", "--force"], None, 0),
}
"""Command, the state in which its job settles if it is waited for, exit code."""


@pytest.mark.parametrize("command", WAITED_FOR)
def test_waiting_ends_when_what_was_requested_is_over(desk, decided, monkeypatch, command):
    """A job that is retried or cancelled has settled; the other controls take effect when they are carried out."""
    words, state, code = WAITED_FOR[command]
    decided("accepted")
    clock = Ending(desk, state)
    monkeypatch.setattr(controls, "SystemClock", lambda: clock)
    ended = desk.run(*words, "--wait")
    assert (ended.code, clock.slept) == (code, 0 if state is None else 1)
    assert ended.out.endswith("done\n" if state is None else f"big: {state}\n")


def test_a_cancel_is_not_called_done_while_the_platform_still_works(desk, decided, monkeypatch):
    """The control was carried out; its items end when they were stopped, and what never is may be given up."""
    decided("accepted")
    monkeypatch.setattr(controls, "SystemClock", lambda: Ending(desk, "cancelled"))
    ended = desk.run("cancel", "big", "--wait")
    said = " ".join(ended.out.split())
    assert ended.code == 0
    assert "done" not in said.partition("accepted")[2]
    assert "not yet aborted on the platform" in said
    assert "`orchestrator give-up big`" in said


def test_waiting_for_what_is_on_its_way_already_waits_for_its_end(desk, monkeypatch):
    """A second `cancel` changes nothing, and the platform still aborts the items of the first."""

    def drop(*given, **named):
        name = drop_controls(*given, **named)
        anyio.run(carried_out, desk, name)
        return name

    desk.sql("UPDATE jobs SET cancelled_at = 1 WHERE name = 'big'")
    monkeypatch.setattr(controls, "drop_controls", drop)
    clock = Ending(desk, "cancelled")
    monkeypatch.setattr(controls, "SystemClock", lambda: clock)
    ended = desk.run("cancel", "big", "--wait")
    assert (ended.code, clock.slept) == (0, 1)
    assert "not yet aborted on the platform" in " ".join(ended.out.split())
    assert ended.out.endswith("big: cancelled\n")


def test_waiting_tells_why_it_was_rejected(desk, decided):
    """The daemon's own words on stderr, and code 1."""
    decided("rejected")
    ended = desk.run("cancel", "big", "--wait")
    assert (ended.code, "rejected: no job is named 'big' - look\n" in ended.err) == (1, True)


def test_waiting_ends_when_somebody_took_the_file_away(desk, decided):
    """Neither done nor rejected: it is said, with code 1."""
    decided("elsewhere")
    ended = desk.run("cancel", "big", "--wait")
    assert (ended.code, "was removed from" in ended.err) == (1, True)
