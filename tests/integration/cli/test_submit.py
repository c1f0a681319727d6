"""What `submit` says of the files that it dropped: of these very files, whatever lay there before."""

import json
import os
from contextlib import asynccontextmanager
from types import SimpleNamespace

import anyio
import pytest
import typer
from typer.testing import CliRunner
from waiting import patience

from orchestrator.cli.commands import submit as submitting
from orchestrator.cli.commands.submit import Waiting
from orchestrator.domain.model import JobState
from orchestrator.intake.directory import dropping
from orchestrator.intake.directory.dropping import drop
from orchestrator.store.errors import StoreUnavailableError


@pytest.fixture
def drop_in(tmp_path):
    """Drops jobs as a queue file of that name, as `submit` does."""

    async def dropped(desk, *jobs, name="link.json"):
        source = tmp_path / name
        source.write_text(json.dumps(desk.file(*jobs)))
        (each,) = await drop([source], desk.queue, desk.accounts)
        return each

    return dropped


@asynccontextmanager
async def waiting_for(desk, *dropped):
    """Somebody who waits for them, in the background; leaving the block waits for the end."""
    settings = SimpleNamespace(
        queue=SimpleNamespace(directory=desk.queue),
        database=SimpleNamespace(
            url=f"sqlite:///{desk.queue.parent}/state/o.db", path=desk.queue.parent / "state/o.db"
        ),
    )
    waiting, told = Waiting(settings, dropped, desk.clock), SimpleNamespace(jobs=None, lost=[])

    async def wait():
        told.jobs = [(job.spec.name, job.state) for job in await waiting.settled()]
        told.lost = waiting.lost

    with patience():
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            yield told
            while told.jobs is None:
                await desk.clock.advance(0.5)


async def end(desk, name):
    """The job ends, and its result lies on the disk."""
    await desk.store.advance.cancel(name, now=desk.clock.now())
    for entry in await desk.store.outbox.due(desk.clock.now()):
        await desk.store.outbox.done(entry)


async def test_a_settled_job_is_waited_for_until_its_result_lies_there(desk, drop_in):
    """Whoever reads the result next finds it."""
    async with desk() as d:
        spool = d.spool()
        dropped = await drop_in(d, d.links("a"))
        async with waiting_for(d, dropped) as told:
            await d.decide(spool)
            await d.store.advance.cancel("a", now=d.clock.now())
            await _look(d)
            assert told.jobs is None
            (entry,) = await d.store.outbox.due(d.clock.now())
            await d.store.outbox.done(entry)
        assert told.jobs == [("a", JobState.CANCELLED)]


async def _look(desk):
    """One who waits looks again, and ends it when there is nothing left to wait for."""
    for _ in range(5):
        await desk.clock.advance(0.5)


async def test_a_corrected_file_is_waited_for(desk, drop_in):
    """Rejected once under its name, it is not called rejected while it lies in incoming/, and not when it is taken."""
    async with desk() as d:
        spool = d.spool()
        d.write("link.json", d.file(d.links("a", "x y")))
        await d.decide(spool)
        assert "link.json.error.json" in d.names("rejected")
        dropped = await drop_in(d, d.links("a"))
        async with waiting_for(d, dropped) as told:
            await _look(d)
            assert told.jobs is None
            await d.decide(spool)
            await _look(d)
            assert told.jobs is None
            await end(d, "a")
        assert (told.jobs, told.lost) == ([("a", JobState.CANCELLED)], [])


async def test_a_second_rejection_of_a_name_is_found(desk, drop_in, capsys):
    """Its error file has a number; an older one under the plain name speaks of another file."""
    async with desk() as d:
        spool = d.spool()
        for _ in range(2):
            d.write("link.json", d.file(d.links("a", "x y")))
            await d.decide(spool)
        d.write("other.json", d.file(d.links("b", after=["a"])))
        await d.decide(spool)
        dropped = await drop_in(d, d.links("a", after=["b"]))
        async with waiting_for(d, dropped) as told:
            await d.decide(spool)
        assert (told.jobs, told.lost) == ([], ["a"])
        assert capsys.readouterr().err == "a: link.json was rejected, see rejected/link-3.json.error.json\n"


async def test_an_earlier_outcome_under_the_name_is_not_told_of_this_file(desk, drop_in):
    """A job that settled before is no outcome of other content under its name, which is rejected."""
    async with desk() as d:

        class Sent:
            """The store, after the job's first batch left."""

            def __getattr__(self, name):
                return getattr(d.store.jobs, name)

            async def known(self, names):
                from dataclasses import replace

                return {name: replace(job, sent=True) for name, job in (await d.store.jobs.known(names)).items()}

        spool = d.spool(jobs=Sent())
        d.write("a.json", d.file(d.links("a")))
        await d.decide(spool)
        await end(d, "a")
        async with waiting_for(d, await drop_in(d, d.links("a", "fil.2"))) as told:
            await _look(d)
            assert told.jobs is None
            await d.decide(spool)
        assert (told.jobs, told.lost) == ([], ["a"])


async def test_controls_are_waited_for_too(desk, tmp_path, capsys):
    """Done when their file is accepted; when it is rejected, that is told and counts as not done."""
    async with desk() as d:
        dropped = []
        for name, control in (("good.json", {"pause": {"account": "ica"}}), ("bad.json", {"pause": "nobody"})):
            (tmp_path / name).write_text(json.dumps({"version": 1, "controls": [control]}))
            dropped += await drop([tmp_path / name], d.queue, d.accounts)
        async with waiting_for(d, *dropped) as told:
            await _look(d)
            assert told.jobs is None
            await d.decide(d.spool())
        assert (told.jobs, told.lost) == ([], ["controls"])
        assert capsys.readouterr().err == "controls: bad.json was rejected, see rejected/bad.json.error.json\n"


async def test_a_file_that_somebody_takes_away_is_not_waited_for(desk, drop_in, capsys):
    """It will never become a job."""
    async with desk() as d:
        async with waiting_for(d, await drop_in(d, d.links("a"))) as told:
            (d.incoming / "link.json").unlink()
        assert (told.jobs, told.lost) == ([], ["a"])
        assert "removed from incoming/" in capsys.readouterr().err


async def test_the_database_is_opened_once(desk, drop_in, monkeypatch, capsys):
    """However long it takes; only a database in trouble is opened again, and that is told once."""
    async with desk() as d:
        opened, trouble, real = [], ["locked", "locked"], submitting.reading

        def reading(settings):
            opened.append(settings)
            if trouble:
                raise StoreUnavailableError(trouble.pop())
            return real(settings)

        monkeypatch.setattr(submitting, "reading", reading)
        async with waiting_for(d, await drop_in(d, d.links("a"))) as told:
            await d.decide(d.spool())
            for _ in range(20):
                await d.clock.advance(0.5)
            await end(d, "a")
        assert told.jobs == [("a", JobState.CANCELLED)]
        assert len(opened) == 3
        assert capsys.readouterr().err == "locked - still waiting\n"


# ---------------------------------------------------------------- dropping


@pytest.fixture
def run_submit(tmp_path):
    """Runs the command on good files a.json, b.json."""
    config = {
        "queue": {"directory": "queue"},
        "accounts": {"ica": {"platform": "ica", "base_url": "http://127.0.0.1:1/rest", "api_key_file": "secrets/ica"}},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    job = {"kind": "ica.data_linking", "account": "ica", "project": "11111111-1111-1111-1111-111111111111"}
    for name in ("a", "b"):
        document = {"version": 1, "jobs": [job | {"name": name, "items": [{"dataId": "fil.1"}]}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(document))

    def run(*options):
        app = typer.Typer()
        app.command()(submitting.submit)
        files = [str(tmp_path / name) for name in ("a.json", "b.json")]
        return CliRunner().invoke(app, [*files, "--config", str(tmp_path / "config.yaml"), *options])

    return run


def test_a_job_that_waits_for_an_unknown_one_is_noted(run_submit, tmp_path):
    """As `validate` notes it: no mistake, but perhaps a slip; jobs of the other files are known."""
    for name, after in (("a", ["b"]), ("b", ["gone"])):
        document = json.loads((tmp_path / f"{name}.json").read_text())
        document["jobs"][0]["after"] = after
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    result = run_submit()
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            "queued a.json (a)",
            "queued b.json (b)",
            "b.json: note: b waits for gone: no such job exists yet",
        ],
    )


def test_without_a_daemon_it_is_said_that_nothing_happens_yet(run_submit, tmp_path):
    """The files are queued, and wait; a program that reads stdout finds what it always found."""
    result = run_submit()
    assert result.stderr == f"no daemon is running on {tmp_path}/state: they will be read when one starts\n"


def test_a_folder_that_cannot_be_written_is_told_in_one_line(run_submit, tmp_path):
    """With the folder, the reason, and that nothing was queued; exit code 2, no traceback."""
    (tmp_path / "queue").write_text("in the way")
    result = run_submit()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"{tmp_path}/queue/incoming: Not a directory: nothing was queued\n"


def test_a_disk_that_fills_up_is_told_with_what_was_dropped(run_submit, tmp_path, monkeypatch):
    """The first file lies in incoming/, the second does not; a draft's name is nobody's business."""
    real, drafts = dropping.open_draft, []

    def full(target):
        drafts.append(target)
        if len(drafts) > 1:
            raise OSError(28, "No space left on device", str(target.with_name(".b.json.01234567.tmp")))
        return real(target)

    monkeypatch.setattr(dropping, "open_draft", full)
    result = run_submit("--wait")
    assert (result.exit_code, result.stdout) == (2, "queued a.json (a)\n")
    incoming = tmp_path / "queue/incoming"
    assert result.stderr == f"{incoming}: No space left on device: only the files above were queued\n"
    assert os.listdir(incoming) == ["a.json"]  # noqa: PTH208 - the hidden ones too
