"""One daemon a state directory."""

import os
import signal
import subprocess
import sys

import anyio
import pytest

from orchestrator.clock import ManualClock
from orchestrator.store.database.lock import DaemonLock
from orchestrator.store.errors import LockedError

_HOLD = """
import asyncio, pathlib, sys
from orchestrator.store.database.lock import DaemonLock

async def hold():
    async with DaemonLock(pathlib.Path(sys.argv[1])):
        print("held", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(hold())
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


async def test_a_second_process_is_refused(holder, tmp_path):
    """It is told which process holds the directory; when that one ends, it may have the lock."""
    with pytest.raises(LockedError, match=f"process {holder.pid}"):
        async with DaemonLock(tmp_path):
            pytest.fail("two hold one lock")
    holder.communicate("")
    async with DaemonLock(tmp_path):
        pass


async def test_a_killed_holder_leaves_no_lock(holder, tmp_path):
    """The system gives the lock back whatever becomes of the process."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    async with DaemonLock(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


async def test_two_locks_of_one_process_exclude_each_other(tmp_path):
    """The lock is that of the one who took it, not of its process."""
    async with DaemonLock(tmp_path):
        with pytest.raises(LockedError):
            await DaemonLock(tmp_path).__aenter__()
    async with DaemonLock(tmp_path):
        pass


async def test_the_file_stays(tmp_path):
    """A lock on a file that is gone would keep nobody out; the folder is made where there is none."""
    async with DaemonLock(tmp_path / "state", f"sqlite:///{tmp_path}/orchestrator.db"):
        pass
    assert (tmp_path / "state" / "lock").exists()


async def test_on_sqlite_there_is_nothing_to_watch(tmp_path):
    """A file lock cannot be lost while the process lives."""
    clock = ManualClock()
    async with DaemonLock(tmp_path) as lock, anyio.create_task_group() as group:
        group.start_soon(lock.watch, clock)
        await clock.advance(3600)
        group.cancel_scope.cancel()
