"""A clock that runs by itself and can still be moved on."""

import anyio

from orchestrator.clock import Clock, Micros, SystemClock

_SECOND: Micros = 1_000_000


class OffsetClock:
    """The machine's clock plus an offset that only grows; sleepers notice when it does."""

    def __init__(self, base: Clock | None = None) -> None:
        self._base: Clock = base or SystemClock()
        self._offset = 0.0
        self._moved = anyio.Event()

    def monotonic(self) -> float:
        return self._base.monotonic() + self._offset

    def now(self) -> Micros:
        return self._base.now() + round(self._offset * _SECOND)

    async def sleep(self, seconds: float) -> None:
        deadline = self.monotonic() + seconds
        while (left := deadline - self.monotonic()) > 0:
            async with anyio.create_task_group() as either:
                either.start_soon(self._nap, left, either.cancel_scope)
                await self._moved.wait()
                either.cancel_scope.cancel()

    async def advance(self, seconds: float) -> None:
        """Jump ahead by `seconds`; raises ValueError for a step back."""
        if seconds < 0:
            raise ValueError(f"a clock cannot go back: {seconds}")
        self._offset += seconds
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    async def _nap(self, seconds: float, scope: anyio.CancelScope) -> None:
        await self._base.sleep(seconds)
        scope.cancel()
