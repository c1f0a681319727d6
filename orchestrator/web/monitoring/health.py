"""Liveness and readiness of the daemon.

Liveness means that its loops complete their iterations; database and platforms are not checked, as a restart would not
fix them. Readiness means that it can accept and store queue files.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import anyio
import anyio.to_thread

from orchestrator.store.errors import StoreError
from orchestrator.telemetry.events import DaemonStopping, Event
from orchestrator.web.components import Shown
from orchestrator.web.monitoring.cached_call import CachedCall

HEARTBEAT = 5.0
"""Seconds between two heartbeats."""
MAX_LOOP_SILENCE = 30.0
"""Seconds without a heartbeat after which timers are considered broken."""
LONGEST_TURN = 600.0
"""Seconds that one iteration of a loop may take: the result of one job of a million items is written in one."""
LEAST_ROOM = 1024 * 1024
"""Free bytes below which a disk counts as full, with a margin for writes in progress."""
LISTED_FILES = 100
"""Maximum number of files that are listed by name."""
_KEEP, _PATIENCE = 1.0, 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    name: str
    error: str | None = None
    """What is wrong; None if the check passed."""


class Health:
    """Checks the daemon's own state. `run` must run in the background."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._clock = shown.clock
        self._beat_at = shown.clock.monotonic()
        self._stopping: str | None = None
        self._database = CachedCall(shown.store.writable, clock=shown.clock, keep=_KEEP, patience=_PATIENCE)
        self._disks = CachedCall(self._full_disk, clock=shown.clock, keep=_KEEP, patience=_PATIENCE)
        shown.bus.subscribe(self._heed)

    async def run(self) -> None:
        """Update the heartbeat and serve the checks until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._database.run)
            group.start_soon(self._disks.run)
            while True:
                self._beat_at = self._clock.monotonic()
                await self._clock.sleep(HEARTBEAT)

    def alive(self) -> Sequence[Check]:
        """Liveness: whether timers fire and every loop completes its iterations in time."""
        silence = self._clock.monotonic() - self._beat_at
        beat = f"no heartbeat for {silence:.0f} s" if silence > MAX_LOOP_SILENCE else None
        return [Check("heartbeat", beat), *(Check(loop.name, _stuck(loop.overdue)) for loop in self._shown.loops)]

    async def ready(self) -> Sequence[Check]:
        """Readiness: whether queue files can be accepted and stored. Takes a few seconds if the disk hangs."""
        found: dict[str, str | None] = {"running": self._stopping, "intake": self._shown.spool.error}

        async def check(name: str, call: CachedCall[str | None] | CachedCall[None]) -> None:
            found[name] = await _error(call)

        async with anyio.create_task_group() as group:
            group.start_soon(check, "database", self._database)
            group.start_soon(check, "disk", self._disks)
        return [Check(name, found[name]) for name in ("running", "database", "disk", "intake")]

    def accounts(self) -> dict[str, str]:
        """Whether each account's credential is accepted. This does not affect readiness."""
        refusals = {account.name: account.dispatch.refusal for account in self._shown.accounts}
        return {name: f"closed: {refusal}" if refusal else "open" for name, refusal in refusals.items()}

    def waiting_files(self) -> dict[str, str]:
        """Files in incoming/ that cannot be processed, at most a hundred. This does not affect readiness."""
        stale = self._shown.spool.stale
        listed = dict(islice(stale.items(), LISTED_FILES))
        return listed | ({"…": f"and {more} more"} if (more := len(stale) - len(listed)) else {})

    def _heed(self, event: Event) -> None:
        if isinstance(event, DaemonStopping):
            self._stopping = f"stopping: {event.reason}"

    async def _full_disk(self) -> str | None:
        settings = self._shown.settings
        database = settings.database.path
        folders = [settings.queue.directory, *([database.parent] if database is not None else [])]
        return await anyio.to_thread.run_sync(without_room, folders)


async def _error(call: CachedCall[str | None] | CachedCall[None]) -> str | None:
    try:
        return await call.get()
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} s"
    except (StoreError, OSError) as error:
        return str(error)


def without_room(folders: Sequence[Path]) -> str | None:
    """The first folder on a full or read-only file system; None if all are writable."""
    for folder in folders:
        status = os.statvfs(folder)
        if status.f_flag & os.ST_RDONLY:
            return f"{folder} lies on a read-only file system"
        if status.f_bavail * status.f_frsize < LEAST_ROOM:
            return f"{folder} lies on a full disk"
    return None


def _stuck(overdue: float) -> str | None:
    return f"has not ended its turn for {overdue:.0f} s" if overdue > LONGEST_TURN else None
