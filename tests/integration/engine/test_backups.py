"""Scheduled copies of the database: when they are made, which are kept, and what a copy is good for."""

import os
import stat
import threading

import anyio
import pytest
from waiting import PATIENCE, patience

from orchestrator.clock import SECOND
from orchestrator.domain.model import ItemState
from orchestrator.engine.backups import MAX_PAUSE, BackupPlan, Backups
from orchestrator.settings import SettingsError, load
from orchestrator.store.database import upgrade
from orchestrator.store.errors import StoreError
from orchestrator.telemetry.bus import Bus

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(9)]


@pytest.fixture
async def scheduled(world, tmp_path):
    """A world with backups once a day, of which three stay."""
    it = await world()
    it.made = []

    def again():
        bus = Bus()
        bus.subscribe(it.made.append)
        plan = BackupPlan(tmp_path / "backups", DAY, 3)
        it.backups = Backups(plan, url=f"sqlite:///{it.database}", clock=it.clock, bus=bus)
        return it.backups

    it.scheduled_anew = again
    again()
    return it


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "backups").iterdir())


async def test_a_copy_is_made_at_once_and_then_once_an_interval(scheduled, tmp_path):
    """Being woken makes none due; neither does a restart."""
    assert 0 < await scheduled.backups.turn() <= MAX_PAUSE
    await scheduled.backups.turn()
    scheduled.suspend(DAY - 60)
    await scheduled.scheduled_anew().turn()
    assert len(names(tmp_path)) == 1
    scheduled.suspend(120)
    await scheduled.scheduled_anew().turn()
    assert len(names(tmp_path)) == 2
    newest = tmp_path / "backups" / names(tmp_path)[-1]
    assert await upgrade.check(f"sqlite:///{newest}") == []
    assert scheduled.backups.newest == scheduled.clock.now() // SECOND * SECOND
    assert [(event.file, event.bytes) for event in scheduled.made[1:]] == [(str(newest), newest.stat().st_size)]


async def test_only_so_many_copies_stay_and_nothing_else_is_touched(scheduled, tmp_path):
    """The oldest go; files of other names, and what is no copy of ours, stay."""
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "before-upgrade.db").write_text("by hand")
    for _ in range(5):
        await scheduled.scheduled_anew().turn()
        scheduled.suspend(DAY + 1)
    assert len(names(tmp_path)) == 4
    assert (folder / "before-upgrade.db").exists()
    assert [event.removed for event in scheduled.made] == [0, 0, 0, 1, 1]


async def test_a_copy_of_a_time_to_come_hastens_no_other_and_goes_first(scheduled, tmp_path):
    """The clock was ahead when it was made: later copies are made once an interval, and as many of them stay."""
    scheduled.clock.step(365 * DAY)
    await scheduled.scheduled_anew().turn()
    (ahead,) = names(tmp_path)
    scheduled.clock.step(-365 * DAY)
    scheduled.scheduled_anew()
    for _ in range(5 * 24 + 1):
        pause = await scheduled.backups.turn()
        assert 0 < pause <= MAX_PAUSE
        scheduled.suspend(HOUR)
    assert len(scheduled.made) == 1 + 6
    assert len(names(tmp_path)) == 3
    assert ahead not in names(tmp_path)


async def test_what_a_crash_left_unfinished_is_removed(scheduled, tmp_path):
    """It is no copy, and would fill the disk."""
    left = tmp_path / "backups/.orchestrator-20261101T000000Z.db.x1y2"
    left.mkdir(parents=True)
    (left / "orchestrator-20261101T000000Z.db").write_text("half")
    await scheduled.backups.turn()
    assert not left.exists()
    assert len(names(tmp_path)) == 1


async def test_copies_are_for_the_daemon_alone(scheduled, tmp_path):
    """Whatever the umask: they hold everything that the database holds."""
    before = os.umask(0)
    try:
        await scheduled.backups.turn()
    finally:
        os.umask(before)
    folder = tmp_path / "backups"
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())]
    assert modes == [0o700, 0o600]


async def test_a_folder_that_cannot_be_used_is_reported_with_the_remedy(scheduled, tmp_path):
    """The loop reports what the turn raises, and tries again."""
    (tmp_path / "backups").write_text("a file")
    with pytest.raises(StoreError, match=r"backups.*backup\.directory"):
        await scheduled.backups.turn()


async def test_a_stop_does_not_wait_for_the_copy(scheduled, tmp_path, monkeypatch):
    """It is given up between two portions, and leaves nothing behind."""
    begun, check = threading.Event(), upgrade._full_check

    def waits(url, stopped):
        begun.set()
        assert stopped.wait(PATIENCE)
        return check(url, stopped)

    monkeypatch.setattr(upgrade, "_full_check", waits)
    with patience():
        async with anyio.create_task_group() as group:
            group.start_soon(scheduled.backups.turn)
            await anyio.to_thread.run_sync(begun.wait)
            group.cancel_scope.cancel()
    assert names(tmp_path) == []


async def test_after_a_restore_from_a_copy_nothing_is_sent_twice(scheduled, tmp_path):
    """What was sent after the copy was made is found on the platform and adopted."""
    await scheduled.submit("run", KEYS, batch_size=3)
    await scheduled.backups.turn()
    await scheduled.run_for(600.0)
    assert len(scheduled.created()) == len(KEYS), "all was sent after the copy"
    scheduled.suspend(HOUR)
    await scheduled.restore(tmp_path / "backups" / names(tmp_path)[0])
    await scheduled.until_settled("run", within=DAY)
    assert await scheduled.states() == dict.fromkeys(KEYS, ItemState.SUCCEEDED)
    assert set(scheduled.created().values()) == {1}
    assert scheduled.simulator.truth.duplicate_tags() == {}


def test_backups_of_a_server_are_refused(tmp_path):
    """The message names the server's own means."""
    (tmp_path / "key").write_text("key")
    (tmp_path / "key").chmod(0o600)
    config = tmp_path / "config.yaml"
    config.write_text(
        "database: postgresql://localhost/o\nbackup: {}\naccounts: {ica: {platform: ica, api_key_file: key}}\n"
    )
    with pytest.raises(SettingsError, match="pg_dump"):
        load(config, {})
