"""Time that runs faster, and is the same time in several processes of one machine.

A daemon waits an hour before it believes that an analysis was never created. A test that wants to see this happen a
hundred times needs shorter hours: both the daemon and the simulated platform are given a clock that follows the
machine's boot-time clock at a multiple of its speed, so that they agree on every instant, also across restarts.
"""

import asyncio
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import anyio

from orchestrator.clock import SECOND, Micros, SystemClock

SHORTEST_NAP = 0.02
"""Real seconds. Nobody wakes more often than this, however fast time runs: the machine has other work."""

FASTEST_TIMEOUTS = 60.0
"""Time-outs shrink no further than this many times: a busy machine needs its second to answer a request."""


@dataclass(frozen=True)
class Pace:
    """How fast time runs, and since which instant: a straight line through that instant."""

    speed: float
    since: float
    """Seconds on the machine's boot-time clock."""
    monotonic: float
    """What the fast monotonic clock showed then."""
    wall: Micros
    """What the fast wall clock showed then."""

    @classmethod
    def from_now(cls, speed: float) -> Self:
        """Fast clocks that show what the machine's clocks show now."""
        machine = SystemClock()
        return cls(speed, machine.monotonic(), machine.monotonic(), machine.now())

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `str()` of a pace wrote."""
        speed, since, monotonic, wall = text.split(":")
        return cls(float(speed), float(since), float(monotonic), int(wall))

    def __str__(self) -> str:
        return f"{self.speed!r}:{self.since!r}:{self.monotonic!r}:{self.wall}"

    def elapsed(self, machine: float) -> float:
        """Fast seconds since the instant in which this pace began."""
        return (machine - self.since) * self.speed

    @property
    def timeouts(self) -> float:
        """How many times shorter than usual a time-out is."""
        return min(self.speed, FASTEST_TIMEOUTS)


class FastClock:
    """A clock at some pace. `loop_speed` is that of the event loop it sleeps on."""

    def __init__(self, pace: Pace, *, loop_speed: float = 1.0) -> None:
        self.pace = pace
        self._loop_speed = loop_speed
        self._machine = SystemClock()

    def monotonic(self) -> float:
        return self.pace.monotonic + self.pace.elapsed(self._machine.monotonic())

    def now(self) -> Micros:
        return self.pace.wall + round(self.pace.elapsed(self._machine.monotonic()) * SECOND)

    async def sleep(self, seconds: float) -> None:
        end = self.monotonic() + seconds
        left = seconds
        while True:
            real = max(SHORTEST_NAP, left / self.pace.speed) if left > 0 else 0.0
            await anyio.sleep(real * self._loop_speed)  # noqa: TID251 - this is a clock
            left = end - self.monotonic()
            if left <= 0:
                return

    def change(self, speed: float) -> None:
        """Run at another speed from now on; the clocks do not jump."""
        self.pace = Pace(speed, self._machine.monotonic(), self.monotonic(), self.now())


def fast_loop(speed: float) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes event loops whose own clock runs faster, so that every time-out comes sooner."""
    return lambda: _FastLoop(speed)


class _FastLoop(asyncio.SelectorEventLoop):
    def __init__(self, speed: float) -> None:
        self._speed = speed
        super().__init__(_ShortSelector(speed))

    def time(self) -> float:
        return time.monotonic() * self._speed  # noqa: TID251 - this is a clock


class _ShortSelector(selectors.EpollSelector):
    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return super().select(None if timeout is None else timeout / self._speed)
