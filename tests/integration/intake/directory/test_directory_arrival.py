"""When a file is taken: renamed in, written in place, cut, hidden, seen by events or by looking."""

import json
import os
import shutil

import anyio
import anyio.from_thread
import pytest
from structlog.testing import capture_logs
from waiting import patience, until

from orchestrator.clock import SystemClock

YAML = (
    "version: 1\njobs:\n  - name: a\n    kind: ica.data_linking\n    account: ica\n"
    "    project: 11111111-1111-1111-1111-111111111111\n    items:\n      - dataId: fil.1\n"
)


async def test_a_file_renamed_in_is_taken_at_once(desk):
    """An inode that had a hidden name at the last look needs no rest."""
    async with desk() as d:
        spool = d.spool()
        await d.rename_in(spool, "a.yaml", YAML)
        assert await spool.rescan()
        assert d.names("accepted") == ["a.yaml"]
        assert await d.jobs() == ["a"]


async def test_a_file_written_in_place_rests_first(desk):
    """It is taken `rest` seconds after its last change, and each change starts the time again."""
    async with desk() as d:
        spool = d.spool()
        path = d.write("a.yaml", YAML)
        await spool.rescan()
        await d.clock.advance(4.9)
        assert not await spool.rescan()
        with path.open("a") as file:
            file.write("      - dataId: fil.2\n")
        await spool.rescan()
        await d.clock.advance(4.9)
        assert not await spool.rescan()
        await d.clock.advance(0.1)
        assert await spool.rescan()
        assert [event.items for event in d.accepted] == [2]


async def test_json_that_is_whole_proves_it(desk):
    """A JSON document written in place is taken as soon as two looks agree; what is behind its end counts too."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a")))
        await spool.rescan()
        await d.clock.advance(0.1)
        assert await spool.rescan()
        assert d.names("accepted") == ["a.json"]


async def test_json_that_is_cut_is_given_its_time(desk):
    """Half a document may still grow; only when it rested is it judged."""
    async with desk() as d:
        spool = d.spool()
        text = json.dumps(d.file(d.links("a")))
        path = d.write("a.json", text[:-10])
        await spool.rescan()
        await d.clock.advance(1)
        assert not await spool.rescan()
        path.write_text(text)
        await spool.rescan()
        await d.clock.advance(0.1)
        assert await spool.rescan()
        assert d.names("accepted") == ["a.json"]


@pytest.mark.parametrize("content", ["", YAML[:-1], YAML[: YAML.index("    items")]])
async def test_what_stays_cut_is_rejected(desk, content):
    """0 bytes, a last line without end, a job without its end: rejected once it rested."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.yaml", content)
        await spool.rescan()
        await d.clock.advance(4)
        assert not await spool.rescan()
        await d.clock.advance(1)
        assert await spool.rescan()
        assert d.names("rejected") == ["a.yaml", "a.yaml.error.json"]


async def test_ignored_names_are_left_alone(desk):
    """Hidden, .tmp and .part names are other people's business forever."""
    async with desk() as d:
        spool = d.spool()
        for name in (".a.yaml", "a.yaml.tmp", "a.yaml.part", ".b.yaml.tmp", "A.PART"):
            d.write(name, YAML)
        assert await d.decide(spool)
        assert d.names("incoming") == [".a.yaml", ".b.yaml.tmp", "A.PART", "a.yaml.part", "a.yaml.tmp"]
        assert d.events == []


async def test_a_file_that_rested_before_it_was_moved_in_needs_no_more(desk):
    """Its inode changed long after its content: whoever wrote it was done."""
    async with desk() as d:
        spool = d.spool()
        path = d.write("a.yaml", YAML)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        await spool.rescan()
        await d.clock.advance(0.1)
        assert await spool.rescan()
        assert d.names("accepted") == ["a.yaml"]


async def test_a_file_changed_while_it_is_read_is_left_for_the_next_look(desk):
    """What was read from a file that moved on meanwhile does not count."""
    async with desk() as d:
        spool = d.spool()
        path = d.write("a.yaml", YAML)
        await spool.rescan()
        await d.clock.advance(5)
        check = spool._decider._check

        def append_and_check(each):
            with path.open("a") as file:
                file.write("      - dataId: fil.2\n")
            return check(each)

        spool._decider._check = append_and_check
        assert not await spool.rescan()
        assert await d.jobs() == []
        spool._decider._check = check
        assert await d.decide(spool)
        assert [event.items for event in d.accepted] == [2]


async def test_another_file_under_the_name_is_not_moved(desk):
    """A file that takes the name while the first is being loaded stays, and is decided by itself."""
    async with desk() as d:
        spool = d.spool()

        class Jobs:
            """The store, with someone quick behind it."""

            def __getattr__(self, name):
                return getattr(d.store.jobs, name)

            async def commit(self, *args, **kwargs):
                await d.store.jobs.commit(*args, **kwargs)
                d.write(".new", YAML.replace("name: a", "name: b")).rename(d.incoming / "a.yaml")

        spool = d.spool(jobs=Jobs())
        await d.rename_in(spool, "a.yaml", YAML)
        assert not await spool.rescan()
        assert d.names("incoming") == ["a.yaml"]
        assert d.names("accepted") == []
        spool = d.spool()
        assert await d.decide(spool)
        assert await d.jobs() == ["a", "b"]
        assert "name: b" in (d.queue / "accepted/a.yaml").read_text()


async def listening(spool):
    """Wait until file events reach the spool: its folder is watched, and nothing is left to do."""
    await until(lambda: spool._watch._watched is not None)
    await anyio.wait_all_tasks_blocked()


NEVER = 1e9
"""Seconds between two looks, so that only an event can have been the reason for one."""


async def test_file_events_wake_the_spool(desk):
    """Without any look by the clock, a renamed file is accepted by its event alone."""
    async with desk() as d:
        spool = d.spool(clock=SystemClock(), scan_interval=NEVER)
        async with anyio.create_task_group() as group:
            await group.start(spool.run)
            await listening(spool)
            d.write(".a.yaml.tmp", YAML).rename(d.incoming / "a.yaml")
            await until(lambda: d.accepted)
            group.cancel_scope.cancel()
        assert d.names("accepted") == ["a.yaml"]


@pytest.mark.parametrize("how", ["removed", "renamed"])
async def test_a_folder_made_anew_is_watched_again(desk, how):
    """Where incoming/ is replaced, also by a folder with the same inode, an event alone has a file accepted."""
    async with desk() as d:
        spool = d.spool(scan_interval=NEVER)
        async with anyio.create_task_group() as group:
            await group.start(spool.run)
            await listening(spool)
            if how == "removed":
                shutil.rmtree(d.incoming)
            else:
                d.incoming.rename(d.queue / "elsewhere")
            await until(d.incoming.exists)  # the event of the removal has the spool make it anew
            await until(lambda: spool._watch._watched is None)
            await d.clock.advance(NEVER)
            await listening(spool)
            d.write(".a.yaml.tmp", YAML).rename(d.incoming / "a.yaml")
            await until(lambda: d.clock.next_deadline < d.clock.monotonic() + NEVER / 2 or d.accepted)
            await d.clock.advance(5)  # where the two events of the rename came one by one
            await until(lambda: d.accepted)
            group.cancel_scope.cancel()
        assert d.names("accepted") == ["a.yaml"]


async def test_a_file_that_has_rested_when_a_scan_ends_is_read_at_once(desk, monkeypatch):
    """The next scan is planned from when the file was listed: it was judged then, however long the scan took."""
    async with desk() as d:
        spool = d.spool(scan_interval=NEVER)
        d.write("a.yaml", YAML)
        await spool.rescan()
        await d.clock.advance(4.9)
        still_there = spool._still_there

        def slowly(entries):
            anyio.from_thread.run(d.clock.advance, 0.2)
            return still_there(entries)

        monkeypatch.setattr(spool, "_still_there", slowly)
        await spool.rescan()
        assert (spool._next_scan, d.names("accepted")) == (0.01, [])
        await spool.rescan()
        assert d.names("accepted") == ["a.yaml"]


async def test_a_folder_made_anew_is_seen_again(desk):
    """When incoming/ is removed and comes back, looking goes on without any event."""
    async with desk() as d:
        spool = d.spool()
        await spool.rescan()
        shutil.rmtree(d.incoming)
        await spool.rescan()
        assert d.incoming.exists()
        await d.rename_in(spool, "a.yaml", YAML)
        assert await spool.rescan()
        assert d.names("accepted") == ["a.yaml"]


async def test_a_name_that_is_not_utf8_ends_no_watching(desk):
    """The watcher raises a group for it; that is logged once, the intake runs on, and the folder is watched again."""
    with capture_logs() as logs:
        async with desk() as d:
            spool = d.spool(clock=SystemClock(), scan_interval=0.05, rest=0.2)
            async with anyio.create_task_group() as group:
                await group.start(spool.run)
                with patience():
                    while not spool._watch._reported:
                        # Again and again: nothing shows when the watcher has begun to listen.
                        os.close(os.open(os.fsencode(d.incoming) + b"/.y\xff", os.O_CREAT | os.O_WRONLY))
                        await SystemClock().sleep(0.02)
                    d.write(".a.yaml.tmp", YAML).rename(d.incoming / "a.yaml")
                    while not d.accepted or spool._watch._watched is None:
                        await SystemClock().sleep(0.01)
                group.cancel_scope.cancel()
    assert [each["event"] for each in logs].count("file_events_failed") == 1
