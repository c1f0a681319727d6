"""`watch`: shows how far jobs are until they settle, on a terminal and in a pipe, with and without a daemon."""

import codecs
import io
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import pytest
import typer
from commands import Desk, job
from processes import free_port
from rich.console import Console
from waiting import PATIENCE, patience

from orchestrator.app import daemon
from orchestrator.cli.commands.watch import Lines, follow, render
from orchestrator.cli.sources import http
from orchestrator.cli.sources.progress import ProgressReader, Snapshot
from orchestrator.clock import ManualClock, SystemClock
from orchestrator.settings import load
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.telemetry.bus import Bus

SETTLE = "UPDATE jobs SET state = '{}', settled_at = 1700000001000000 WHERE name = '{}'"


@pytest.fixture
def desk(tmp_path):
    """A folder with a configuration and a key, and nothing else."""
    desk = Desk(tmp_path)
    (tmp_path / "key").write_text("key-5a0e77c1d2\n")
    return desk


def told(name, state="running", **fields):
    """A job as documents have it."""
    job = {"name": name, "state": state, "account": "ica", "needs": None, "detail": None}
    return job | {"counts": {"running": 3, "succeeded": 1}, "created_at": "2026-01-01T00:00:00.000Z"} | fields


def batch(number, state="tracking", **fields):
    return {
        "number": number,
        "state": state,
        "stage": "creation",
        "status": None,
        "items": 2,
        "counts": {},
        "detail": None,
    } | fields


# ---------------------------------------------------------------- looking, again and again


class Script:
    """Looks that were written down; an error among them is raised."""

    def __init__(self, *looks):
        self.looks = list(looks)

    async def read(self):
        look = self.looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look


async def followed(*looks, seconds):
    """What is shown within so many seconds, and whether it ended by then."""
    shown, clock = [], ManualClock()
    script = Script(*looks)
    async with anyio.create_task_group() as group:
        group.start_soon(follow, script, shown.append, clock)
        await clock.advance(seconds)
        over = clock.next_deadline == float("inf")
        group.cancel_scope.cancel()
    return shown, over


async def test_it_looks_each_second_and_ends_when_all_is_settled():
    """The last look is shown too."""
    looks = [Snapshot([told("a")]), Snapshot([told("a")]), Snapshot([told("a", "failed")])]
    assert await followed(*looks, seconds=1.5) == (looks[:2], False)
    assert await followed(*looks, seconds=2) == (looks, True)


async def test_nothing_to_wait_for_ends_it_at_once():
    """With what there is to see."""
    assert await followed(Snapshot([]), seconds=0) == ([Snapshot([])], True)


async def test_a_database_that_is_away_for_a_moment_does_not_end_it():
    """As while its server starts anew; one that is not there from the beginning does."""
    away = StoreUnavailableError("away")
    shown, over = await followed(Snapshot([told("a")]), away, Snapshot([told("a", "succeeded")]), seconds=2)
    assert (len(shown), over) == (2, True)
    with pytest.raises(StoreUnavailableError):
        await follow(Script(away), print, ManualClock())


# ---------------------------------------------------------------- a pipe


def printed(*looks):
    """The lines after each look."""
    lines, after, seen = Lines(ManualClock()), [], ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out := io.StringIO())
        for look in looks:
            lines(look)
            new = out.getvalue().removeprefix(seen).splitlines()
            assert all(line.startswith("2023-11-14T") for line in new if line != "no unfinished jobs")
            after.append([line.partition("Z ")[2] or line for line in new])
            seen = out.getvalue()
    return after


def test_a_pipe_gets_a_line_for_what_has_changed():
    """And none for what has not."""
    first = Snapshot([told("a"), told("b", "waiting", counts={"pending": 2})], [batch(1)])
    second = Snapshot([told("a", needs="blocked", detail="why"), first.jobs[1]], [batch(1, status="RUNNING")])
    third = Snapshot(second.jobs, second.batches, {"ica": "look: 403"})
    assert printed(first, first, second, third) == [
        ["a: running, running 3 succeeded 1", "b: waiting, pending 2", "batch 1: tracking, 2 items"],
        [],
        ["a: running, needs blocked: why, running 3 succeeded 1", "batch 1: tracking, creation: RUNNING, 2 items"],
        ["account ica: look: 403"],
    ]


def test_what_comes_from_outside_steers_no_terminal():
    """A reason may hold anything."""
    ((line,),) = printed(Snapshot([told("a", needs="blocked", detail="\x1b[2Jgone\nb: running")]))
    assert line == "a: running, needs blocked: \\x1b[2Jgone b: running, running 3 succeeded 1"


# ---------------------------------------------------------------- a terminal


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_name_of_usual_length_is_whole(width):
    """So that it can be copied into the next command; other columns are wrapped for it, and none is cut off."""
    job = told("germline-run-0172") | {"expected_end": "2026-01-31T12:05:00.000Z"}
    lines = drawn(Snapshot([job]), width=width)
    assert any("germline-run-0172" in line for line in lines)
    assert "UTC" in " ".join(lines)


def drawn(seen, *, one=False, height=20, width=80):
    console = Console(file=io.StringIO(), width=width, height=height, highlight=False, markup=False)
    console.print(render(seen, console, one=one))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_a_terminal_shows_all_jobs_that_are_open():
    """In the order in which they were created, whatever their states are, with times as those of their ends."""
    states = {"ended": "failed", "queued": "queued", "runs": "running", "stuck": "running"}
    jobs = [
        told(name, state, created_at=f"2026-01-0{n}T10:00:00Z") for n, (name, state) in enumerate(states.items(), 1)
    ]
    lines = drawn(Snapshot(jobs[::-1]), width=120)
    assert [line.split()[0] for line in lines] == ["job", "ended", "queued", "runs", "stuck"]
    assert "running 3 succeeded 1" in lines[1]
    assert lines[1].endswith("2026-01-01 10:00 UTC")


def test_a_long_list_is_no_taller_than_the_terminal():
    """What does not fit is counted, jobs and batches alike."""
    lines = drawn(Snapshot([told(f"job-{n}") for n in range(50)]))
    assert (len(lines) <= 20, lines[-1]) == (True, "and 36 jobs more")
    lines = drawn(Snapshot([told("a")], [batch(n) for n in range(50)]), one=True)
    assert (len(lines) <= 20, "more" in lines[-1]) == (True, True)


def test_a_job_is_shown_with_its_batches_and_what_they_met():
    """And with what its account goes on failing at."""
    batches = [batch(1, "settled"), batch(2, detail="503 at the platform"), batch(3, "planned")]
    text = "\n".join(drawn(Snapshot([told("a")], batches, {"ica": "look: 403"}, daemon=False), one=True))
    for part in (
        "settled 1 tracking 1 planned 1",
        "503 at the platform",
        "account ica: look: 403",
        "no daemon answers",
    ):
        assert part in text


@pytest.mark.parametrize("one", [True, False])
def test_the_expected_end_is_shown_where_it_is_known(one):
    """To the minute, in UTC; without it there is no empty column."""
    known = told("known", expected_end="2026-01-31T12:05:59.000Z")
    assert "2026-01-31 12:05 UTC" in "\n".join(drawn(Snapshot([known]), one=one, width=120))
    assert "expected end" not in "\n".join(drawn(Snapshot([told("unknown", expected_end=None)]), one=one))


@pytest.mark.parametrize("one", [True, False])
def test_a_long_name_is_whole_on_a_narrow_terminal(one):
    """Folded, never cut: it is there to be copied."""
    lines = drawn(Snapshot([told("x" * 90)]), one=one, width=60)
    assert sum(line.count("x") for line in lines) == 90


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, desk, *words):
        self._ours, its = pty.openpty()
        termios.tcsetwinsize(its, (24, 100))
        command = [sys.executable, "-m", "orchestrator", *words, "--config", str(desk.config)]
        environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            command, stdin=its, stdout=its, stderr=its, env=environ | {"TERM": "xterm"}, start_new_session=True
        )
        os.close(its)
        self._decoder = codecs.getincrementaldecoder("utf-8")()  # a piece may end inside of a character
        self.text = ""

    def until(self, part):
        """Read until this has been shown."""
        while part not in self.text and self._read():
            pass
        return part in self.text

    def end(self):
        """Read to the end; the exit code."""
        while self._read():
            pass
        os.close(self._ours)
        return self.process.wait()

    def _read(self):
        try:
            piece = os.read(self._ours, 65536)
        except OSError:  # how a terminal says that nobody writes any more
            return False
        self.text += self._decoder.decode(piece)
        return bool(piece)


def test_on_a_terminal_it_follows_a_job_to_its_end(desk):
    """Drawn anew as it changes; then the command returns."""
    desk.fill(job("a"), job("b"))
    terminal = Terminal(desk, "watch", "a")
    assert terminal.until("queued")
    desk.sql(SETTLE.format("succeeded", "a"))
    assert (terminal.end(), "succeeded" in terminal.text) == (0, True)


def test_control_c_ends_it_cleanly(desk):
    """Code 0, no traceback, and the cursor is there again."""
    desk.fill(job("a"))
    terminal = Terminal(desk, "watch")
    assert terminal.until("queued")
    terminal.process.send_signal(signal.SIGINT)
    assert (terminal.end(), "Traceback" in terminal.text) == (0, False)
    assert terminal.text.rindex("\x1b[?25h") > terminal.text.rindex("\x1b[?25l")


# ---------------------------------------------------------------- where it looks


def test_an_unknown_job_is_told_as_show_tells_it(desk):
    """With the one that was meant; so is a database that is not there."""
    assert (desk.run("watch").code, desk.run("show", "a").code) == (1, 1)
    desk.fill(job("waits"))
    ended = desk.run("watch", "wait")
    assert (ended.code, ended.err) == (2, desk.run("show", "wait").err)


def test_what_is_settled_is_told_and_not_waited_for(desk):
    """A job by its name; without one there is nothing to see."""
    desk.fill(job("a"))
    desk.sql(SETTLE.format("failed", "a"))
    ended = desk.run("watch", "A")
    assert (ended.code, "a: failed, pending 2\n" in ended.out) == (0, True)
    assert desk.run("watch").out == "no unfinished jobs\n"


async def test_a_job_that_settles_meanwhile_is_shown_with_its_end(desk):
    """Though it is no longer among the unsettled; one that is opened again is."""
    await anyio.to_thread.run_sync(desk.fill, job("a"), job("b"))
    sight = ProgressReader(load(desk.config, {}, for_daemon=False))
    assert [each["state"] for each in (await sight.read()).jobs] == ["queued", "queued"]
    desk.sql(SETTLE.format("partial", "a"))
    for _ in range(2):
        seen = await sight.read()
        assert ([(each["name"], each["state"]) for each in seen.jobs], seen.daemon, seen.over) == (
            [("a", "partial"), ("b", "queued")],
            False,
            False,
        )
    desk.sql("UPDATE jobs SET state = 'running', settled_at = NULL WHERE name = 'a'")
    desk.sql(SETTLE.format("succeeded", "b"))
    seen = await sight.read()
    assert [(each["name"], each["state"]) for each in seen.jobs] == [("b", "succeeded"), ("a", "running")]


@asynccontextmanager
async def running(desk):
    """The daemon of the desk with its server, its loops at rest."""
    told = json.loads(desk.config.read_text()) | {"server": {"listen": f"127.0.0.1:{free_port()}"}}
    desk.config.write_text(json.dumps(told))
    async with daemon(load(desk.config, {}), bus=Bus()) as built:
        yield built


async def test_a_running_daemon_is_asked(desk, monkeypatch):
    """It tells what an account goes on failing at as well; once it has stopped, the database is read."""
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", PATIENCE)
    await anyio.to_thread.run_sync(desk.fill, job("a"), job("b"))
    async with running(desk) as built:
        settings = load(desk.config, {})
        one, every = ProgressReader(settings, "A"), ProgressReader(settings)
        with patience():
            while not (await one.read()).daemon:
                await SystemClock().sleep(0.05)
        built.dispatches[0]._steps.report_failure("look search:p", StoreUnavailableError("403 at the platform"))
        seen = await one.read()
        assert ([each["name"] for each in seen.jobs], [each["number"] for each in seen.batches]) == (["a"], [1])
        assert seen.account_errors == {"ica": "look search:p: 403 at the platform"}
        assert [each["name"] for each in (await every.read()).jobs] == ["a", "b"]
        with pytest.raises(typer.Exit):
            await ProgressReader(settings, "nobody").read()
    for sight, names in ((one, ["a"]), (every, ["a", "b"])):
        seen = await sight.read()
        assert ([each["name"] for each in seen.jobs], seen.daemon) == (names, False)
