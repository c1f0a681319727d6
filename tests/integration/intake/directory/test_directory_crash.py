"""Crashes between any two steps, and local errors: the same end as without."""

import errno

import pytest
from structlog.testing import capture_logs

from orchestrator import durable
from orchestrator.crash_points import CrashPoint
from orchestrator.intake import admission
from orchestrator.intake import spool as spool_module
from orchestrator.intake.deciding import decider
from orchestrator.intake.directory import moves
from orchestrator.store.errors import StoreUnavailableError

HEAD = (
    "version: 1\njobs:\n  - name: a\n    kind: ica.data_linking\n    account: ica\n"
    "    project: 11111111-1111-1111-1111-111111111111\n    table: t.csv\n"
)
TABLE = "dataId\nfil.1\nfil.2\n"


class PlugPulled(BaseException):
    """Ends the process, as far as a test inside it can."""


@pytest.fixture
def pull_plug_at(monkeypatch):
    """Arms one moment; the plug is pulled once."""

    def arm(point):
        def crash_point(reached):
            if reached is point:
                monkeypatch.undo()
                raise PlugPulled

        for module in (admission, decider, moves):
            monkeypatch.setattr(module, "crash_point", crash_point)

    return arm


@pytest.mark.parametrize(
    "point",
    [
        CrashPoint.FILE_OPENED,
        CrashPoint.ROWS_LOADED,
        CrashPoint.FILE_DURABLE,
        CrashPoint.TABLE_MOVED,
        CrashPoint.FILE_MOVED,
    ],
)
async def test_a_crash_on_the_way_in_changes_nothing(desk, pull_plug_at, point):
    """File and table end in accepted/, the job is there once, whole, and nothing is left behind."""
    async with desk() as d:
        d.write("t.csv", TABLE)
        d.write("a.yaml", HEAD)
        first = d.spool()
        await first.rescan()
        await d.clock.advance(5)
        pull_plug_at(point)
        with pytest.raises(PlugPulled):
            await first.rescan()
        await d.decide(d.spool())
        assert d.names("accepted") == ["a.yaml", "t.csv"]
        assert d.names("incoming") == []
        assert d.names("rejected") == []
        job = await d.store.jobs.get("a")
        assert sum(job.counts.values()) == 2
        assert await d.jobs() == ["a"]


@pytest.mark.parametrize("point", [CrashPoint.FILE_OPENED, CrashPoint.ERRORS_WRITTEN, CrashPoint.TABLE_MOVED])
async def test_a_crash_on_the_way_out_changes_nothing(desk, pull_plug_at, point):
    """A bad file and its table end in rejected/ under their own names, with one error file."""
    async with desk() as d:
        d.write("t.csv", TABLE + "a b\n")
        d.write("a.yaml", HEAD)
        first = d.spool()
        await first.rescan()
        await d.clock.advance(5)
        pull_plug_at(point)
        with pytest.raises(PlugPulled):
            await first.rescan()
        await d.decide(d.spool())
        assert d.names("rejected") == ["a.yaml", "a.yaml.error.json", "t.csv"]
        assert d.names("incoming") == []
        assert d.errors("a.yaml")["mistakes"][0]["where"] == "t.csv, line 4, dataId"


async def test_someone_elses_error_file_is_not_overwritten(desk):
    """An error file whose file an operator took away stays; the next one gets another name."""
    async with desk() as d:
        spool = d.spool()
        d.write("a.yaml", "a: 1\n")
        await d.decide(spool)
        (d.queue / "rejected/a.yaml").unlink()
        before = d.errors("a.yaml")
        d.write("a.yaml", "b: 1\n")
        await d.decide(spool)
        assert d.errors("a.yaml") == before
        assert d.names("rejected") == ["a-2.yaml", "a-2.yaml.error.json", "a.yaml.error.json"]


@pytest.mark.parametrize("point", [CrashPoint.CONTROL_DONE, CrashPoint.FILE_MOVED])
async def test_a_control_is_carried_out_once(desk, pull_plug_at, point):
    """Cut after it was done and before its file moved, it is not done again when the file is seen again."""
    async with desk() as d:
        d.write("a.json", d.file(d.links("a", "fil.1", "fil.2")))
        await d.decide(d.spool())
        d.write("c.json", {"version": 1, "controls": [{"pause": {"all": True}}]})
        first = d.spool()
        await first.rescan()
        await d.clock.advance(5)
        pull_plug_at(point)
        with pytest.raises(PlugPulled):
            await first.rescan()
        await d.store.advance.resume(now=d.clock.now())
        await d.decide(d.spool())
        assert d.names("accepted") == ["a.json", "c.json"]
        assert (await d.store.jobs.get("a")).needs is None


class Troubled:
    """A store that fails in one method a number of times."""

    def __init__(self, jobs, method, error, times):
        self.jobs, self.method, self.error, self.times = jobs, method, error, times

    def __getattr__(self, name):
        real = getattr(self.jobs, name)
        if name != self.method:
            return real

        async def failing(*args, **kwargs):
            if self.times:
                self.times -= 1
                raise self.error
            return await real(*args, **kwargs)

        return failing


@pytest.mark.parametrize("method", ["known", "load_all", "add_all", "commit", "after_of"])
@pytest.mark.parametrize(
    "error", [StoreUnavailableError("database is locked"), OSError(errno.ENOSPC, "No space left"), ValueError("a bug")]
)
async def test_a_local_error_is_never_held_against_a_file(desk, method, error):
    """A locked database, a full disk or a bug leave the file where it is; later it is accepted, whole and once."""
    async with desk() as d:
        spool = d.spool(jobs=Troubled(d.store.jobs, method, error, times=2))
        d.write("a.json", d.file(d.links("a", "fil.1", "fil.2", after=["z"])))
        d.write("bad.json", d.file(d.links("bad", "x y")))
        with capture_logs() as logged:
            await d.decide(spool)
        assert bool(logged) == isinstance(error, ValueError)
        assert d.names("incoming") == ["a.json"]
        assert d.names("rejected") == ["bad.json", "bad.json.error.json"]
        assert [event.file for event in d.deferred] == ["a.json"]
        with capture_logs():
            for _ in range(2):
                await d.clock.advance(2)
                await spool.rescan()
        assert d.names("accepted") == ["a.json"]
        assert await d.jobs() == ["a"]
        assert sum((await d.store.jobs.get("a")).counts.values()) == 2


async def test_a_move_that_fails_is_tried_again(desk, monkeypatch):
    """When accepted/ cannot be written to, the jobs are durable already, and the file follows later."""
    async with desk() as d:
        spool = d.spool()
        real = moves.rename_exclusively

        def full(source, target):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))

        monkeypatch.setattr(moves, "rename_exclusively", full)
        d.write("a.json", d.file(d.links("a")))
        await spool.rescan()
        await d.clock.advance(0.1)
        assert not await spool.rescan()
        assert await d.jobs() == ["a"]
        monkeypatch.setattr(moves, "rename_exclusively", real)
        await d.clock.advance(1)
        assert await spool.rescan()
        assert d.names("accepted") == ["a.json"]


async def test_moves_that_cannot_begin_hold_up_no_other_file(desk, monkeypatch):
    """A file and its table that accepted/ does not take wait together; a bad file beside them goes its way."""
    async with desk() as d:
        spool, real = d.spool(), moves.rename_exclusively

        def refused(source, target):
            if target.parent.name == "accepted":
                raise OSError(errno.EROFS, "Read-only file system", str(target))
            real(source, target)

        d.write("t.csv", TABLE)
        d.write("a.yaml", HEAD)
        with monkeypatch.context() as patched:
            patched.setattr(moves, "rename_exclusively", refused)
            await d.decide(spool)
            d.write("bad.yaml", "a: 1\n")
            await d.decide(spool)
        assert d.names("incoming") == ["a.yaml", "t.csv"]
        assert d.names("rejected") == ["bad.yaml", "bad.yaml.error.json"]
        await d.decide(spool)
        assert d.names("accepted") == ["a.yaml", "t.csv"]
        assert [event.file for event in d.accepted] == ["a.yaml"]


def unreadable(path):
    """Takes the place of a look at a folder whose disk fails."""
    raise OSError(errno.EIO, "Input/output error", str(path))


async def test_a_folder_that_cannot_be_looked_at_is_told_once(desk, monkeypatch):
    """The spool keeps scanning; the error is reported when it begins, not at every look."""
    async with desk() as d:
        spool = d.spool()
        with monkeypatch.context() as patched:
            patched.setattr(spool_module, "list_folder", unreadable)
            assert not await spool.rescan()
            assert not await spool.rescan()
        assert len(d.deferred) == 1
        assert await spool.rescan()


async def test_an_error_that_lasts_is_left_to_the_operator(desk):
    """After two minutes nobody waits for its end, and it is said why; when it ends all the same, the file is taken."""
    async with desk() as d:
        commit = Troubled(d.store.jobs, "commit", OSError(errno.ENOSPC, "No space left"), times=1000)
        spool = d.spool(jobs=commit)
        d.write("a.json", d.file(d.links("a")))
        await d.decide(spool)
        assert (await spool.rescan(), spool.kept_back) == (False, {})
        for _ in range(130):
            await d.clock.advance(1)
            idle = await spool.rescan()
        assert idle
        ((path, reason),) = spool.kept_back.items()
        assert (path, "No space left" in reason) == (str(d.incoming / "a.json"), True)
        d.write("b.json", d.file(d.links("b")))
        assert not await spool.rescan()
        commit.times = 0
        await d.clock.advance(60)
        assert await spool.rescan()
        assert (d.names("accepted"), spool.kept_back) == (["a.json", "b.json"], {})


async def test_a_folder_that_cannot_be_looked_at_for_long_is_left_to_a_person(desk, monkeypatch):
    """The same for the folder as a whole; one good look, and all is well."""
    async with desk() as d:
        spool = d.spool()
        with monkeypatch.context() as patched:
            patched.setattr(spool_module, "list_folder", unreadable)
            assert not await spool.rescan()
            await d.clock.advance(121)
            assert await spool.rescan()
            assert list(spool.kept_back) == [str(d.incoming)]
        assert await spool.rescan()
        assert spool.kept_back == {}


async def test_a_platform_without_renameat2_moves_all_the_same(desk, monkeypatch):
    """Where the system call is missing, names are looked at first."""
    async with desk() as d:
        monkeypatch.setattr(durable, "_LIBC", object())
        spool = d.spool()
        for _ in range(2):
            d.write("a.json", d.file(d.links("a")))
            await d.decide(spool)
        assert d.names("accepted") == ["a-2.json", "a.json"]
