"""A task that is cancelled in the middle of a database call leaves a store that works."""

import sqlite3
import subprocess
import sys
from contextlib import asynccontextmanager

import anyio
import pytest
from waiting import PATIENCE, patience

from orchestrator.domain.model import JobSpec, NewItem
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.store.store import Store


@pytest.fixture
def opened(tmp_path):
    """A store on a database of its own, for the length of a block."""

    @asynccontextmanager
    async def _opened():
        async with Store.opened(f"sqlite:///{tmp_path}/orchestrator.db", state_directory=tmp_path) as store:
            await store.memory.instance("one")
            yield store

    return _opened


async def test_a_writer_that_waits_for_its_turn_can_be_cancelled(opened):
    """It leaves at once, without having written, and the next one gets its turn."""
    async with opened() as store:
        async with anyio.create_task_group() as group, store._database.write():
            waiter = anyio.CancelScope()

            async def wait():
                with waiter:
                    await store.memory.remember("ica", "a", "1")

            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            waiter.cancel()
            await anyio.wait_all_tasks_blocked()
            assert waiter.cancelled_caught
        await store.memory.remember("ica", "b", "2")
        assert await store.memory.recall("ica") == {"b": "2"}


async def test_a_reader_that_waits_for_a_connection_can_be_cancelled(opened):
    """All connections are taken; the one that waits leaves, and they come back one by one."""
    async with opened() as store:
        read = store._database.read
        async with anyio.create_task_group() as group, read(), read(), read(), read():
            waiter = anyio.CancelScope()

            async def wait():
                with waiter:
                    await store.memory.recall("ica")

            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            waiter.cancel()
            await anyio.wait_all_tasks_blocked()
            assert waiter.cancelled_caught
        for _ in range(8):
            assert await store.memory.recall("ica") == {}


async def test_a_transaction_under_way_is_finished_before_the_cancel(opened):
    """What has begun is committed whole, though its task was cancelled in the middle."""
    async with opened() as store:
        with anyio.CancelScope() as scope:
            async with store._database.write() as connection:
                scope.cancel()
                for name in ("a", "b"):
                    await connection.exec_driver_sql(f"INSERT INTO memory VALUES ('ica', '{name}', 'x')")
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert await store.memory.recall("ica") == {"a": "x", "b": "x"}


async def _write_and_fail(store):
    async with store._database.write() as connection:
        await connection.exec_driver_sql("INSERT INTO memory VALUES ('ica', 'a', 'x')")
        raise ZeroDivisionError


async def test_an_error_undoes_the_whole_transaction(opened):
    """Nothing of it is there, and the writer is free."""
    async with opened() as store:
        with pytest.raises(ZeroDivisionError):
            await _write_and_fail(store)
        await store.memory.remember("ica", "b", "x")
        assert await store.memory.recall("ica") == {"b": "x"}


async def test_many_cancelled_tasks_leave_a_store_that_works(opened):
    """Readers and writers cancelled at every moment of their calls: no connection is lost, no lock is left."""
    async with opened() as store:
        for round_ in range(30):
            with anyio.move_on_after(0.001 * (round_ % 10)):
                async with anyio.create_task_group() as group:
                    for number in range(6):
                        group.start_soon(store.memory.remember, "ica", f"n{number}", str(round_))
                        group.start_soon(store.memory.recall, "ica")
        with patience():
            await store.memory.remember("ica", "last", "word")
            assert (await store.memory.recall("ica"))["last"] == "word"
            job = await store.jobs.load(JobSpec("alpha", "k", "ica", "p", "d"), 1)
            await store.jobs.add_items(job, [NewItem(1, "k1", b"{}")])
            assert len(await store.jobs.commit([job], 2)) == 1


_STOPPED = """
import asyncio, pathlib, signal, sys, anyio
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.store.store import Store

async def main():
    folder = pathlib.Path(sys.argv[1])
    async with Store.opened(f"sqlite:///{folder}/orchestrator.db", state_directory=folder) as store:
        async with anyio.create_task_group() as group:
            async def work(number):
                while True:
                    await store.memory.remember("ica", str(number), "x")
                    await store.memory.recall("ica")
            for number in range(4):
                group.start_soon(work, number)
            with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                print("busy", flush=True)
                async for _ in signals:
                    group.cancel_scope.cancel()

asyncio.run(main())
"""


@pytest.mark.parametrize("attempt", range(3))
def test_a_busy_process_stops_when_it_is_told(attempt, tmp_path):
    """SIGTERM in the middle of reads and writes ends the process, without a thread that keeps it."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", _STOPPED, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "busy\n"
        process.terminate()
        _, complaints = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, complaints) == (0, "")


async def test_a_commit_whose_answer_is_lost_counts_as_a_write(opened, monkeypatch):
    """The change may have been made, so `writes` shows that everything has to be read again."""
    async with opened() as store:
        await store.memory.remember("ica", "a", "1")
        dialect, before = store._database._writer.dialect, store.writes
        commit = dialect.do_commit

        def answer_lost(connection):
            commit(connection)
            raise sqlite3.OperationalError("the connection is lost")

        with monkeypatch.context() as patched:
            patched.setattr(dialect, "do_commit", answer_lost)
            with pytest.raises(StoreUnavailableError):
                await store.memory.remember("ica", "a", "2")
        assert (await store.memory.recall("ica"), store.writes > before) == ({"a": "2"}, True)
