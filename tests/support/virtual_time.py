"""Time that costs nothing, for whoever runs the program in one process: who waits is there at once."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio.lowlevel

from orchestrator.clock import SECOND, ManualClock, Micros


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


class Killed(BaseException):
    """`kill -9`: nobody catches it, nobody tidies up."""


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
