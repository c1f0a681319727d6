"""Removes settled jobs, old queue files and leftover drafts when their retention has ended. Results are kept."""

import math
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import anyio.to_thread

from orchestrator.clock import SECOND, Clock
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import ComponentError, Event, RetentionPruned

INTERVAL = 3600.0
"""Seconds between two runs."""

PORTION = 10
"""Jobs pruned per transaction."""

DRAFT_AGE = 86_400.0
"""Seconds after which a draft is known to be a leftover of a crash."""

Test = Callable[[os.stat_result], bool]


class Upkeep:
    """Prunes settled jobs from the database, old queue files from their folders, and drafts left by a crash."""

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
        drafts: Mapping[Path, re.Pattern[str]] | None = None,
    ) -> None:
        """Ages are in seconds. Nothing is pruned while the clock is not trusted.

        `files`: folder → maximum age of its files; `drafts`: folder → pattern of the names of this program's drafts.
        """
        self._settled_jobs = settled_jobs
        self._files = files
        self._drafts = drafts or {}
        self._clock_trusted = clock_trusted
        self._store = store
        self._clock = clock
        self._bus = bus
        self._files_due = self._jobs_due = -math.inf
        self._kept: dict[Path, str] = {}
        """Files that cannot be removed, with the reason; reported when there are new ones."""

    async def turn(self) -> float:
        """Prune if it is time to; returns the seconds until the next run. Being woken makes no run due."""
        if not self._clock_trusted():
            return INTERVAL
        files = jobs = 0
        if self._clock.monotonic() >= self._files_due:
            files = await self._prune_files()
            self._files_due = self._clock.monotonic() + INTERVAL
        if self._clock.monotonic() >= self._jobs_due:
            jobs = await self._prune_jobs()
            self._jobs_due = self._clock.monotonic() + INTERVAL
        if jobs or files:
            self._bus.publish(RetentionPruned(jobs, files))
        return max(0.0, min(self._files_due, self._jobs_due) - self._clock.monotonic())

    async def _prune_jobs(self) -> int:
        pruned, portion = 0, PORTION
        while portion == PORTION:
            now = self._clock.now()
            before = now - round(self._settled_jobs * SECOND)
            portion = len(await self._store.jobs.prune(before, now, limit=PORTION))
            pruned += portion
        return pruned

    async def _prune_files(self) -> int:
        kept: dict[Path, str] = {}
        pruned = await anyio.to_thread.run_sync(self._remove_files, kept)
        if kept.keys() - self._kept.keys():
            path, reason = next(iter(kept.items()))
            text = f"{len(kept)} expired files or folders cannot be removed, for example {path}: {reason}"
            self._bus.publish(ComponentError(self.name, text, INTERVAL))
        self._kept = kept
        return pruned

    # ------------------------------------------------------------ in a worker thread

    def _remove_files(self, kept: dict[Path, str]) -> int:
        now, removed = self._clock.now() / SECOND, 0
        for folder, age in self._files.items():
            for path in _inside(folder, kept):
                removed += _remove(path, _moved_before(now - age), kept)
        for folder, ours in self._drafts.items():
            for path in _inside(folder, kept):
                if ours.fullmatch(path.name):
                    removed += _remove(path, _draft_before(now - DRAFT_AGE), kept)
        return removed


def _moved_before(moment: float) -> Test:
    """Whether a file was moved into its folder before `moment`: the change time says so, its content may be older."""
    return lambda status: not stat.S_ISDIR(status.st_mode) and max(status.st_ctime, status.st_mtime) < moment


def _draft_before(moment: float) -> Test:
    return lambda status: stat.S_ISREG(status.st_mode) and status.st_mtime < moment


def _remove(path: Path, expired: Test, kept: dict[Path, str]) -> bool:
    try:
        if not expired(path.lstat()):
            return False
        path.unlink()
    except FileNotFoundError:
        return False  # removed by another process
    except OSError as error:
        kept[path] = error.strerror or str(error)
        return False
    return True


def _inside(folder: Path, kept: dict[Path, str]) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        kept[folder] = error.strerror or str(error)
        return []
