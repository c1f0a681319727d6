"""A question that may take long or hang, for callers who cannot wait and come often."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from orchestrator.clock import Clock

Answer = TypeVar("Answer")


class Recent(Generic[Answer]):
    """Asks at most once at a time, whoever wants to know, and remembers the answer for a moment.

    A database call cannot be cancelled, so it is made in a task of its own (`run`) and the callers only wait for it.
    """

    def __init__(self, ask: Callable[[], Awaitable[Answer]], *, clock: Clock, keep: float, patience: float) -> None:
        """`keep`: seconds for which an answer is good; `patience`: seconds that a caller waits for a new one."""
        self._ask = ask
        self._clock = clock
        self._keep = keep
        self._patience = patience
        self._wanted = anyio.Event()
        self._answered = anyio.Event()
        self._told: Callable[[], Answer] | None = None
        self._reported_at = 0.0

    async def run(self) -> None:
        """Ask whenever somebody wants to know, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            self._told = await self._outcome()
            self._reported_at = self._clock.monotonic()
            self._answered.set()
            self._answered = anyio.Event()

    async def get(self) -> Answer:
        """The answer, no older than `keep`.

        Raises:
            TimeoutError: it did not come in time.
            Exception: what the question raised.
        """
        if self._told is None or self._clock.monotonic() - self._reported_at >= self._keep:
            self._wanted.set()
            with anyio.fail_after(self._patience):
                await self._answered.wait()
        if self._told is None:
            raise TimeoutError
        return self._told()

    async def _outcome(self) -> Callable[[], Answer]:
        try:
            answer = await self._ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers, not to this task
            failure = error

            def fail() -> Answer:
                raise failure

            return fail
        return lambda: answer
