"""Counts how often polls did not report an item, and times conditions. In memory only, and bounded."""

from collections.abc import Iterable
from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.model import JobId

ItemId = tuple[JobId, int]

MAX_COUNTED_ITEMS: Final = 20_000
"""Maximum items counted at a time. Further items are counted when others have been reported or have expired."""


class MissCounter:
    """Counts the whole sweeps in a row that did not report an item."""

    def __init__(self, clock: Clock, *, forgotten_after: float) -> None:
        self._clock = clock
        self._forgotten_after = forgotten_after
        self._held: dict[ItemId, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def count(self, item: ItemId) -> int:
        """Count one more sweep that did not report the item; returns the new count."""
        now = self._clock.monotonic()
        before, at = self._held.pop(item, (0, now))
        misses = before + 1 if now - at < self._forgotten_after else 1
        if len(self._held) >= MAX_COUNTED_ITEMS:
            self._prune(now)
        if len(self._held) < MAX_COUNTED_ITEMS:
            self._held[item] = misses, now  # the newest last
        return misses

    def forget(self, items: Iterable[ItemId]) -> None:
        """Reset the counts of these items."""
        if self._held:
            for item in items:
                self._held.pop(item, None)

    def _prune(self, now: float) -> None:
        """Remove expired counts: those items have ended."""
        for item, (_, at) in list(self._held.items()):
            if now - at < self._forgotten_after:
                return
            del self._held[item]


class ConditionTimer:
    """Measures for how long named conditions have held without interruption."""

    def __init__(self, clock: Clock, *, broken_after: float) -> None:
        self._clock = clock
        self._broken_after = broken_after
        self._held: dict[str, tuple[float, float]] = {}
        """name → (since when it holds, when it was last observed)."""

    def __len__(self) -> int:
        return len(self._held)

    def lasts(self, name: str) -> float:
        """Record that the condition holds; returns for how many seconds. Unobserved conditions expire."""
        now = self._clock.monotonic()
        for held, (_, last) in list(self._held.items()):
            if now - last < self._broken_after:
                break
            del self._held[held]
        since, _ = self._held.pop(name, (now, now))
        self._held[name] = since, now  # the newest last
        return now - since

    def end(self, name: str) -> None:
        """Record that the condition no longer holds."""
        self._held.pop(name, None)
