"""The one contract of everything that runs for ever: take a turn, say when the next may be due, be woken early."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import anyio

from orchestrator.clock import Clock
from orchestrator.domain.errors import described
from orchestrator.engine.retry_delays import RetryDelays
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import ComponentError, Event

UNDISTURBED = 4
"""A part that is woken all the time rests for this many times its last turn: it uses a fifth of the time."""
LONGEST_UNDISTURBED = 1.0
"""Seconds of that at most: a turn may be long because the machine slept."""


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
    name: str, run: Callable[[], Awaitable[None]], *, clock: Clock, bus: Bus[Event], pauses: RetryDelays
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
            bus.publish(ComponentError(part=name, reason=described(error), retry_in_s=pause))
            await clock.sleep(pause)
        else:
            return


class Loop:
    """Turns one part for ever. What a turn raises is told and backed off; it ends neither the part nor its siblings.

    Being woken ends a rest, but no back-off: what keeps a part from its turn does not go away by having more to do. And
    a rest after a long turn is not ended at once: with a thousand changes a minute each part would do nothing else than
    read the database, and leave no time for what changes it.
    """

    def __init__(self, part: Part, *, clock: Clock, bus: Bus[Event], pauses: RetryDelays) -> None:
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
            began = self._due_at = self._clock.monotonic()
            try:
                pause = await self._part.turn()
                failures = 0
            except Exception as error:  # noqa: BLE001 - a part that fails, for whatever reason, is tried again and told
                failures += 1
                pause = self._pauses(failures)
                self._bus.publish(ComponentError(part=self._part.name, reason=described(error), retry_in_s=pause))
            self.turned_at = self._clock.monotonic()
            self._due_at = self.turned_at + pause
            if failures:
                await self._clock.sleep(pause)
            else:
                await self._rest(pause, undisturbed=UNDISTURBED * (self.turned_at - began))

    async def _rest(self, seconds: float, undisturbed: float) -> None:
        """Wait for so long, or until woken: after `undisturbed` seconds at the earliest."""
        if undisturbed > 0:
            first = min(seconds, undisturbed, LONGEST_UNDISTURBED)
            await self._clock.sleep(first)
            seconds -= first
        async with anyio.create_task_group() as group:
            group.start_soon(self._alarm, self._woken, group.cancel_scope)
            await self._clock.sleep(seconds)
            group.cancel_scope.cancel()

    async def _alarm(self, woken: anyio.Event, rest: anyio.CancelScope) -> None:
        await woken.wait()
        rest.cancel()
