"""How long the engine waits before a retry, and the clock that it uses for that."""

from collections.abc import Callable
from functools import partial
from random import Random

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.domain.polling.backoff import Backoff

RetryDelays = Callable[[int], float]
"""Failures in a row, counted from 1 → seconds."""


def engine_retry_delays(random: Random) -> RetryDelays:
    """The retry delays of the engine: exponential from half a second to a minute, with jitter."""
    return partial(Backoff(floor=0.5, first=1.0, cap=60.0).delay, random=random)


class SteadyWallClock:
    """A wall clock without steps: the wall time at its creation plus the monotonic time since then.

    Due times in the database use this clock, so setting the wall clock neither delays nor hastens a retry. Due times
    that another process has written are not comparable; they are reset at the start.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begin = clock.now() - round(clock.monotonic() * SECOND)

    def now(self) -> Micros:
        """The time to compare with what `after` returned."""
        return self._begin + round(self._clock.monotonic() * SECOND)

    def after(self, seconds: float) -> Micros:
        """The time `seconds` from now."""
        return self.now() + round(seconds * SECOND)
