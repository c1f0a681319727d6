"""Queue files whose tables are not all there: each waits for as long as one of them grows, and a minute longer."""

from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.intake.directory.arrivals import Arrivals, Entry
from orchestrator.intake.directory.stale_files import StaleFiles

TABLE_PATIENCE = 60.0
"""Seconds that a queue file waits for its tables, counted from the last change of any of them."""
NEVER_CAME = (
    f"never came: this file waited for it for {TABLE_PATIENCE:g} s",
    "drop both again; a table goes with one queue file, and may have gone with another",
)
"""What to say of a table at the end of that time, and what to do."""


@dataclass(slots=True)
class _Waiting:
    """A queue file whose tables are not all there."""

    entry: Entry
    tables: tuple[str, ...]
    since: float


class AwaitedTables:
    """Remembers which file waits for which tables. Times are seconds on the monotonic clock."""

    def __init__(self, arrivals: Arrivals, stale: StaleFiles) -> None:
        self._arrivals = arrivals
        self._stale = stale
        self._waiting: dict[str, _Waiting] = {}

    def worth_reading(self, entry: Entry, now: float) -> bool:
        """Whether its tables are there by now, its patience is over, or it is another file than the one that waited."""
        waiting = self._waiting.get(entry.name)
        if waiting is None or waiting.entry.signature != entry.signature:
            self._waiting.pop(entry.name, None)
            return True
        if self._patience_ends(waiting) <= now:
            return True
        if all(self._arrivals.settled(name, now) for name in waiting.tables):
            return True
        self._note(waiting, now)
        return False

    def may_wait(self, entry: Entry, now: float) -> bool:
        """Whether the file has patience left."""
        waiting = self._waiting.get(entry.name)
        return waiting is None or now < self._patience_ends(waiting)

    def wait(self, entry: Entry, tables: tuple[str, ...], now: float) -> None:
        """The file names tables that are not all there."""
        waiting = self._waiting.setdefault(entry.name, _Waiting(entry, tables, now))
        self._note(waiting, now)

    def end(self, name: str) -> None:
        """The file is decided."""
        self._waiting.pop(name, None)

    def awaits(self, table: str) -> bool:
        """Whether a file waits for a table of that name."""
        return any(table in waiting.tables for waiting in self._waiting.values())

    def forget_gone(self, present: set[str]) -> None:
        """Keep only what is still there."""
        for name in self._waiting.keys() - present:
            del self._waiting[name]

    def _patience_ends(self, waiting: _Waiting) -> float:
        return max([waiting.since, *self._changes(waiting.tables)]) + TABLE_PATIENCE

    def _changes(self, tables: Iterable[str]) -> Iterable[float]:
        """When each of them was last seen to change, under its own name or as an upload under another one."""
        for name in tables:
            if (changed := self._arrivals.changed_at(name)) is not None:
                yield changed
            if (upload := self._arrivals.upload_of(name)) is not None:
                yield upload.changed_at

    def _note(self, waiting: _Waiting, now: float) -> None:
        parts = [text for name in waiting.tables if (text := self._missing(name, now))]
        self._stale.note(waiting.entry.name, "; ".join(parts) or "its tables have just come", waiting.since)

    def _missing(self, table: str, now: float) -> str | None:
        if self._arrivals.settled(table, now):
            return None
        if self._arrivals.changed_at(table) is not None:
            return f"its table {table} is still growing"
        if (upload := self._arrivals.upload_of(table)) is not None:
            return f"its table {table} is still on its way, as {upload.name}"
        return f"its table {table} has not come"
