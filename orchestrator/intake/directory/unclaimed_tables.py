"""Tables that no queue file names: reported once, and rejected after an hour."""

from collections.abc import Callable, Iterable

from orchestrator.domain.messages.mistake import Mistakes
from orchestrator.intake.directory.arrivals import Arrivals, Entry
from orchestrator.intake.directory.open_file import Signature
from orchestrator.telemetry.events import Event, TableUnreferenced

PATIENCE = 3600.0
"""Seconds that a table waits for a queue file that names it."""


class UnclaimedTables:
    """Remembers which of them were reported."""

    def __init__(
        self, arrivals: Arrivals, publish: Callable[[Event], None], may_be_named: Callable[[str], bool]
    ) -> None:
        """`may_be_named`: whether a queue file that waits in incoming/ names a table, or may do so."""
        self._arrivals = arrivals
        self._may_be_named = may_be_named
        self._publish = publish
        self._reported: dict[str, Signature] = {}

    def expired(self, table: str, now: float) -> Mistakes | None:
        """Why to reject the table; None while it may still be named."""
        if self._arrivals.age(table, now) < PATIENCE or self._may_be_named(table):
            return None
        mistakes = Mistakes()
        mistakes.add("is a table that no queue file named within an hour", "drop it again with the file that names it")
        return mistakes

    def to_report(self, tables: Iterable[Entry], now: float) -> list[Entry]:
        """Those that rest and were not reported as they are now: a table is dropped before its queue file."""
        return [
            each
            for each in tables
            if self._reported.get(each.name) != each.signature
            and self._arrivals.rested(each.name, now)
            and not self._may_be_named(each.name)
        ]

    def report(self, tables: Iterable[Entry]) -> None:
        """Report each of them once."""
        for table in tables:
            self._reported[table.name] = table.signature
            reason = "no queue file names it in `table:`; it is rejected when none did within an hour"
            self._publish(TableUnreferenced(table.name, reason))

    def forget_gone(self, present: set[str]) -> None:
        """Report a table again that left the folder and came back."""
        for name in self._reported.keys() - present:
            del self._reported[name]
