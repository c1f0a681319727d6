"""The request budget of one account: nothing is sent without a slot of it.

    slot = await budget.acquire(Lane.OBSERVE)
    ... send ...
    slot.release()                # the answer is here: the slot is free again one window from now
    slot.lose(timeout)            # the answer never came: the request may be counted late, the slot is held longer
    slot.unsent()                 # the request provably never left: the slot is free at once

The decisions are made in `pacing`, the slots kept in `window`, their stamps in `slots`. This is the thin part that
waits: one of the waiting tasks, the timekeeper, sleeps until the next grant is possible, and whoever changes something
wakes it. There is no task to start or stop.
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
"""Added to each sleep, so that rounding never wakes the timekeeper just before its time."""
_JITTER = 0.01
"""The part of a window over which clients that were closed out together come back."""
_WHOLE_SECOND = 1.0
"""How much longer a window may last than told: platforms tell whole seconds, in their `Date` too."""
_JUST_PAST = 2.0
"""Seconds ago that the end of a window may lie by such a reckoning although it is yet to come."""


@dataclass(frozen=True, slots=True)
class LaneView:
    """One lane, for people and metrics."""

    waiting: int
    """Requests that wait now."""
    declared: int
    """What is left of the scheduler's declaration."""
    granted: int
    """Requests granted since the start."""
    waited: float
    """Seconds that these spent waiting, in all."""


@dataclass(frozen=True, slots=True)
class LimiterView:
    """A budget at one moment, for people and metrics."""

    limit: int
    """Slots: the requests that may be counted in one window."""
    window: float
    """Its length in seconds."""
    used: int
    """Slots in flight or still inside their window."""
    in_flight: int
    """Slots whose request is on its way."""
    free: int
    """Slots that may be taken now."""
    withheld: int
    """Slots left to another client that seems to use the same credential."""
    closed_for: float
    """Seconds for which the platform wants no request; 0 when it does."""
    paced: bool
    """Whether requests are spread because the backlog does not fit into what is left."""
    throttled: int
    """Refusals for want of budget (429) since the start."""
    lanes: Mapping[Lane, LaneView]


class Slot:
    """The right to send one request. It ends exactly once, by `release`, `lose` or `unsent`."""

    __slots__ = ("_budget", "ticket")

    def __init__(self, budget: "RateLimiter", ticket: Ticket) -> None:
        self._budget = budget
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
        """The answer has come, whatever it says."""
        self._budget.end(self.ticket, self._budget.now())

    def lose(self, timeout: float) -> None:
        """The answer will not come; the platform may count the request until `timeout` seconds after its send."""
        self._budget.end(self.ticket, max(self._budget.now(), self.ticket.taken_at + timeout) + MARGIN)

    def unsent(self) -> None:
        """No byte of the request has left."""
        self._budget.end(self.ticket, None)


class RateLimiter:
    """The slots of one account, handed out in turn. For use from one event loop."""

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
        self._nap: anyio.CancelScope | None = None
        self._nap_ends = math.inf

    async def acquire(self, lane: Lane, priority: int = 0) -> Slot:
        """Wait for a slot; it is stamped as taken when this returns. A lower `priority` goes first inside its lane.

        Give no time-out to this: how long the wait is follows from the budget. A cancelled wait leaves no trace.
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
        """Tell how many requests a lane would send within this window, those that wait in `acquire` included.

        This is what decides whether requests go at once or are spread. Each grant counts one off.
        """
        self._schedule.declare(lane, requests, self.now())
        self._pump()

    def close(self, until: float) -> None:
        """Grant nothing before `until` on the monotonic clock. A closed budget is never opened earlier by this."""
        self._schedule.close(until)

    def hint(self, remaining: int, reset_in: float | None = None, slot: Slot | None = None) -> None:
        """What the answer to `slot`'s request said is left of the window, and when the window ends, in seconds.

        It only ever lowers what is left, for a second more than told and a window at most. Nonsense is not heard: a
        negative remainder; a reset that is long past or more than a window away counts as not told. What leaves nothing
        is put to the proof by one request now and then (`pacing`).
        """
        if remaining < 0:
            return
        now, lasts = self.now(), self._per
        if reset_in is not None and -_JUST_PAST < reset_in <= self._per:
            lasts = min(max(reset_in, 0.0) + _WHOLE_SECOND, self._per)
        self._schedule.told(slot.ticket if slot else None, remaining, now + lasts, now)
        self._pump()

    def throttled(self, slot: Slot, retry_after: float | None = None) -> float:
        """The platform refused `slot`'s request for want of budget (429). Returns the seconds the account stays closed.

        Closed until `retry_after` seconds from now, one window at most, or for a guess that doubles with each refusal
        in a row; plus jitter. As we are inside our own budget, somebody else must be spending it too: they get room,
        unless the request was to hear of just that. All this outlives the process.
        """
        now = self.now()
        self._throttled += 1
        if slot.ticket.taken_at > self._throttled_at:  # it left knowing of no refusal, so this one is news
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
        """When the platform wants requests again, on the monotonic clock; minus infinity if it was never closed."""
        return self._schedule.closed_until

    @property
    def spent_share(self) -> float:
        """The part of the limit that is not to be had now: used, or left to another client; 1 while closed."""
        now = self.now()
        if now < self.closed_until:
            return 1.0
        return min(1.0, (self.used + self._schedule.others.withheld(now)) / self.limit)

    def budget_state(self) -> BudgetState:
        """What looks may plan with."""
        return BudgetState(self.affordable, self.window, self.spent_share)

    def waiting(self, lane: Lane) -> int:
        """Requests of a lane that wait for a slot."""
        return self._schedule.queue.waiting(lane)

    @property
    def affordable(self) -> int:
        """Slots that are ours in each window, as it looks now: those not left to another client; at least 1."""
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
        except BaseException:  # cancelled: leave no trace
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
        """See that somebody keeps the time, if anybody waits."""
        if self._timekeeper is None:
            self._timekeeper = next(iter(self._events), None)
            if self._timekeeper is not None:
                self._events[self._timekeeper].set()

    async def _sleep(self) -> None:
        """The timekeeper's nap: until the next grant is possible, or until `_pump` knows better."""
        now = self.now()
        self._nap_ends = self._schedule.next_time(now)
        try:
            with anyio.CancelScope() as self._nap:
                if self._nap_ends < math.inf:
                    await self._clock.sleep(self._nap_ends - now + _TICK)
                else:
                    await anyio.sleep_forever()
        finally:
            self._nap = None
        self._pump()

    def _pump(self) -> None:
        """Grant whatever can be granted now, and set the timekeeper's alarm anew."""
        now = self.now()
        while (ticket := self._schedule.grant(now)) is not None:
            if ticket in self._events:
                self._events[ticket].set()
        if self._nap is not None and self._timekeeper is not None:
            granted = self._timekeeper.slot is not None
            if granted or self._schedule.next_time(now) < self._nap_ends:
                self._nap.cancel()
