"""How long ICA's search index needs to list a new analysis, and whether it lists those of a batch."""

from collections import deque
from dataclasses import dataclass
from typing import Final

ASSUMED_LAG: Final = 180.0
"""Seconds that the index is assumed to need to list a new analysis, until this has been measured."""
LONGEST_LAG: Final = 900.0
"""Seconds that it is assumed to need at most."""
_SHORTEST_LAG: Final = 30.0
_MARGIN: Final = 2.0
"""Factor on the measured lag, as samples are few and may be too low."""
_SAMPLES: Final = 16


class Lag:
    """Measures how long ICA's index needs to list an analysis after its creation was reported."""

    def __init__(self) -> None:
        self.seconds = ASSUMED_LAG
        self._samples: deque[float] = deque(maxlen=_SAMPLES)

    def listed(self, after: float) -> None:
        """Record that all analyses of a batch are listed; `after` seconds after creation some were not yet."""
        self._samples.append(after)
        self.seconds = min(max(_SHORTEST_LAG, _MARGIN * max(self._samples)), LONGEST_LAG)

    def not_listed(self, after: float) -> None:
        """Record that an open analysis was not listed `after` seconds after its creation."""
        self.seconds = max(self.seconds, min(_MARGIN * after, LONGEST_LAG))


@dataclass(slots=True)
class Listing:
    """Whether the index lists the analyses of one batch.

    A batch is young from the creation of its newest analysis (`created_at`, on the monotonic clock) until all were
    reported (`complete`), or until the lag has passed.
    """

    created_at: float
    complete: bool = False
    missed_after: float = 0.0
    """Seconds from `created_at` to the last time that some were neither listed nor among the latest ends."""
    unreported: int = 0
    """Number that was missing last time and not among the latest ends."""

    def restart(self, now: float) -> None:
        """Another analysis of the batch was created."""
        self.created_at, self.missed_after, self.complete = now, 0.0, False

    def young(self, now: float, lag: Lag) -> bool:
        """Whether the index may not list all of them yet."""
        return not self.complete and now - self.created_at < lag.seconds

    def accounted(self, lag: Lag) -> None:
        """All of them were reported."""
        if not self.complete:
            self.complete = True
            lag.listed(self.missed_after)

    def not_listed(self, now: float, lag: Lag) -> None:
        """One of them is open, and the index does not list it."""
        if not self.complete:
            lag.not_listed(now - self.created_at)
