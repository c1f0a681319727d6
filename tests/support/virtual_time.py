"""Time that costs nothing, for whoever runs the program in one process: who waits is there at once."""

import itertools
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import anyio.lowlevel
import pytest

from orchestrator import crash_points
from orchestrator.clock import SECOND, ManualClock, Micros
from orchestrator.crash_points import CrashPoint


class Time(ManualClock):
    """Nobody waits: whoever sleeps is there at once, and it is so much later."""

    async def sleep(self, seconds: float) -> None:
        self.move(seconds)
        await anyio.lowlevel.checkpoint()

    def move(self, seconds: float) -> None:
        self._move_to(self.monotonic() + max(0.0, seconds))


class OurClock:
    """The daemon's own clock: the same time, but a wall clock that may be set wrong."""

    def __init__(self, time: Time) -> None:
        self._time = time
        self.ahead: Micros = 0

    def monotonic(self) -> float:
        return self._time.monotonic()

    def now(self) -> Micros:
        return self._time.now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        await self._time.sleep(seconds)

    def step(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.ahead += round(seconds * SECOND)


SUBMITTING = (
    CrashPoint.BATCH_COMPOSED,
    CrashPoint.BATCH_BEGUN,
    CrashPoint.BATCH_SENT,
    CrashPoint.BATCH_CONFIRMED,
    CrashPoint.BATCH_REFUSED,
)
"""The points that every submission passes."""
POLLING = (CrashPoint.PAGE_READ, CrashPoint.PAGE_WRITTEN)
"""The points that every poll passes."""


class Killed(BaseException):
    """`kill -9`: nobody catches it, nobody tidies up."""


class Point:
    """Kills the daemon of one process at a named point; see `orchestrator.crash_points`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def arm(self, point: CrashPoint, nth: int = 1) -> None:
        """Passing it for the n-th time raises `Killed`, once."""

        def die(*_: int) -> None:
            raise Killed

        self._monkeypatch.setattr(crash_points, "_NAME", str(point))
        self._monkeypatch.setattr(crash_points, "_NTH", nth)
        self._monkeypatch.setattr(crash_points, "_PASSES", itertools.count(1))
        self._monkeypatch.setattr(crash_points, "os", SimpleNamespace(kill=die, getpid=int))


class Steps:
    """Takes the place of the dispatch's task group; what it is given runs later, each to its end."""

    def __init__(self) -> None:
        self._pending: list[tuple[Callable[..., Awaitable[None]], tuple[Any, ...]]] = []

    def start_soon(self, act: Callable[..., Awaitable[None]], *given: Any) -> None:
        self._pending.append((act, given))

    async def run(self) -> bool:
        """Run all; returns whether there was anything."""
        pending, self._pending = self._pending, []
        for act, given in pending:
            await act(*given)
        return bool(pending)
