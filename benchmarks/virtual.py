"""Virtual time: an event loop that jumps to the next timer instead of waiting for it. Hours pass in seconds.

The whole program runs on it as it is, for all its waiting goes through the loop. Only what other threads do takes real
time, and while it does (`hold`) the virtual clock stands still.
"""

import asyncio
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import anyio
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import SECOND, Micros
from orchestrator.store.database.engine import Database

START = 300_111.0
"""What the clock shows at first, in seconds: in the middle of a server's fixed windows, as clients start."""
_WALL: Micros = 1_700_000_000 * SECOND
_TURN = 1e-6
"""Seconds that a turn of the loop takes. With none, a timer that rounding wakes too early would spin for ever."""

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self.now = START
        self.held = 0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self.now


class _Jumping(selectors.EpollSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._loop.now += _TURN
        if timeout is None or self._loop.held:
            return super().select(timeout if timeout == 0 else None)
        events = super().select(0)
        if not events:
            self._loop.now += max(0.0, timeout)
        return events


class LoopClock:
    """The program's clock, on the running loop. Make it inside the loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def monotonic(self) -> float:
        return self._loop.time()

    def now(self) -> Micros:
        return _WALL + round((self._loop.time() - START) * SECOND)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(max(0.0, seconds))  # noqa: TID251 - this is a clock


def run(main: Callable[[], Awaitable[Result]]) -> Result:
    """Run `main` in virtual time."""
    return anyio.run(main, backend_options={"loop_factory": VirtualLoop})


@contextmanager
def hold() -> Iterator[None]:
    """Time stands still meanwhile: another thread is at work. On another loop it does nothing."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        yield
        return
    loop.held += 1
    try:
        yield
    finally:
        loop.held -= 1


class HeldDatabase(Database):
    """A database whose work takes no virtual time."""

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with hold():
            async with super().read() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *, durable: bool = True) -> AsyncIterator[AsyncConnection]:
        with hold():
            async with super().write(durable=durable) as connection:
                yield connection

    async def aclose(self) -> None:
        with hold():
            await super().aclose()


def held_database(url: sa.URL) -> HeldDatabase:
    """Open for writing."""
    return HeldDatabase.connect(url, read_only=False)
