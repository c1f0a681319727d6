"""The one contract of everything that runs for ever: take a turn, say when the next may be due, be woken early."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio

from orchestrator.clock import Clock
from orchestrator.domain.errors import described
from orchestrator.engine.pauses import Pauses
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, PartFailed


class Part(Protocol):
    """One component of the engine."""

    @property
    def name(self) -> str:
        """What the log calls it."""
        ...

    async def turn(self) -> float:
        """Do what is due and return; the answer is the seconds until there may be more."""
        ...


async def kept_running(
    name: str, run: Callable[[], Awaitable[None]], *, clock: Clock, bus: Bus[Event], pauses: Pauses
) -> None:
    """Run what has its own loop; when it raises, a group included, report that and start it again after a pause.

    For tasks beside the loops: in a task group, one that raised would end all of them, and the program.
    """
    failures = 0
    while True:
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other tasks continue, and it is reported
            failures += 1
            pause = pauses(failures)
            bus.publish(PartFailed(part=name, reason=described(error), again_in=pause))
            await clock.sleep(pause)
        else:
            return


class Loop:
    """Turns one part for ever. What a turn raises is told and backed off; it ends neither the part nor its siblings.

    Being woken ends a rest, but no back-off: what keeps a part from its turn does not go away by having more to do.
    """

    def __init__(self, part: Part, *, clock: Clock, bus: Bus[Event], pauses: Pauses) -> None:
        self._part = part
        self._clock = clock
        self._bus = bus
        self._pauses = pauses
        self._woken = anyio.Event()
        self.turned_at = clock.monotonic()
        """When the last turn ended: what tells a living loop from a stuck one."""
        self._due_at = self.turned_at

    @property
    def name(self) -> str:
        """What the log calls its part."""
        return self._part.name

    @property
    def overdue(self) -> float:
        """Seconds since the turn began that is not over, or should have begun; 0 while it rests."""
        return max(0.0, self._clock.monotonic() - self._due_at)

    def wake(self) -> None:
        """There is something to do now; harmless at any time."""
        self._woken.set()

    async def run(self) -> None:
        """Turn until cancelled."""
        failures = 0
        while True:
            self._woken = anyio.Event()
            self._due_at = self._clock.monotonic()
            try:
                pause = await self._part.turn()
                failures = 0
            except Exception as error:  # noqa: BLE001 - a part that fails, for whatever reason, is tried again and told
                failures += 1
                pause = self._pauses(failures)
                self._bus.publish(PartFailed(part=self._part.name, reason=described(error), again_in=pause))
            self.turned_at = self._clock.monotonic()
            self._due_at = self.turned_at + pause
            if failures:
                await self._clock.sleep(pause)
            else:
                await self._rest(pause)

    async def _rest(self, seconds: float) -> None:
        """Wait until woken, or for so long."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._alarm, self._woken, group.cancel_scope)
            await self._clock.sleep(seconds)
            group.cancel_scope.cancel()

    async def _alarm(self, woken: anyio.Event, rest: anyio.CancelScope) -> None:
        await woken.wait()
        rest.cancel()
