"""The ways to keep to a request budget that `budget.py` compares. Each is told to send, and waits as it sees fit."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol, cast

import aiolimiter
import anyio
import pyrate_limiter
from sevenbridges.http import error_handlers as sevenbridges
from sqlalchemy.util.concurrency import await_only, greenlet_spawn

from benchmarks.virtual import START, LoopClock
from orchestrator.platforms.rate_limit.limiter import Lane, Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import SlotFile

REQUESTS: Final = 1000
PER: Final = 300.0
BACKLOG: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said."""

    status: int
    retry_after: float = 0.0
    reset: float = 0.0
    """When budget is free again, as the platforms tell it: on the server's wall clock."""


Wire = Callable[[], Awaitable[Reply]]


class Limiter(Protocol):
    """A client's way to keep to the budget."""

    async def send(self, wire: Wire, *, urgent: bool) -> None:
        """Send a request until it is granted."""
        ...


class Ours:
    """The daemon's budget with its slot file, as the transport uses it."""

    def __init__(self, file: Path, *, first_start: bool = True) -> None:
        slots = SlotFile(file, first_start=first_start, boot_id="11111111-1111-1111-1111-111111111111")
        self._budget = RateLimiter(Limit(REQUESTS, PER), LoopClock(), slots, Random(1))

    async def send(self, wire: Wire, *, urgent: bool) -> None:
        while True:
            self._budget.declare(Lane.POLL, BACKLOG)
            slot = await self._budget.acquire(Lane.CONTROL if urgent else Lane.POLL)
            reply = await wire()
            slot.release()
            if reply.status == 200:
                return
            self._budget.throttled(slot, reply.retry_after)


class Permits:
    """A library that hands out permits; a refused request waits for `Retry-After` and takes another one."""

    def __init__(self, acquire: Callable[[], Awaitable[object]]) -> None:
        self._acquire = acquire

    async def send(self, wire: Wire, *, urgent: bool) -> None:  # noqa: ARG002 - these know no urgency
        while True:
            await self._acquire()
            reply = await wire()
            if reply.status == 200:
                return
            await LoopClock().sleep(reply.retry_after)


def with_aiolimiter() -> Permits:
    """As its documentation shows it."""
    return Permits(aiolimiter.AsyncLimiter(REQUESTS, PER).acquire)


def with_pyrate() -> Permits:
    """Its default bucket, on our clock."""

    class Clock(pyrate_limiter.AbstractClock):
        def now(self) -> int:
            return int(asyncio.get_running_loop().time() * 1000)

    class Bucket(pyrate_limiter.InMemoryBucket):
        _clock = Clock()

    bucket = Bucket([pyrate_limiter.Rate(REQUESTS, int(PER * 1000))])
    factory = pyrate_limiter.limiter.SingleBucketFactory(bucket, schedule_leak=False)
    return Permits(pyrate_limiter.Limiter(factory).try_acquire_async)


def with_token_bucket() -> Permits:
    """The textbook's: a full bucket, refilled evenly, waiters in turn."""
    clock, turn = LoopClock(), anyio.Lock()
    tokens, filled_at = float(REQUESTS), clock.monotonic()

    async def acquire() -> None:
        nonlocal tokens, filled_at
        async with turn:
            while True:
                now = clock.monotonic()
                tokens, filled_at = min(REQUESTS, tokens + (now - filled_at) * REQUESTS / PER), now
                if tokens >= 1 - 1e-9:
                    tokens -= 1
                    return
                await clock.sleep((1 - tokens) * PER / REQUESTS)

    return Permits(acquire)


class Sleeper:
    """sevenbridges-python's own `rate_limit_sleeper`: send, and sleep where refused. Its code runs unchanged.

    It is synchronous; a greenlet lets its `time.sleep` wait on the virtual clock.
    """

    def __init__(self) -> None:
        sevenbridges.time = cast("Any", self)

    async def send(self, wire: Wire, *, urgent: bool) -> None:  # noqa: ARG002 - it knows no urgency
        @dataclass
        class Response:
            reply: Reply
            request: object = None

            @property
            def status_code(self) -> int:
                return self.reply.status

            @property
            def headers(self) -> dict[str, str]:
                return {"X-RateLimit-Reset": str(int(self.reply.reset) + 1)}

        class Api:
            class session:  # noqa: N801 - the library's name for it
                @staticmethod
                def send(_request: object) -> Response:
                    return Response(await_only(wire()))

        await greenlet_spawn(lambda: sevenbridges.rate_limit_sleeper(Api, Api.session.send(None)))

    def time(self) -> float:
        return asyncio.get_running_loop().time() - START

    def sleep(self, seconds: float) -> None:
        await_only(LoopClock().sleep(seconds))
