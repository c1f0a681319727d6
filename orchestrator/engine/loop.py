"""Runs the components of the engine: each takes a turn, says when the next is due, and can be woken earlier."""

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
LONG_RUN = 600.0
"""Seconds after which a task that fails is restarted as if it had never failed before."""


class Part(Protocol):
    """A component of the engine."""

    @property
    def name(self) -> str:
        """Its name in the log."""
        ...

    async def turn(self) -> float:
        """Do what is due; returns the seconds until more may be due."""
        ...


async def kept_running(
    name: str, run: Callable[[], Awaitable[None]], *, clock: Clock, bus: Bus[Event], retry_delays: RetryDelays
) -> None:
    """Run a task until it returns; when it raises, exception groups included, report the error and restart it.

    For tasks that are not parts. Without this, an error in one task of a task group would cancel all others. A failure
    after `LONG_RUN` seconds counts as the first: what happens once a month needs no long delay.
    """
    failures = 0
    while True:
        began = clock.monotonic()
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - any error is reported, and must not end the other tasks
            failures = failures + 1 if clock.monotonic() - began < LONG_RUN else 1
            delay = retry_delays(failures)
            bus.publish(ComponentError(part=name, reason=described(error), retry_in_s=delay))
            await clock.sleep(delay)
        else:
            return


class Loop:
    """Calls `turn` of one part until cancelled. An error is reported, and the turn is retried after a delay.

    Being woken ends a rest, but no back-off: what keeps a part from its turn does not go away by having more to do. And
    a rest after a long turn is not ended at once: with a thousand changes a minute each part would do nothing else than
    read the database, and leave no time for what changes it.
    """

    def __init__(self, part: Part, *, clock: Clock, bus: Bus[Event], retry_delays: RetryDelays) -> None:
        self._part = part
        self._clock = clock
        self._bus = bus
        self._retry_delays = retry_delays
        self._woken = anyio.Event()
        self.turned_at = clock.monotonic()
        """When the last turn ended, on the monotonic clock: shows whether the loop is stuck."""
        self._due_at = self.turned_at

    @property
    def name(self) -> str:
        """The name of its part."""
        return self._part.name

    @property
    def overdue(self) -> float:
        """Seconds since the current turn began, or should have begun; 0 between turns."""
        return max(0.0, self._clock.monotonic() - self._due_at)

    def wake(self) -> None:
        """Start the next turn now. May be called at any time."""
        self._woken.set()

    async def run(self) -> None:
        """Take turns until cancelled."""
        failures = 0
        while True:
            self._woken = anyio.Event()
            began = self._due_at = self._clock.monotonic()
            try:
                pause = await self._part.turn()
                failures = 0
            except Exception as error:  # noqa: BLE001 - any error is reported, and the turn retried
                failures += 1
                pause = self._retry_delays(failures)
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
            group.start_soon(self._cancel_when_woken, self._woken, group.cancel_scope)
            await self._clock.sleep(seconds)
            group.cancel_scope.cancel()

    async def _cancel_when_woken(self, woken: anyio.Event, scope: anyio.CancelScope) -> None:
        await woken.wait()
        scope.cancel()
