"""Caches the result of a call that may be slow or hang, for frequent callers with a timeout."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from orchestrator.clock import Clock

Answer = TypeVar("Answer")


class CachedCall(Generic[Answer]):
    """Makes one call at a time for all callers, and caches its result briefly.

    A database call cannot be cancelled, so it is made in a separate task (`run`), and the callers wait for it.
    """

    def __init__(self, call: Callable[[], Awaitable[Answer]], *, clock: Clock, keep: float, patience: float) -> None:
        """`keep`: seconds for which a result is cached; `patience`: seconds that a caller waits for a new one."""
        self._call = call
        self._clock = clock
        self._keep = keep
        self._patience = patience
        self._wanted = anyio.Event()
        self._answered = anyio.Event()
        self._result: Callable[[], Answer] | None = None
        self._called_at = 0.0

    async def run(self) -> None:
        """Call whenever a result is requested, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            self._result = await self._outcome()
            self._called_at = self._clock.monotonic()
            self._answered.set()
            self._answered = anyio.Event()

    async def get(self) -> Answer:
        """The result, no older than `keep`.

        Raises:
            TimeoutError: there was no result in time.
            Exception: the exception that the call raised.
        """
        if self._result is None or self._clock.monotonic() - self._called_at >= self._keep:
            self._wanted.set()
            with anyio.fail_after(self._patience):
                await self._answered.wait()
        if self._result is None:
            raise TimeoutError
        return self._result()

    async def _outcome(self) -> Callable[[], Answer]:
        try:
            answer = await self._call()
        except Exception as error:  # noqa: BLE001 - any exception is raised in the callers, not in this task
            failure = error

            def fail() -> Answer:
                raise failure

            return fail
        return lambda: answer
