"""What the platform passed over or denied, and for how long. In memory only, and bounded: it is found out anew."""

from collections.abc import Iterable
from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.model import JobId

ItemId = tuple[JobId, int]

MAX_COUNTED_ITEMS: Final = 20_000
"""Items counted at a time. Those beyond are counted once others have been told, or have waited in vain."""


class MissCounter:
    """How often whole sweeps passed over each item."""

    def __init__(self, clock: Clock, *, forgotten_after: float) -> None:
        self._clock = clock
        self._forgotten_after = forgotten_after
        self._held: dict[ItemId, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def count(self, item: ItemId) -> int:
        """It was passed over once more; returns how often that makes."""
        now = self._clock.monotonic()
        misses = self._held.pop(item, (0, now))[0] + 1
        if len(self._held) >= MAX_COUNTED_ITEMS:
            self._prune(now)
        if len(self._held) < MAX_COUNTED_ITEMS:
            self._held[item] = misses, now  # the newest last
        return misses

    def forget(self, items: Iterable[ItemId]) -> None:
        """These are counted from the start."""
        if self._held:
            for item in items:
                self._held.pop(item, None)

    def _prune(self, now: float) -> None:
        """Leave out those that nobody misses any more: they ended otherwise."""
        for item, (_, at) in list(self._held.items()):
            if now - at < self._forgotten_after:
                return
            del self._held[item]


class ConditionTimer:
    """For how long something has gone on without a break, by its name."""

    def __init__(self, clock: Clock, *, broken_after: float) -> None:
        self._clock = clock
        self._broken_after = broken_after
        self._held: dict[str, tuple[float, float]] = {}
        """Since when, and when last."""

    def __len__(self) -> int:
        return len(self._held)

    def lasts(self, name: str) -> float:
        """It goes on; returns the seconds for which it has. What nobody spoke of for long is over, and forgotten."""
        now = self._clock.monotonic()
        since, _ = self._held.pop(name, (now, now))
        self._held[name] = since, now  # the newest last
        for other, (_, last) in list(self._held.items()):
            if now - last < self._broken_after:
                break
            del self._held[other]
        return now - since

    def end(self, name: str) -> None:
        """It is over."""
        self._held.pop(name, None)
