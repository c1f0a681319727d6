"""The rate limiter of one account: every request needs a slot.

    slot = await limiter.acquire(Lane.POLL)
    ... send ...
    slot.release()                # the response came: the slot is free again one window from now
    slot.lose(timeout)            # no response came: the request may be counted late, so the slot is held longer
    slot.unsent()                 # the request was certainly not sent: the slot is free at once

`pacing` makes the decisions, `window` keeps the slots, and `slots` their time stamps. This module does the waiting: one
of the waiting tasks, the timekeeper, sleeps until the next grant is possible, and every change wakes it. There is no
task to start or stop.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

import anyio
import anyio.lowlevel

from orchestrator.clock import Clock
from orchestrator.domain.polling.backoff import Backoff
from orchestrator.domain.polling.targets import BudgetState
from orchestrator.platforms.rate_limit.lanes import URGENT, Lane, Ticket
from orchestrator.platforms.rate_limit.pacing import Schedule
from orchestrator.platforms.rate_limit.slots import MARGIN, SlotStore
from orchestrator.platforms.rate_limit.window import Limit, Window

__all__ = ["URGENT", "Lane", "LaneView", "Limit", "LimiterView", "RateLimiter", "Slot"]

_TICK = 1e-6
"""Added to each sleep, so that rounding never wakes the timekeeper too early."""
_JITTER = 0.01
"""Jitter of a closure, as a part of the window: spreads clients that were throttled together."""
_WHOLE_SECOND = 1.0
"""How much longer a window may last than reported: platforms report whole seconds, in `Date` too."""
_JUST_PAST = 2.0
"""How many seconds in the past a reported end of a window may lie because of that rounding."""


@dataclass(frozen=True, slots=True)
class LaneView:
    """The state of one lane, for display and metrics."""

    waiting: int
    """Requests that are waiting now."""
    declared: int
    """The rest of the scheduler's declaration."""
    granted: int
    """Requests granted since the start."""
    waited: float
    """Total seconds that these waited."""


@dataclass(frozen=True, slots=True)
class LimiterView:
    """The state of a rate limiter, for display and metrics."""

    limit: int
    """Slots: the requests that may be counted in one window."""
    window: float
    """Its length in seconds."""
    used: int
    """Slots in flight or still inside their window."""
    in_flight: int
    """Slots whose request is waiting for its response."""
    free: int
    """Slots that may be taken now."""
    withheld: int
    """Slots left unused for another client that seems to use the same credential."""
    closed_for: float
    """Seconds for which the account is closed after a 429; 0 while it is open."""
    paced: bool
    """Whether requests are spread because the backlog does not fit into the free slots."""
    throttled: int
    """Number of 429 responses since the start."""
    lanes: Mapping[Lane, LaneView]


class Slot:
    """The right to send one request. It ends exactly once, by `release`, `lose` or `unsent`."""

    __slots__ = ("_limiter", "ticket")

    def __init__(self, limiter: "RateLimiter", ticket: Ticket) -> None:
        self._limiter = limiter
        self.ticket = ticket

    @property
    def taken_at(self) -> float:
        """When it was granted, on the monotonic clock."""
        return self.ticket.taken_at

    @property
    def waited(self) -> float:
        """Seconds that the request waited for this slot."""
        return self.ticket.taken_at - self.ticket.asked_at

    def release(self) -> None:
        """End the slot after a response, whatever its status."""
        self._limiter.end(self.ticket, self._limiter.now())

    def lose(self, timeout: float) -> None:
        """End the slot without a response; the request may be counted until `timeout` seconds after its send."""
        self._limiter.end(self.ticket, max(self._limiter.now(), self.ticket.taken_at + timeout) + MARGIN)

    def unsent(self) -> None:
        """End the slot when no byte of the request was sent."""
        self._limiter.end(self.ticket, None)


class RateLimiter:
    """Grants the slots of one account. For use from one event loop."""

    def __init__(self, limit: Limit, clock: Clock, slots: SlotStore, random: Random) -> None:
        self._clock = clock
        self._random = random
        self._per = limit.per
        self._schedule = Schedule(Window(limit, slots, clock.monotonic()), limit.per)
        self._guess = Backoff(floor=limit.per / 120, first=limit.per / 60, cap=limit.per)
        self._granted = dict.fromkeys(Lane, 0)
        self._waited = dict.fromkeys(Lane, 0.0)
        self._throttled = 0
        self._throttled_at = -math.inf
        self._refusals = 0  # in a row, none more than a window after the one before
        self._events: dict[Ticket, anyio.Event] = {}  # of the tasks that wait; set when granted or made timekeeper
        self._timekeeper: Ticket | None = None
        self._sleep_scope: anyio.CancelScope | None = None
        self._wake_at = math.inf

    async def acquire(self, lane: Lane, priority: int = 0) -> Slot:
        """Wait for a slot; it is stamped as taken when this returns. A lower `priority` goes first inside its lane.

        Set no time-out on this: the wait is as long as the limit requires. It may be cancelled.
        """
        await anyio.lowlevel.checkpoint_if_cancelled()
        ticket = self._schedule.ask(lane, priority, self.now())
        self._pump()
        if ticket.slot is None:
            await self._wait(ticket)
        self._granted[lane] += 1
        self._waited[lane] += ticket.taken_at - ticket.asked_at
        return Slot(self, ticket)

    def declare(self, lane: Lane, requests: int) -> None:
        """Declare how many requests a lane will send within this window, including those waiting in `acquire`.

        This decides whether requests are sent at once or are spread. Each grant reduces the number by one.
        """
        self._schedule.declare(lane, requests, self.now())
        self._pump()

    def close(self, until: float) -> None:
        """Grant nothing before `until` on the monotonic clock. Never shortens an earlier closure."""
        self._schedule.close(until)

    def hint(self, remaining: int, reset_in: float | None = None, slot: Slot | None = None) -> None:
        """Apply the rate limit headers of the response to `slot`'s request: requests left, seconds to the window's end.

        They can only reduce the free slots, until one second after the reported end and for at most one window.
        Invalid values are ignored: a negative remainder, a reset in the past or more than a window ahead. A remainder
        of 0 is checked by probes (see `pacing`).
        """
        if remaining < 0:
            return
        now, valid_for = self.now(), self._per
        if reset_in is not None and -_JUST_PAST < reset_in <= self._per:
            valid_for = min(max(reset_in, 0.0) + _WHOLE_SECOND, self._per)
        self._schedule.report_remaining(slot.ticket if slot else None, remaining, now + valid_for, now)
        self._pump()

    def throttled(self, slot: Slot, retry_after: float | None = None) -> float:
        """Close the account after `slot`'s request was refused with 429; returns for how many seconds.

        The closure is `retry_after` seconds, at most one window, or a guess that doubles with each refusal in a row;
        plus jitter. As the requests are inside the limit, another client must be using the credential: slots are
        withheld for it, unless the request was a probe. All this persists across restarts.
        """
        now = self.now()
        self._throttled += 1
        if slot.ticket.taken_at > self._throttled_at:  # it was sent after the last refusal, so this one is new
            self._refusals = self._refusals + 1 if now - self._throttled_at <= self._per else 1
            self._throttled_at = now
            if not slot.ticket.probe:
                self._schedule.suspect(now)
        if retry_after is None or not -_JUST_PAST < retry_after < math.inf:
            pause = self._guess.delay(self._refusals, self._random)
        else:
            pause = min(max(retry_after, self._guess.floor), self._per)
        pause += self._random.random() * self._per * _JITTER
        self.close(now + pause)
        return pause

    def end(self, ticket: Ticket, counted_at: float | None) -> None:
        """End a slot: its request was counted at `counted_at` at the latest, or never left when None.

        Raises:
            RuntimeError: the slot has ended before.
        """
        number, ticket.slot = ticket.slot, None
        if number is None:
            raise RuntimeError("a slot ends once")
        if counted_at is None:
            self._schedule.window.put_back(number)
        else:
            self._schedule.window.release(number, counted_at)
        self._pump()

    def now(self) -> float:
        return self._clock.monotonic()

    @property
    def limit(self) -> int:
        """Slots: the requests that may be counted in one window."""
        return self._schedule.window.size

    @property
    def window(self) -> float:
        """Seconds."""
        return self._per

    @property
    def used(self) -> int:
        """Slots in flight or still inside their window."""
        return self.limit - self._schedule.window.free(self.now())

    @property
    def free(self) -> int:
        """Slots that may be taken now; 0 while closed."""
        return 0 if self.now() < self.closed_until else max(0, self._schedule.free(self.now()))

    @property
    def closed_until(self) -> float:
        """When the account opens again, on the monotonic clock; minus infinity if it was never closed."""
        return self._schedule.closed_until

    @property
    def spent_share(self) -> float:
        """The part of the limit that is not available now: used, or withheld for another client; 1 while closed."""
        now = self.now()
        if now < self.closed_until:
            return 1.0
        return min(1.0, (self.used + self._schedule.others.withheld(now)) / self.limit)

    def budget_state(self) -> BudgetState:
        """The requests that polls may plan with."""
        return BudgetState(self.affordable, self.window, self.spent_share)

    def waiting(self, lane: Lane) -> int:
        """Requests of a lane that wait for a slot."""
        return self._schedule.queue.waiting(lane)

    @property
    def affordable(self) -> int:
        """Slots that this program can use in each window: those not withheld for another client; at least 1."""
        return max(1, self.limit - self._schedule.others.withheld(self.now()))

    def snapshot(self) -> LimiterView:
        """All figures at once."""
        now, schedule = self.now(), self._schedule
        return LimiterView(
            limit=self.limit,
            window=self.window,
            used=self.used,
            in_flight=schedule.window.in_flight,
            free=self.free,
            withheld=schedule.others.withheld(now),
            closed_for=max(0.0, self.closed_until - now),
            paced=schedule.paced(now),
            throttled=self._throttled,
            lanes=MappingProxyType({lane: self._lane(lane, now) for lane in Lane}),
        )

    def _lane(self, lane: Lane, now: float) -> LaneView:
        return LaneView(
            waiting=self._schedule.queue.waiting(lane),
            declared=self._schedule.declared(lane, now),
            granted=self._granted[lane],
            waited=self._waited[lane],
        )

    async def _wait(self, ticket: Ticket) -> None:
        event = self._events[ticket] = anyio.Event()
        try:
            self._appoint()
            while ticket.slot is None:
                if self._timekeeper is ticket:
                    await self._sleep()
                else:
                    await event.wait()
        except BaseException:  # cancelled
            if ticket.slot is None:
                self._schedule.queue.remove(ticket)
            else:
                self.end(ticket, None)
            raise
        finally:
            del self._events[ticket]
            if self._timekeeper is ticket:
                self._timekeeper = None
            self._appoint()

    def _appoint(self) -> None:
        """Make one of the waiting tasks the timekeeper, if there is none."""
        if self._timekeeper is None:
            self._timekeeper = next(iter(self._events), None)
            if self._timekeeper is not None:
                self._events[self._timekeeper].set()

    async def _sleep(self) -> None:
        """Sleep until the next grant is possible, or until `_pump` ends the sleep."""
        now = self.now()
        self._wake_at = self._schedule.next_time(now)
        try:
            with anyio.CancelScope() as self._sleep_scope:
                if self._wake_at < math.inf:
                    await self._clock.sleep(self._wake_at - now + _TICK)
                else:
                    await anyio.sleep_forever()
        finally:
            self._sleep_scope = None
        self._pump()

    def _pump(self) -> None:
        """Grant everything that can be granted now, and wake the timekeeper when its time has changed."""
        now = self.now()
        while (ticket := self._schedule.grant(now)) is not None:
            if ticket in self._events:
                self._events[ticket].set()
        if self._sleep_scope is not None and self._timekeeper is not None:
            granted = self._timekeeper.slot is not None
            if granted or self._schedule.next_time(now) < self._wake_at:
                self._sleep_scope.cancel()
