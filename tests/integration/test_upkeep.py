"""What is over goes when its time has come, and not before."""

import pytest

from orchestrator.clock import SECOND, ManualClock
from orchestrator.domain.model import JobSpec, JobState, NewItem
from orchestrator.engine.upkeep import Upkeep
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus

DAY = 86_400


@pytest.fixture
async def store(tmp_path):
    """A store of one's own."""
    async with Store.opened(f"sqlite:///{tmp_path}/orchestrator.db", state_directory=tmp_path) as opened:
        yield opened


def _upkeep(store, clock, folder, *, trusted=True):
    return Upkeep(
        settled_jobs=90 * DAY,
        files={folder: 30 * DAY},
        clock_trusted=lambda: trusted,
        store=store,
        clock=clock,
        bus=Bus(),
    )


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
