"""Limits repeated log records of libraries, so that one fault cannot fill a disk."""

import logging
from dataclasses import dataclass

from orchestrator.clock import Clock

INTERVAL = 60.0
"""Seconds after which a record that keeps coming is written again."""
_MOST_KINDS = 256
_TEXT_LENGTH = 200


@dataclass(slots=True)
class _Kind:
    written_at: float
    seen: int = 1
    """Since it was last quiet for an interval."""
    held: int = 0
    """Since it was last written."""


class Repeats(logging.Filter):
    """Lets the 1st, 10th, 100th … record of a kind pass, and one a minute; each carries `repeated`, those left out.

    Records are of one kind when logger, level and text before its parameters are the same.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, int, str], _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the record."""
        now = self._clock.monotonic()
        key = (record.name, record.levelno, str(record.msg)[:_TEXT_LENGTH])
        kind = self._kinds.get(key)
        if kind is None:
            self._make_room()
            self._kinds[key] = _Kind(now)
            return True
        kind.seen += 1
        is_due = now - kind.written_at >= INTERVAL
        if not is_due and not _is_power_of_ten(kind.seen):
            kind.held += 1
            return False
        record.repeated = kind.held
        self._kinds[key] = _Kind(now, seen=1 if is_due else kind.seen)
        return True

    def _make_room(self) -> None:
        if len(self._kinds) >= _MOST_KINDS:
            del self._kinds[min(self._kinds, key=lambda key: self._kinds[key].written_at)]


def _is_power_of_ten(number: int) -> bool:
    return str(number).rstrip("0") == "1"
