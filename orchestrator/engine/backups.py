"""Scheduled online backups of an SQLite database: each is verified, and a fixed number is kept."""

import math
import re
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import anyio.to_thread

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.store.database import upgrade
from orchestrator.store.errors import StoreError
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import BackupMade, Event

MAX_PAUSE = 3600.0
"""Maximum seconds between two reads of the folder: backups may be removed by hand, and the wall clock may be set."""

_NAME = re.compile(r"orchestrator-(\d{8}T\d{6})Z\.db")
_FORMAT = "orchestrator-%Y%m%dT%H%M%SZ.db"


def made_backups(directory: Path) -> dict[Micros, Path]:
    """The scheduled backups in a folder, by the time when they were made. Raises OSError."""
    found = {}
    for path in directory.iterdir():
        if match := _NAME.fullmatch(path.name):
            made = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
            found[round(made.timestamp()) * SECOND] = path
    return found


def newest_backup(directory: Path, now: Micros) -> Micros | None:
    """When the newest backup was made; None while there is none. Raises OSError.

    Those of a later time than `now` were made while the clock was ahead: how old they are is not known.
    """
    return max((at for at in made_backups(directory) if at <= now), default=None)


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """Where backups are written, how often (in seconds), and how many are kept."""

    directory: Path
    interval: float
    keep: int


class Backups:
    """Backs up the database whenever the newest backup is older than the interval.

    A failed backup raises; the loop reports the error and retries.
    """

    name = "backup"

    def __init__(self, plan: BackupPlan, *, url: str, clock: Clock, bus: Bus[Event]) -> None:
        self._plan = plan
        self._url = url
        self._clock = clock
        self._bus = bus
        self.newest: Micros | None = None
        """When the newest backup was made; None while there is none."""
        self._due_at = -math.inf

    @property
    def interval(self) -> float:
        """Seconds between two backups."""
        return self._plan.interval

    async def turn(self) -> float:
        """Make a backup if one is due; returns the seconds until the next may be.

        Raises:
            StoreError: no valid backup could be written; older backups are kept.
        """
        if (pause := self._due_at - self._clock.monotonic()) > 0:
            return pause  # woken for another component
        self.newest = await anyio.to_thread.run_sync(self._prepare)
        age = self._age()
        if age is None or age >= self._plan.interval:
            await self._copy()
            age = self._age() or 0.0
        pause = min(self._plan.interval - age, MAX_PAUSE)
        self._due_at = self._clock.monotonic() + pause
        return pause

    def _age(self) -> float | None:
        """Seconds since the newest backup; None without one."""
        return None if self.newest is None else (self._clock.now() - self.newest) / SECOND

    async def _copy(self) -> None:
        began, at = self._clock.monotonic(), self._clock.now() // SECOND * SECOND
        file = self._plan.directory / time.strftime(_FORMAT, time.gmtime(at // SECOND))
        await upgrade.backup(self._url, file)
        self.newest = at
        size, removed = await anyio.to_thread.run_sync(self._prune, file)
        self._bus.publish(BackupMade(str(file), size, self._clock.monotonic() - began, removed))

    # ------------------------------------------------------------ in a worker thread

    def _prepare(self) -> Micros | None:
        """Create the folder and remove unfinished backups of a crash; returns when the newest backup was made."""
        directory = self._plan.directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for draft in directory.glob(".orchestrator-*.db.*"):
                shutil.rmtree(draft)
            return newest_backup(directory, self._clock.now())
        except OSError as error:
            place = error.filename or directory
            raise StoreError(
                f"no backup can be made in {directory} ({place}: {error.strerror or error}): free space, give the "
                "daemon's user the right to write there, or set another `backup.directory`"
            ) from error

    def _prune(self, newest: Path) -> tuple[int, int]:
        """Remove surplus backups, by name; returns the size of the newest and how many were removed.

        Those of a time to come go first: the clock was ahead when they were made, which was before.
        """
        copies, now = made_backups(self._plan.directory), self._clock.now()
        surplus = sorted(copies, key=lambda at: (at <= now, at), reverse=True)[self._plan.keep :]
        for made_at in surplus:
            copies[made_at].unlink(missing_ok=True)
        return newest.stat().st_size, len(surplus)
