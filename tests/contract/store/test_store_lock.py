"""One daemon a PostgreSQL database."""

import anyio
import pytest
import sqlalchemy as sa
from waiting import patience

from orchestrator.clock import ManualClock
from orchestrator.store.engine import parse, sync_engine
from orchestrator.store.errors import LockedError, LockLostError, StoreUnavailableError
from orchestrator.store.lock import DaemonLock


def _end_all_sessions(url):
    engine = sync_engine(parse(url))
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()


async def _watch_while_the_server_ends_it(lock, clock, url):
    async with anyio.create_task_group() as group:
        group.start_soon(lock.watch, clock)
        await clock.advance(6)
        _end_all_sessions(url)
        while True:
            await clock.advance(6)


async def test_a_second_daemon_is_refused_from_another_machine(postgres_url, tmp_path):
    """Its state directory is its own, so the server alone can tell; its file lock is given back."""
    async with DaemonLock(tmp_path / "one", postgres_url):
        with pytest.raises(LockedError, match="PostgreSQL"):
            await DaemonLock(tmp_path / "two", postgres_url).__aenter__()
        async with DaemonLock(tmp_path / "two"):
            pass
    async with DaemonLock(tmp_path / "two", postgres_url):
        pass


async def test_a_lost_session_is_noticed(postgres_url, tmp_path):
    """While the session lives the watch is silent; when it is gone, the watch ends the daemon."""
    clock = ManualClock()
    async with DaemonLock(tmp_path, postgres_url) as lock:
        with patience(), pytest.raises(ExceptionGroup) as lost:
            await _watch_while_the_server_ends_it(lock, clock, postgres_url)
        assert lost.group_contains(LockLostError)


async def test_a_server_that_is_away_holds_no_lock(tmp_path):
    """And the file lock is given back."""
    with pytest.raises(StoreUnavailableError):
        await DaemonLock(tmp_path, "postgresql://postgres@127.0.0.1:1/nothing").__aenter__()
    async with DaemonLock(tmp_path):
        pass
