"""When one batch is polled alone, and which of its analyses are requested then."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.domain.model import Item

_FIRST_REST: Final = 30.0
"""Seconds from one round to the next; doubled after each round that found no ended analysis."""


class Phase(StrEnum):
    """What a batch does between two visits. See docs/architecture.md."""

    RESTING = "resting"
    """Waits until `due`; a new batch is due at once."""
    PARTWAY = "partway"
    """Some of its analyses were requested; the others follow before any other poll of the batch."""


@dataclass(slots=True)
class Visits:
    """The visits of one batch. Each visit ends the rest and begins a round, or continues one that is partway.

    A round ends when each missing analysis was requested once. Times are of the monotonic clock.
    """

    phase: Phase = Phase.RESTING
    due: float = -math.inf
    count: int = 0
    _rest: float = 0.0
    _before: tuple[float, float] = (-math.inf, 0.0)
    """`due` and `_rest` before the current visit."""
    _last: int = 0
    """Sequence number of the last requested item."""
    _requested: int = 0
    """Number of items requested in this round."""

    def visit(self, now: float, longest: float) -> int:
        """Poll the batch alone; rest afterwards, twice as long as before. Returns the number of earlier visits."""
        self._before = self.due, self._rest
        self._rest = min(max(_FIRST_REST, 2 * self._rest), longest)
        self.due = now + self._rest
        self.count += 1
        return self.count - 1

    def choose(self, items: Sequence[Item], limit: int, now: float) -> Sequence[Item]:
        """Choose the next of the missing `items` to request, at most `limit` and none twice in a round."""
        limit = max(0, min(limit, max(1, len(items) - self._requested)))
        chosen = sorted(items, key=lambda item: (item.seq <= self._last, item.seq))[:limit]
        self._requested += len(chosen)
        self.phase = Phase.PARTWAY if self._requested < len(items) else Phase.RESTING
        if not chosen:
            self.due, self._rest = self._before
            return chosen
        self._last = chosen[-1].seq
        if self.phase is Phase.PARTWAY:
            self.due, self._rest = now, self._before[1]
        else:
            self._requested = 0
        return chosen

    def hurry(self) -> None:
        """More of its analyses are missing than before: it is due."""
        self.due = -math.inf

    def found_end(self, now: float) -> None:
        """The visit found an ended analysis: there may be more, so it is due, and its next rest is short."""
        self._rest, self.due = 0.0, min(self.due, now)
