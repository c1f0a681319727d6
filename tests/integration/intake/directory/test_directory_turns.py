"""Many files: decided in groups, the urgent ones first, large ones beside them, and none held up by another."""

import errno
import math
import os

import anyio
import anyio.lowlevel
import pytest

from orchestrator.intake.deciding import decider
from orchestrator.intake.deciding.turns import GROUP
from orchestrator.intake.directory import syncing
from orchestrator.telemetry.events import ControlDone, FileAccepted, FileRejected


class Counting:
    """The store, and how often each of its calls was made."""

    def __init__(self, jobs):
        self._jobs, self.calls = jobs, {}

    def __getattr__(self, name):
        real = getattr(self._jobs, name)
        if not callable(real):
            return real

        async def counted(*args, **kwargs):
            self.calls[name] = self.calls.get(name, 0) + 1
            return await real(*args, **kwargs)

        return counted


def decided(d):
    """Names in the order in which they were decided."""
    return [event.file for event in d.events if isinstance(event, FileAccepted | FileRejected)]


async def test_small_files_share_their_transactions(desk):
    """Forty files of one job each take one commit, and each of them is accepted with its own job."""
    async with desk() as d:
        jobs = Counting(d.store.jobs)
        spool = d.spool(jobs=jobs)
        for number in range(40):
            d.write(f"f{number}.json", d.file(d.links(f"job-{number}", f"fil.{number}")))
        assert await d.decide(spool)
        assert jobs.calls["commit"] == jobs.calls["load_all"] == 1
        assert sorted(event.jobs for event in d.accepted) == sorted((f"job-{number}",) for number in range(40))
        assert len(await d.jobs()) == 40


async def test_one_bad_file_of_a_group_is_rejected_alone(desk):
    """A name that was sent with other content is a mistake of its file; the neighbours are taken."""
    async with desk() as d:
        spool = d.spool()
        for name in ("a", "b"):
            d.write(f"{name}.json", d.file(d.links(name, after=["b" if name == "a" else "a"])))
        d.write("c.json", d.file(d.links("c")))
        await d.decide(spool)
        assert d.names("accepted") == ["a.json", "c.json"]
        (rejected,) = d.rejected
        assert "wait for each other" in rejected.first_error


async def test_what_the_store_refuses_of_one_file_is_deferred_alone(desk):
    """When a commit for many fails, each is tried by itself, and only the cause waits."""
    async with desk() as d:

        class Failing(Counting):
            async def load_all(self, specs, now):
                if any(spec.name == "b" for spec in specs):
                    raise OSError("no room for b")
                return await d.store.jobs.load_all(specs, now)

        spool = d.spool(jobs=Failing(d.store.jobs))
        for name in ("a", "b", "c"):
            d.write(f"{name}.json", d.file(d.links(name)))
        await d.decide(spool)
        assert d.names("accepted") == ["a.json", "c.json"]
        assert [event.file for event in d.deferred] == ["b.json"]


async def test_a_file_that_cannot_be_synced_stays_alone(desk, monkeypatch):
    """The others of its group are moved; it is moved once the disk takes it, with its job as it was."""
    async with desk() as d:
        spool = d.spool()
        for name in ("a", "b", "c"):
            d.write(f"{name}.json", d.file(d.links(name)))
        spoilt, real = (d.queue / "incoming/b.json").stat().st_ino, syncing.sync_file

        def sync_file(descriptor):
            if os.fstat(descriptor).st_ino == spoilt:
                raise OSError(errno.EIO, "Input/output error")
            real(descriptor)

        monkeypatch.setattr(syncing, "sync_file", sync_file)
        await d.decide(spool)
        assert (d.names("accepted"), d.names("incoming")) == (["a.json", "c.json"], ["b.json"])
        assert [event.file for event in d.deferred] == ["b.json"]
        monkeypatch.undo()
        await d.clock.advance(60)
        await d.decide(spool)
        assert d.names("accepted") == ["a.json", "b.json", "c.json"]
        assert await d.jobs() == ["a", "b", "c"]


async def test_controls_and_urgent_files_come_first(desk):
    """Whatever was dropped before them: controls, then the file that somebody waits for, then by priority."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a")))
        d.write("late.json", d.file(d.links("late", priority=9)))
        d.write("urgent.json", d.file(d.links("urgent", priority=0)))
        d.write("posted.json", d.file(d.links("posted", priority=9)))
        d.write("pause.json", {"version": 1, "controls": [{"pause": {"all": True}}]})
        with spool.expecting("posted.json"):
            await d.decide(spool)
        assert decided(d) == ["pause.json", "posted.json", "urgent.json", "a.json", "late.json"]


async def test_a_control_does_not_wait_for_the_files_beside_it(desk):
    """It has left before the first of them is opened."""
    async with desk() as d:
        seen = []

        class Watching(Counting):
            async def known(self, names):
                seen.append((sorted(names), d.names("accepted")))
                return await d.store.jobs.known(names)

        spool = d.spool(jobs=Watching(d.store.jobs))
        d.write("a.json", d.file(d.links("a")))
        d.write("pause.json", {"version": 1, "controls": [{"pause": {"all": True}}]})
        await d.decide(spool)
        assert seen[-1] == (["a"], ["pause.json"])


async def test_a_control_is_not_decided_before_the_job_that_it_names(desk):
    """`cancel` behind the file that brings the job is carried out, not refused."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.json", d.file(d.links("a")))
        d.write("z-cancel.json", {"version": 1, "controls": [{"cancel": "a"}]})
        await d.decide(spool)
        assert decided(d) == ["a.json", "z-cancel.json"]
        assert [event.target for event in d.published(ControlDone)] == ["a"]


async def test_a_control_for_a_job_hidden_deep_in_an_older_file_waits_for_it(desk):
    """The glance does not reach the name; the refusal of the database counts only once no older file waits."""
    async with desk() as d:
        spool = d.spool()
        many = [f"fil.{number:032x}" for number in range(2000)]
        d.write("a.json", d.file(d.links("first", *many), d.links("a", "fil.1")))
        d.write("z-cancel.json", {"version": 1, "controls": [{"cancel": "a"}]})
        await d.decide(spool)
        assert decided(d) == ["a.json", "z-cancel.json"]
        assert d.rejected == []


async def test_what_is_dropped_meanwhile_waits_for_one_turn(desk):
    """A control that comes while hundreds of files are decided is not behind all of them."""
    async with desk() as d:
        spool = d.spool()

        class Dropping(Counting):
            async def commit(self, *args, **kwargs):
                await super().__getattr__("commit")(*args, **kwargs)
                if not (d.incoming / "z.json").exists() and "z.json" not in d.names("accepted"):
                    draft = d.write(".z.json.tmp", {"version": 1, "controls": [{"pause": {"all": True}}]})
                    draft.rename(d.incoming / "z.json")
                    spool._arrivals.announce({"z.json"}, {".z.json.tmp"})

        spool = d.spool(jobs=Dropping(d.store.jobs))
        for number in range(GROUP + 50):
            d.write(f"f{number}.json", d.file(d.links(f"job-{number}")))
        await d.decide(spool)
        assert decided(d).index("z.json") == GROUP


@pytest.fixture
def small_steps(monkeypatch):
    """Files of a few items count as large."""
    monkeypatch.setattr(decider, "SMALL_BYTES", 1000)


@pytest.mark.parametrize("by", ["items", "table"])
async def test_a_large_file_holds_up_no_other(desk, small_steps, by):
    """While it is still being checked, files that come later are accepted."""
    async with desk() as d:
        gate = anyio.Event()
        spool = d.spool()
        large = spool._decider.decide_large

        async def slowly(candidate):
            await gate.wait()
            return await large(candidate)

        spool._decider.decide_large = slowly
        ids = [f"fil.{number}" for number in range(300)]
        job = d.links("large", *ids)
        if by == "table":
            del job["items"]
            job["table"] = "t.csv"
            d.write("t.csv", "\n".join(["dataId", *ids, ""]))
        d.write("large.json", d.file(job))
        d.write("small.json", d.file(d.links("small")))
        await spool.rescan()
        await d.clock.advance(5)
        async with anyio.create_task_group() as group:
            group.start_soon(spool.rescan)
            while "small.json" not in d.names("accepted"):
                await anyio.lowlevel.checkpoint()
            d.write("later.json", d.file(d.links("later")))
            while "later.json" not in d.names("accepted"):
                if d.clock.next_deadline < math.inf:  # a thread that is at work takes no time
                    await d.clock.advance(d.clock.next_deadline - d.clock.monotonic())
                await anyio.lowlevel.checkpoint()
            assert "large.json" in d.names("incoming")
            gate.set()
        assert d.names("accepted") == ["large.json", "later.json", "small.json", *(["t.csv"] if by == "table" else [])]


async def test_many_bad_names_hold_up_no_good_file(desk):
    """A good file beside a hundred that are rejected unread is decided in the first turn."""
    async with desk() as d:
        spool = d.spool()
        d.write("good.json", d.file(d.links("good")))
        await spool.rescan()
        await d.clock.advance(5)
        for number in range(100):
            d.write(f"bad name {number}.yaml", "")
        await spool.rescan()
        assert decided(d)[0] == "good.json"
        assert len(d.rejected) == 100
