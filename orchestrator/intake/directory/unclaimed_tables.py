"""Tables that no queue file names: told of once, and given up after an hour."""

from collections.abc import Callable, Iterable

from orchestrator.domain.mistake import Mistakes
from orchestrator.intake.directory.arrivals import Arrivals, Entry
from orchestrator.intake.directory.open_file import Signature
from orchestrator.telemetry.events import Event, TableUnreferenced

PATIENCE = 3600.0
"""Seconds that a table waits for a queue file that names it."""


class UnclaimedTables:
    """Remembers which of them were told of."""

    def __init__(self, arrivals: Arrivals, publish: Callable[[Event], None]) -> None:
        self._arrivals = arrivals
        self._publish = publish
        self._told: dict[str, Signature] = {}

    def gave_up(self, table: str, now: float) -> Mistakes | None:
        """What to reject the table for; None while it may lie there."""
        if self._arrivals.age(table, now) < PATIENCE:
            return None
        mistakes = Mistakes()
        mistakes.add("is a table that no queue file named within an hour", "drop it again with the file that names it")
        return mistakes

    def to_tell(self, tables: Iterable[Entry], now: float) -> list[Entry]:
        """Those that rest and were not told of as they are now. A table is dropped first, and its queue file soon."""
        return [
            each
            for each in tables
            if self._told.get(each.name) != each.signature and self._arrivals.rested(each.name, now)
        ]

    def tell(self, tables: Iterable[Entry]) -> None:
        """Of each, once."""
        for table in tables:
            self._told[table.name] = table.signature
            reason = "no queue file names it in `table:`; it is rejected when none did within an hour"
            self._publish(TableUnreferenced(table.name, reason))

    def forget_gone(self, present: set[str]) -> None:
        """What left the folder is told of anew when it comes again."""
        for name in self._told.keys() - present:
            del self._told[name]
