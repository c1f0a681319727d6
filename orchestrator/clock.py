"""The clock that is passed to every component, and its manual counterpart for tests.

Nothing else in the program reads the system's time. Timers run on `monotonic`, which on Linux is the boot-time clock:
it advances while the machine is suspended. Logs, rows in the database and the age of an idempotency key use `now`.
"""

import heapq
import itertools
import math
import time
from typing import Protocol

import anyio
import anyio.lowlevel

Micros = int
"""Microseconds since 1970-01-01 UTC: the one representation of wall time in memory and in the database."""

SECOND: Micros = 1_000_000


_LONGEST_SLEEP = 30.0
"""Longest single sleep in seconds: within it, a sleeper notices that the machine was suspended."""


class Clock(Protocol):
    """Reads the time and waits."""

    def monotonic(self) -> float:
        """Seconds since the machine booted, including suspended time; never decreases."""
        ...

    def now(self) -> Micros:
        """Wall time, in microseconds UTC; may jump in either direction."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait on the monotonic clock; returns at once if `seconds` is zero or negative."""
        ...


class SystemClock:
    """The clocks of the operating system."""

    def __init__(self) -> None:
        self._clock_id = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def monotonic(self) -> float:
        return time.clock_gettime(self._clock_id)

    def now(self) -> Micros:
        return time.time_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        # The event loop's timers stop while the machine is suspended, so a long sleep is divided into short ones.
        left, end = seconds, self.monotonic() + seconds
        while True:
            await anyio.sleep(max(0.0, min(left, _LONGEST_SLEEP)))  # noqa: TID251 - the one place
            left = end - self.monotonic()
            if left <= 0:
                return


class ManualClock:
    """A clock that a test sets: `advance` wakes the sleepers in the order of their deadlines."""

    def __init__(self, *, monotonic: float = 1_000.0, now: Micros = 1_700_000_000 * SECOND) -> None:
        self._monotonic = monotonic
        self._now = now
        self._order = itertools.count()
        self._waiting: list[tuple[float, int, anyio.Event]] = []

    def monotonic(self) -> float:
        return self._monotonic

    def now(self) -> Micros:
        return self._now

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await anyio.lowlevel.checkpoint()
            return
        waiter = (self._monotonic + seconds, next(self._order), anyio.Event())
        heapq.heappush(self._waiting, waiter)
        try:
            await waiter[2].wait()
        finally:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                heapq.heapify(self._waiting)

    @property
    def next_deadline(self) -> float:
        """The earliest deadline of a sleeper, on the monotonic clock; infinity if there is none."""
        return self._waiting[0][0] if self._waiting else math.inf

    async def advance(self, seconds: float) -> None:
        """Advance both clocks, waking sleepers one deadline at a time and letting them run in between."""
        if seconds < 0:
            raise ValueError(f"the monotonic clock cannot go back by {-seconds} s: use step_wall")
        end = self._monotonic + seconds
        await anyio.wait_all_tasks_blocked()
        while self.next_deadline <= end:
            due, _, event = heapq.heappop(self._waiting)
            self._move_to(max(due, self._monotonic))
            event.set()
            await anyio.wait_all_tasks_blocked()
        self._move_to(end)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP does; timers do not notice."""
        self._now += round(seconds * SECOND)

    def _move_to(self, monotonic: float) -> None:
        self._now += round((monotonic - self._monotonic) * SECOND)
        self._monotonic = monotonic
