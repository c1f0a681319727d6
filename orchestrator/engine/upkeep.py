"""Keeps the house small: what is over goes after the time that `retention` grants it. Results are never touched."""

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
"""Seconds between two rounds."""

PORTION = 10
"""Jobs that are asked for at a time."""

DRAFT_AGE = 86_400.0
"""Seconds after which a draft of ours is no longer being written: a crash left it behind."""

Test = Callable[[os.stat_result], bool]


class Upkeep:
    """Prunes settled jobs from the database, old queue files from their folders, and drafts that a crash left."""

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
        """Ages are seconds; a clock that may be wrong prunes nothing.

        `files` gives an age for each folder, `drafts` what our own drafts are called in folders of other people too.
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
        """What cannot be removed, and why: told when it becomes more."""

    async def turn(self) -> float:
        """Prune what is due; returns the seconds until the next round. Being woken makes nothing due."""
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
            text = f"cannot remove what is over: {len(kept)} in all, for one {path}: {reason}"
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
    """The change time is when a file was moved there; what it holds may be much older."""
    return lambda status: not stat.S_ISDIR(status.st_mode) and max(status.st_ctime, status.st_mtime) < moment


def _draft_before(moment: float) -> Test:
    return lambda status: stat.S_ISREG(status.st_mode) and status.st_mtime < moment


def _remove(path: Path, is_over: Test, kept: dict[Path, str]) -> bool:
    try:
        if not is_over(path.lstat()):
            return False
        path.unlink()
    except FileNotFoundError:
        return False  # somebody else was quicker
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
