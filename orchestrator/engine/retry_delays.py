"""How long the engine waits before it tries again, and by which clock."""

from collections.abc import Callable
from functools import partial
from random import Random

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.domain.polling.backoff import Backoff

RetryDelays = Callable[[int], float]
"""Failures in a row, counted from 1 → seconds."""


def pauses(random: Random) -> RetryDelays:
    """The engine's own: from half a second to a minute, with jitter, so that many steps do not come back at once."""
    return partial(Backoff(floor=0.5, first=1.0, cap=60.0).delay, random=random)


class SteadyWallClock:
    """Wall time as it was when this was made, carried on by the monotonic clock.

    What waits in the database waits by this one: whoever sets the wall clock, back or forward, holds nothing up and
    hurries nothing. It tells nothing of the waits of another process; those end when this one starts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begin = clock.now() - round(clock.monotonic() * SECOND)

    def now(self) -> Micros:
        """For comparing with what `after` told."""
        return self._begin + round(self._clock.monotonic() * SECOND)

    def after(self, seconds: float) -> Micros:
        """So many seconds from now."""
        return self.now() + round(seconds * SECOND)
