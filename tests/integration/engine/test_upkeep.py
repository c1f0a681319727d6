"""What is over goes when its time has come, and not before."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.clock import SECOND, ManualClock
from orchestrator.domain.model import JobSpec, JobState, NewItem
from orchestrator.durable import OWN_DRAFT
from orchestrator.engine.upkeep import INTERVAL, Upkeep
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import ComponentError, RetentionPruned

DAY = 86_400


@pytest.fixture
async def store(tmp_path):
    """A store of one's own."""
    async with Store.opened(f"sqlite:///{tmp_path}/orchestrator.db", state_directory=tmp_path) as opened:
        yield opened


def _upkeep(store, clock, folder, *, trusted=True, drafts=None, told=None):
    bus = Bus()
    if told is not None:
        bus.subscribe(told.append)
    return Upkeep(
        settled_jobs=90 * DAY,
        files={folder: 30 * DAY},
        drafts={drafts: OWN_DRAFT} if drafts else None,
        clock_trusted=lambda: trusted,
        store=store,
        clock=clock,
        bus=bus,
    )


class NothingToPrune:
    """A store whose jobs are all needed, and that counts how often it is asked."""

    def __init__(self):
        self.asked = 0
        self.jobs = SimpleNamespace(prune=self._prune)

    async def _prune(self, before, now, *, limit):
        self.asked += 1
        return []


async def _settle_a_job(store, now):
    await store.memory.instance("lab")
    spec = JobSpec(name="old", kind="ica.data_linking", account="ica", project="p", digest="d", batch_size=10)
    job = await store.jobs.load(spec, now)
    await store.jobs.add_items(job, [NewItem(1, "fil.1", b"{}")])
    await store.jobs.commit([job], now)
    await store.advance.cancel("old", now=now)
    for entry in await store.outbox.due(now):
        await store.outbox.done(entry)


async def _items(store):
    job = await store.jobs.get("old")
    return [item.key async for portion in store.items.stream(job.id) for item in portion]


async def test_a_settled_job_keeps_its_name_and_state_when_its_items_go(store, tmp_path):
    """After `settled_jobs` items, batches and events are gone; name, state and counts stay."""
    clock = ManualClock()
    await _settle_a_job(store, clock.now())
    clock.step_wall(89 * DAY)
    await _upkeep(store, clock, tmp_path / "none").turn()
    assert await _items(store) == ["fil.1"]

    clock.step_wall(2 * DAY)
    await _upkeep(store, clock, tmp_path / "none").turn()
    assert await _items(store) == []
    job = await store.jobs.get("old")
    assert job.state is JobState.CANCELLED
    assert sum(job.counts.values()) == 1


async def test_a_clock_that_may_be_wrong_prunes_nothing(store, tmp_path):
    """While our clock differs from the platform's by more than a minute, everything stays."""
    clock = ManualClock()
    await _settle_a_job(store, clock.now())
    clock.step_wall(900 * DAY)
    await _upkeep(store, clock, tmp_path / "none", trusted=False).turn()
    assert await _items(store) == ["fil.1"]


async def test_old_files_go_from_their_folder(store, tmp_path):
    """A file that was moved there longer ago than granted is removed; a younger one stays."""
    folder = tmp_path / "accepted"
    folder.mkdir()
    (folder / "job.yaml").write_text("x")
    moved = (folder / "job.yaml").stat().st_ctime
    for days, left in ((29, ["job.yaml"]), (31, [])):
        clock = ManualClock(now=round((moved + days * DAY) * SECOND))
        await _upkeep(store, clock, folder).turn()
        assert [path.name for path in folder.iterdir()] == left


def _folder_of(tmp_path, *names):
    """A folder of files, and a clock that stands 31 days after they came."""
    folder = tmp_path / "rejected"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("x")
    return folder, ManualClock(now=round((folder.stat().st_ctime + 31 * DAY) * SECOND))


async def test_a_file_that_cannot_be_removed_keeps_no_other(tmp_path, monkeypatch):
    """The others go; that one is told once, with how many there are and why, and again only when there are more."""
    folder, clock = _folder_of(tmp_path, "a", "b", "c", "gone")
    kept, real, told = {"a"}, Path.unlink, []

    def unlink(path, **options):
        if path.name in kept:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        if path.name == "gone":
            real(path)
        real(path, **options)

    monkeypatch.setattr(Path, "unlink", unlink)
    upkeep = _upkeep(NothingToPrune(), clock, folder, told=told)
    for _ in range(3):
        await upkeep.turn()
        await clock.advance(INTERVAL)
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert told == [
        ComponentError(
            "upkeep",
            f"1 expired files or folders cannot be removed, for example {folder}/a: Operation not permitted",
            INTERVAL,
        ),
        RetentionPruned(0, 2),
    ]
    (folder / "d").write_text("x")
    kept.add("d")
    clock.step_wall(31 * DAY)
    await upkeep.turn()
    assert told[-1].reason.startswith("2 expired files")


async def test_a_folder_that_cannot_be_read_keeps_no_other(tmp_path, monkeypatch):
    """It is told like a file that cannot be removed."""
    folder, clock = _folder_of(tmp_path, "a")
    (tmp_path / "in the way").write_text("x")
    told = []
    upkeep = Upkeep(
        settled_jobs=1,
        files={tmp_path / "in the way": 1, tmp_path / "none": 1, folder: 30 * DAY},
        clock_trusted=lambda: True,
        store=NothingToPrune(),
        clock=clock,
        bus=(bus := Bus()),
    )
    bus.subscribe(told.append)
    await upkeep.turn()
    assert list(folder.iterdir()) == []
    assert ["Not a directory" in told[0].reason, told[1:]] == [True, [RetentionPruned(0, 1)]]


async def test_a_link_is_removed_and_never_followed(tmp_path):
    """What was rejected because it is a link goes like any other, also one to a folder; folders stay."""
    folder, clock = _folder_of(tmp_path)
    (tmp_path / "theirs").mkdir()
    (folder / "link").symlink_to(tmp_path / "theirs")
    (folder / "folder").mkdir()
    await _upkeep(NothingToPrune(), clock, folder).turn()
    assert [path.name for path in folder.iterdir()] == ["folder"]
    assert (tmp_path / "theirs").is_dir()


async def test_being_woken_makes_no_round(tmp_path):
    """Whatever changes elsewhere, folders and database are looked through once an hour."""
    folder, clock = _folder_of(tmp_path)
    store = NothingToPrune()
    upkeep = _upkeep(store, clock, folder)
    assert await upkeep.turn() == INTERVAL
    (folder / "a").write_text("x")
    clock.step_wall(31 * DAY)
    await clock.advance(INTERVAL - 1)
    assert await upkeep.turn() == 1
    assert ([path.name for path in folder.iterdir()], store.asked) == (["a"], 1)
    await clock.advance(1)
    assert await upkeep.turn() == INTERVAL
    assert (list(folder.iterdir()), store.asked) == ([], 2)


async def test_a_database_in_trouble_does_not_have_the_folders_looked_through_again(tmp_path):
    """What failed is tried again after the loop's pause; what was done is not."""
    folder, clock = _folder_of(tmp_path)
    store = NothingToPrune()
    upkeep = _upkeep(store, clock, folder)

    async def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left")

    store.jobs.prune, prune = full, store.jobs.prune
    with pytest.raises(OSError, match="No space"):
        await upkeep.turn()
    (folder / "a").write_text("x")
    clock.step_wall(31 * DAY)
    store.jobs.prune = prune
    await clock.advance(60)
    assert await upkeep.turn() == INTERVAL - 60
    assert ([path.name for path in folder.iterdir()], store.asked) == (["a"], 1)


@pytest.mark.parametrize("trusted", [True, False])
async def test_drafts_that_a_crash_left_go_after_a_day(tmp_path, trusted):
    """Only files, only under names as we give them, only when the clock is beyond doubt; other people's stay."""
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    ours, young = ".a.yaml.0123abcd.tmp", ".b.yaml.0123abcd.tmp"
    others = [".a.yaml.tmp", ".c.yaml.0123ABCD.tmp", "a.yaml.0123abcd.tmp", "a.yaml", ".moving.json", young]
    for name in (ours, *others):
        (incoming / name).write_text("x")
    (incoming / ".folder.yaml.0123abcd.tmp").mkdir()
    (incoming / ".link.yaml.0123abcd.tmp").symlink_to("a.yaml")
    os.mkfifo(incoming / ".pipe.yaml.0123abcd.tmp")
    written = 1_700_000_000
    for path in incoming.iterdir():
        later = 2 if path.name == young else 0
        os.utime(path, (written + later, written + later), follow_symlinks=False)
    before = {path.name for path in incoming.iterdir()}
    clock = ManualClock(now=(written + DAY + 1) * SECOND)
    await _upkeep(NothingToPrune(), clock, tmp_path / "none", trusted=trusted, drafts=incoming).turn()
    assert before - {path.name for path in incoming.iterdir()} == ({ours} if trusted else set())
