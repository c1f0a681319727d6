"""Keeps the house small: what is over goes after the time that `retention` grants it. Results are never touched."""

from collections.abc import Callable, Mapping
from pathlib import Path

import anyio.to_thread

from orchestrator.clock import SECOND, Clock
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, RetentionKept

INTERVAL = 3600.0
"""Seconds between two rounds."""

PORTION = 10
"""Jobs that are pruned in one transaction, so that others can write in between."""


class Upkeep:
    """Prunes settled jobs from the database, and old queue files from their folders."""

    name = "upkeep"

    def __init__(
        self,
        *,
        settled_jobs: float,
        files: Mapping[Path, float],
        clock_trusted: Callable[[], bool],
        store: Store,
        clock: Clock,
        bus: Bus[Event],
    ) -> None:
        """Ages are seconds; `files` gives one for each folder. A clock that may be wrong prunes nothing."""
        self._settled_jobs = settled_jobs
        self._files = files
        self._clock_trusted = clock_trusted
        self._store = store
        self._clock = clock
        self._bus = bus

    async def turn(self) -> float:
        """Prune what is due; returns the seconds until the next round."""
        if not self._clock_trusted():
            return INTERVAL
        jobs = await self._prune_jobs()
        files = await anyio.to_thread.run_sync(self._prune_files)
        if jobs or files:
            self._bus.publish(RetentionKept(jobs, files))
        return INTERVAL

    async def _prune_jobs(self) -> int:
        pruned, portion = 0, PORTION
        while portion == PORTION:
            now = self._clock.now()
            before = now - round(self._settled_jobs * SECOND)
            portion = len(await self._store.jobs.prune(before, now, limit=PORTION))
            pruned += portion
        return pruned

    def _prune_files(self) -> int:
        now, pruned = self._clock.now() / SECOND, 0
        for folder, age in self._files.items():
            for path in folder.iterdir() if folder.is_dir() else ():
                status = path.lstat()
                # The change time is when the file was moved here; what it holds may be much older.
                if now - max(status.st_ctime, status.st_mtime) > age and not path.is_dir():
                    path.unlink(missing_ok=True)
                    pruned += 1
        return pruned
