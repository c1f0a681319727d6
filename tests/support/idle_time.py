"""Virtual time for the whole daemon in one process: it passes while everybody waits for it, and never otherwise.

A request, a database call or a thread that takes long on a busy machine takes no virtual time at all.
"""

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiosqlite
import anyio
import anyio.to_thread
import httpx
import pytest
from watchfiles._rust_notify import RustNotify

from orchestrator.clock import ManualClock

QUIET_TURNS = 3
"""Turns of the event loop in a row without anything to run."""
NAP = 0.001
"""Real seconds between two looks at a thread or socket that is still at work."""


class IdleTime(ManualClock):
    """Moves on to the next deadline whenever nothing else can happen."""

    def __init__(self) -> None:
        super().__init__()
        self._at_work = 0

    @classmethod
    @asynccontextmanager
    async def passing(cls, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator["IdleTime"]:
        """A clock that moves for the length of a block, in which no other thread may use the event loop."""
        clock = cls()
        clock._count(monkeypatch, httpx.AsyncHTTPTransport, "handle_async_request")
        clock._count(monkeypatch, aiosqlite.Connection, "_connect")
        clock._count(monkeypatch, aiosqlite.Connection, "_execute")
        clock._count(monkeypatch, anyio, "getaddrinfo")
        clock._count(monkeypatch, anyio.to_thread, "run_sync", besides=_is_watcher)
        passing = asyncio.create_task(clock._pass())  # no task group: fixtures are left in another task
        try:
            yield clock
        finally:
            passing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await passing

    def _count(
        self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, besides: Callable[..., bool] = lambda *_: False
    ) -> None:
        """Note for how long calls of this function are under way."""
        real: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def counted(*given: Any, **more: Any) -> Any:
            if besides(*given):
                return await real(*given, **more)
            self._at_work += 1
            try:
                return await real(*given, **more)
            finally:
                self._at_work -= 1

        monkeypatch.setattr(owner, name, counted)

    async def _pass(self) -> None:
        while True:
            await self._quiet()
            if self._waiting:
                self._wake_next()
            else:
                await anyio.sleep(NAP)  # noqa: TID251 - only the test itself is left to do something

    def _wake_next(self) -> None:
        due, _, event = heapq.heappop(self._waiting)
        self._move_to(max(due, self.monotonic()))
        event.set()

    async def _quiet(self) -> None:
        """Return when no task can run and nobody outside of the event loop is at work for one."""
        ready, turns = asyncio.get_running_loop()._ready, 0  # type: ignore[attr-defined]
        while turns < QUIET_TURNS:
            await anyio.sleep(NAP if self._at_work else 0)  # noqa: TID251 - real work takes real time
            turns = 0 if ready or self._at_work else turns + 1


def _is_watcher(*given: Any) -> bool:
    """Whether the thread waits for file events, which it does for the whole life of a daemon."""
    return isinstance(getattr(given[0], "__self__", None), RustNotify)
