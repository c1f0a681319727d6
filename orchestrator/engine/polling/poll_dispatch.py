"""Starts the polls of one account when they are due, and plans them anew when batches change."""

import math
from collections.abc import Callable, Sequence

import anyio.abc

from orchestrator.clock import Clock
from orchestrator.domain.model import Batch, Poll
from orchestrator.engine.polling.forecast import Forecasts
from orchestrator.engine.polling.poller import Poller
from orchestrator.engine.polling.schedule import Schedule
from orchestrator.engine.step_runner import POLL, StepRunner
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.rate_limit.limiter import Lane, RateLimiter
from orchestrator.store.store import Store

MAX_POLLS = 64
"""Maximum polls of one account in flight: enough for 1000 requests in 300 s with responses that take 20 s."""

MAX_WAITING = 8
"""Maximum polls that wait for the rate limiter. Others stay in the schedule, where a more urgent one may overtake."""

START_INTERVAL = 0.25
"""Seconds from a start of polls to the next, unless something else causes a turn."""

PLANNING_SHARE = 20
"""The pause between two plans is at least this many times as long as planning took."""

MAX_PLAN_AGE = 60.0
"""Maximum seconds between two plans: polls of new batches start only after a plan."""


class PollDispatch:
    """Plans, schedules and starts the polls of one account."""

    def __init__(
        self,
        account: str,
        *,
        steps: StepRunner,
        platform: Platform,
        limiter: RateLimiter,
        schedule: Schedule,
        forecasts: Forecasts,
        polling: Poller,
        store: Store,
        clock: Clock,
        group: anyio.abc.TaskGroup,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called after each poll."""
        self._account = account
        self._steps = steps
        self._platform = platform
        self._limiter = limiter
        self._schedule = schedule
        self._forecasts = forecasts
        self._polling = polling
        self._store = store
        self._clock = clock
        self._group = group
        self._wake = wake
        self._in_flight = 0
        self._next_start = -math.inf
        self._next_plan = -math.inf
        self._plan_reused = True
        """Whether the last turn made no plan: what woke it may need one."""
        self._tracked: Sequence[Batch] = ()
        self._tracked_at = -1
        """The store's writes when these were read."""

    @property
    def busy(self) -> bool:
        """Whether a poll is in flight."""
        return self._in_flight > 0

    async def start_due(self) -> None:
        """Plan if it is time to, and start the polls that are due, as many as may be in flight."""
        now = self._clock.monotonic()
        self._plan_reused = now < self._next_plan
        if not self._plan_reused:
            await self._plan()
            planned = self._clock.monotonic()
            # Bounded, because the machine may have been suspended while planning.
            pause = max(self._schedule.patience, PLANNING_SHARE * (planned - now))
            self._next_plan = planned + min(pause, MAX_PLAN_AGE)
        self._limiter.declare(Lane.POLL, self._schedule.cost_within(self._limiter.window, now=now))
        for poll in self._schedule.due(now=now)[: self._capacity()]:
            self._next_start = now + START_INTERVAL
            self._in_flight += 1
            self._schedule.start(poll)
            self._group.start_soon(self._run, poll)

    def next_due(self) -> float:
        """When `start_due` may next have something to do, on the monotonic clock."""
        now = self._clock.monotonic()
        may_start = self._in_flight < self._steps.concurrency(MAX_POLLS)
        poll_due = self._schedule.next_due() if may_start else math.inf
        poll_due = max(poll_due, self._next_start if self._capacity() else now + START_INTERVAL)
        return min(poll_due, self._next_plan if self._plan_reused else math.inf)

    def _capacity(self) -> int:
        """How many more polls may start now."""
        waiting = self._limiter.waiting(Lane.POLL)
        return max(0, min(self._steps.concurrency(MAX_POLLS) - self._in_flight, MAX_WAITING - waiting))

    async def _plan(self) -> None:
        """Derive the polls from all tracked batches. That takes long when they are many: not done after every poll."""
        batches = await self._tracking()
        self._forecasts.plan(batches, self._clock.now())
        polls = self._platform.polls(batches)
        self._schedule.want([(poll, self._forecasts.of(poll)) for poll in polls], now=self._clock.monotonic())
        self._steps.forget_outdated({POLL + poll.name for poll in polls})
        for name, text in self._forecasts.worth_keeping():
            await self._store.memory.remember(self._account, name, text)

    async def _tracking(self) -> Sequence[Batch]:
        """All tracked batches, read anew when something was written since."""
        writes = self._store.writes
        if writes != self._tracked_at:
            self._tracked = await self._store.batches.tracking(self._account)
            self._tracked_at = writes
        return self._tracked

    async def _run(self, poll: Poll) -> None:
        async def sweep() -> None:
            began = self._clock.monotonic()
            await self._polling.sweep(poll)
            self._schedule.done(poll, began=began, now=self._clock.monotonic())

        async def delay(seconds: float, _error: Exception) -> None:
            self._schedule.failed(poll, now=self._clock.monotonic(), pause=seconds)

        await self._steps.run(POLL + poll.name, sweep, delay)
        self._in_flight -= 1
        self._wake()
