"""Whether the daemon lives, and whether it can do its work.

Living means that its loops turn: no database and no platform is asked, for a restart would mend neither. Ready means
that it can take work in and keep it.
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
from orchestrator.web.recent import Recent
from orchestrator.web.shown import Shown

HEARTBEAT = 5.0
"""Seconds between two beats."""
LONGEST_SILENCE = 30.0
"""Seconds without a beat after which timers no longer work."""
LONGEST_TURN = 600.0
"""Seconds that one turn of a loop may take: results of a hundred large jobs are written in one."""
LEAST_ROOM = 1024 * 1024
"""Free bytes below which a disk counts as full: what is left may do for one write and not for the next."""
LISTED_FILES = 100
"""Files that are named one by one."""
_KEEP, _PATIENCE = 1.0, 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    trouble: str | None = None
    """What is wrong; None when all is well."""


class Health:
    """Looks after the daemon's own state. `run` has to run beside it."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._clock = shown.clock
        self._beat_at = shown.clock.monotonic()
        self._stopping: str | None = None
        self._database = Recent(shown.store.writable, clock=shown.clock, keep=_KEEP, patience=_PATIENCE)
        self._disks = Recent(self._full_disk, clock=shown.clock, keep=_KEEP, patience=_PATIENCE)
        shown.bus.subscribe(self._heed)

    async def run(self) -> None:
        """Beat, and ask what is asked, for ever."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._database.run)
            group.start_soon(self._disks.run)
            while True:
                self._beat_at = self._clock.monotonic()
                await self._clock.sleep(HEARTBEAT)

    def alive(self) -> Sequence[Check]:
        """Whether timers fire and every loop turns."""
        silence = self._clock.monotonic() - self._beat_at
        beat = f"no heartbeat for {silence:.0f} s" if silence > LONGEST_SILENCE else None
        return [Check("heartbeat", beat), *(Check(loop.name, _stuck(loop.overdue)) for loop in self._shown.loops)]

    async def ready(self) -> Sequence[Check]:
        """Whether work can be taken in and kept. Takes a few seconds when the disk hangs."""
        found: dict[str, str | None] = {"running": self._stopping, "intake": self._shown.spool.trouble}

        async def look(name: str, recent: Recent[str | None] | Recent[None]) -> None:
            found[name] = await _trouble(recent)

        async with anyio.create_task_group() as group:
            group.start_soon(look, "database", self._database)
            group.start_soon(look, "disk", self._disks)
        return [Check(name, found[name]) for name in ("running", "database", "disk", "intake")]

    def accounts(self) -> dict[str, str]:
        """What each platform says of our credential. None of our business to mend, so no reason to be unready."""
        refusals = {account.name: account.dispatch.refusal for account in self._shown.accounts}
        return {name: f"closed: {refusal}" if refusal else "open" for name, refusal in refusals.items()}

    def waiting_files(self) -> dict[str, str]:
        """What stays in incoming/ and cannot be decided, at most a hundred of it. No reason to be unready."""
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


async def _trouble(recent: Recent[str | None] | Recent[None]) -> str | None:
    try:
        return await recent.get()
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} s"
    except (StoreError, OSError) as error:
        return str(error)


def without_room(folders: Sequence[Path]) -> str | None:
    """The first folder that nothing can be written to, for want of room or of right; None when all have both."""
    for folder in folders:
        status = os.statvfs(folder)
        if status.f_flag & os.ST_RDONLY:
            return f"{folder} lies on a read-only file system"
        if status.f_bavail * status.f_frsize < LEAST_ROOM:
            return f"{folder} lies on a full disk"
    return None


def _stuck(overdue: float) -> str | None:
    return f"has not ended its turn for {overdue:.0f} s" if overdue > LONGEST_TURN else None
