"""A mount that never answers: it shows, and stops nothing but intake."""

import os
import threading

import anyio
import anyio.lowlevel
import pytest

from orchestrator.intake import spool as spool_module
from orchestrator.intake.deciding import decider
from orchestrator.intake.directory import folder_events
from orchestrator.intake.directory.arrivals import list_folder
from orchestrator.intake.standstill import LONGEST_STANDSTILL


class Mount:
    """A folder that answers, or does not."""

    def __init__(self):
        self.asked, self.answers = threading.Event(), threading.Event()

    def list_folder(self, folder):
        self.asked.set()
        self.answers.wait()
        return list_folder(folder)


async def test_a_scan_that_hangs_is_an_error(desk, monkeypatch):
    """After two minutes without an answer it is said how long it has been, and no longer once it came."""
    async with desk() as d:
        spool, mount = d.spool(), Mount()
        await spool.rescan()
        monkeypatch.setattr(spool_module, "list_folder", mount.list_folder)
        async with anyio.create_task_group() as group:
            group.start_soon(spool.rescan)
            try:
                while not mount.asked.is_set():
                    await anyio.lowlevel.checkpoint()
                await d.clock.advance(LONGEST_STANDSTILL)
                assert spool.error is None
                await d.clock.advance(1)
                assert spool.error == "has been scanning incoming/ for 121 s, without a step for 121 s"
            finally:
                mount.answers.set()
        assert spool.error is None


async def test_a_look_that_gets_on_may_take_long(desk):
    """Files that take two minutes each are no error, however many there are; one that takes longer is."""
    async with desk() as d:
        seen, takes = [], LONGEST_STANDSTILL

        class Slow:
            """The store on a slow day."""

            def __getattr__(self, name):
                return getattr(d.store.jobs, name)

            async def known(self, names):
                await d.clock.advance(takes)
                seen.append(spool.error is None)
                return await d.store.jobs.known(names)

        spool = d.spool(jobs=Slow())
        for name in ("a", "b", "c"):  # of one job's name, so that each is admitted alone
            d.write(f"{name}.json", d.file(d.links("same")))
        await d.decide(spool)
        assert seen == [True] * 3
        takes += 1
        d.write("d.json", d.file(d.links("d")))
        await d.decide(spool)
        assert seen == [True, True, True, False]


@pytest.fixture
def threads(monkeypatch):
    """The threads in which the folder was asked for anything."""
    seen = set()

    def noting(module, name):
        real = getattr(module, name)

        def noted(*args, **kwargs):
            seen.add((name, threading.current_thread() is threading.main_thread()))
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, noted)

    for module, name in (
        (decider, "open_source"),
        (spool_module, "list_folder"),
        (folder_events, "_identity"),
        (os.path, "lexists"),
    ):
        noting(module, name)
    return seen


async def test_the_folder_is_never_asked_on_the_event_loop(desk, threads):
    """So that one that does not answer holds up no platform, no timer and no page."""
    async with desk() as d:
        d.write("t.csv", "dataId\nfil.1\n")
        d.write("a.json", d.file({key: value for key, value in d.links("a", table="t.csv").items() if key != "items"}))
        (d.incoming / "link.yaml").symlink_to("nowhere")
        d.write("cut.json", "{")
        spool = d.spool()
        async with anyio.create_task_group() as group:
            await group.start(spool.run)
            while spool._watch._watched is None:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        await d.decide(spool)
        assert d.names("accepted") == ["a.json", "t.csv"]
        assert threads == {(name, False) for name in ("open_source", "list_folder", "_identity", "lexists")}
