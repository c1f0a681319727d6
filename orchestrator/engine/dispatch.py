"""Decides what an account does next: which aborts, submissions and polls start, and how many of each at a time.

A turn starts whatever is due. There are three reasons for a turn to do something:

- the store was written since the last turn, or a step ended: aborts and submissions are read anew;
- a batch that was delayed is due: the same;
- a poll or a new poll plan is due (`poll_dispatch`).

While the account is closed (`account_gate`), a turn does nothing; while it probes, one step runs at a time.
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

import anyio.abc

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.domain.model import Batch, BatchId, JobId
from orchestrator.engine.account_gate import AccountGate, Cause
from orchestrator.engine.polling.forecast import Forecasts
from orchestrator.engine.polling.poll_dispatch import PollDispatch
from orchestrator.engine.polling.poller import Poller
from orchestrator.engine.polling.schedule import Schedule
from orchestrator.engine.retry_delays import RetryDelays
from orchestrator.engine.shared_users import Users
from orchestrator.engine.step_runner import ABORT, SUBMIT, StepRunner
from orchestrator.engine.steps.aborting import Aborting
from orchestrator.engine.steps.submitting import Submitting
from orchestrator.platforms.http.contact import Contact, LatestRequest
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.rate_limit.limiter import Lane, RateLimiter
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import ComponentError, Event

MAX_SUBMISSIONS = 8
"""Maximum submissions of one account in flight: each holds its batch in memory."""

IDLE_PAUSE = 60.0
"""Maximum seconds between two reads of the store, woken or not."""

_NEVER = -1
"""Less than the write count of any store."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration allows an account."""

    open_items: int
    max_interval: float
    """Minimum seconds until a refused step is retried, and maximum until a rejected credential is."""


class Dispatch:
    """Orders the work of one account. It decides what starts; steps do the work; the rate limiter paces requests."""

    def __init__(
        self,
        *,
        account: str,
        limits: Limits,
        platform: Platform,
        limiter: RateLimiter,
        schedule: Schedule,
        forecasts: Forecasts,
        submitting: Submitting,
        polling: Poller,
        aborting: Aborting,
        store: Store,
        clock: Clock,
        bus: Bus[Event],
        retry_delays: RetryDelays,
        group: anyio.abc.TaskGroup,
        contact: Contact | None = None,
        users: Users | None = None,
    ) -> None:
        """`contact` knows whether requests of the account succeed, `users` whether another account acts as its user."""
        self.name = f"dispatch.{account}"
        self.wake: Callable[[], None] = lambda: None
        """Called when a step has ended; wakes the loop that calls `turn`."""
        self._account = account
        self._limits = limits
        self._limiter = limiter
        self._schedule = schedule
        self._submitting = submitting
        self._aborting = aborting
        self._store = store
        self._clock = clock
        self._bus = bus
        self._retry_delays = retry_delays
        self._group = group
        self._contact = contact or Contact(clock)
        self._gate = AccountGate(
            account, max_delay=limits.max_interval, clock=clock, bus=bus, retry_delays=retry_delays
        )
        self._steps = StepRunner(
            account,
            max_interval=limits.max_interval,
            platform=platform,
            gate=self._gate,
            contact=self._contact,
            users=users,
            clock=clock,
            bus=bus,
            retry_delays=retry_delays,
            on_open=self._read_store_next_turn,
        )
        self._polls = PollDispatch(
            account,
            steps=self._steps,
            platform=platform,
            limiter=limiter,
            schedule=schedule,
            forecasts=forecasts,
            polling=polling,
            store=store,
            clock=clock,
            group=group,
            wake=lambda: self.wake(),  # noqa: PLW0108 - `wake` is set after the construction
        )
        self._submissions: dict[BatchId, JobId] = {}
        self._aborts_in_flight = False
        self._writes_seen = _NEVER
        self._batch_due = -math.inf

    @property
    def busy(self) -> bool:
        """Whether a step is running."""
        return bool(self._submissions or self._polls.busy or self._aborts_in_flight)

    @property
    def account(self) -> str:
        """The account whose work it orders."""
        return self._account

    @property
    def open_items(self) -> int:
        """How many items the account may have on the platform."""
        return self._limits.open_items

    @property
    def refusal(self) -> str | None:
        """Why the platform does not accept the credential, and what to do; None while it does."""
        return self._gate.reason

    @property
    def closed_because(self) -> Cause | None:
        """The kind of reason why the account is closed; None while it is open."""
        return self._gate.cause

    @property
    def failing_since(self) -> float | None:
        """Since when no request of the account has succeeded, on the monotonic clock; None while they do."""
        since = self._contact.failing_since
        return since if since is not None else self._gate.refused_since

    @property
    def failing_for(self) -> float:
        """Seconds for which no request of the account has succeeded; 0 while they do."""
        return max(self._contact.failing_for, self.refused_for)

    @property
    def refused_for(self) -> float:
        """Seconds for which the platform has not accepted the credential; 0 while it does."""
        return self._gate.refused_for

    @property
    def last_error(self) -> str | None:
        """The latest error of the steps that failed last time; None when there are none."""
        return self._steps.last_error

    @property
    def oldest_poll(self) -> float | None:
        """When the poll that was answered least recently was answered, on the monotonic clock; None without polls."""
        return self._schedule.oldest

    @property
    def latest_request(self) -> LatestRequest | None:
        """The request of the account that ended last; None before the first."""
        return self._contact.latest

    def next_poll(self, batches: Collection[BatchId]) -> float | None:
        """When the next poll of any of these batches is due, on the monotonic clock; None when none is planned."""
        return self._schedule.next_of(batches)

    async def turn(self) -> float:
        """Start everything that is due and fits; returns the seconds until more may be due."""
        if (closed_for := max(self._gate.closed_for, self._contact.rest)) > 0:
            return closed_for
        if self._steps.probing and self.busy:
            return IDLE_PAUSE  # the step that runs wakes the loop when it ends
        if self._store.writes != self._writes_seen or self._clock.monotonic() >= self._batch_due:
            await self._start_from_store()
        await self._polls.start_due()
        now = self._clock.monotonic()
        return max(0.0, min(self._polls.next_due(), self._batch_due, now + IDLE_PAUSE) - now)

    # ------------------------------------------------------------ aborts and submissions

    def _read_store_next_turn(self) -> None:
        self._writes_seen = _NEVER

    async def _start_from_store(self) -> None:
        """Start the aborts and submissions that are due. Most turns skip this, as nothing was written since."""
        # Recorded first: a write or the end of a step while this runs may be missed here and needs another turn.
        self._writes_seen, self._batch_due = self._store.writes, -math.inf
        began, now = self._clock.monotonic(), self._submitting.waits.now()
        await self._start_aborts()
        await self._start_submissions(now)
        due = await self._store.batches.next_due(self._account, now)
        delay = (due - now) / SECOND if due is not None else math.inf
        self._batch_due = began + min(delay, IDLE_PAUSE)

    async def _start_aborts(self) -> None:
        if self._aborts_in_flight:
            return
        if await self._aborting.wanted():
            self._aborts_in_flight = True
            self._group.start_soon(self._run_aborts)
        else:
            self._steps.forget(ABORT)

    async def _run_aborts(self) -> None:
        async def delay(seconds: float, _error: Exception) -> None:
            await self._clock.sleep(seconds)

        await self._steps.run(ABORT, self._aborting.advance, delay)
        self._aborts_in_flight = False
        self._read_store_next_turn()
        self.wake()

    async def _start_submissions(self, now: Micros) -> None:
        while len(self._submissions) < self._steps.concurrency(MAX_SUBMISSIONS):
            open_items = await self._store.batches.open_items(self._account, self._submissions)
            room = self._limits.open_items - open_items
            alone = {job for job in set(self._submissions.values()) if await self._submitting.streaks.goes_alone(job)}
            batch = await self._store.batches.next(
                self._account, room=room, now=now, busy=self._submissions, without=alone
            )
            if batch is None:
                break
            self._submissions[batch.id] = batch.job
            self._group.start_soon(self._run_submission, batch)
        self._limiter.declare(Lane.SUBMIT, len(self._submissions))

    async def _run_submission(self, batch: Batch) -> None:
        async def delay(seconds: float, error: Exception) -> None:
            await self._give_up(batch.id, error, seconds)

        name = f"{SUBMIT}{batch.job_name}/{batch.number}"
        await self._steps.run(name, lambda: self._submitting.advance(batch), delay)
        del self._submissions[batch.id]
        self._read_store_next_turn()
        self.wake()

    async def _give_up(self, batch: BatchId, error: Exception, seconds: float) -> None:
        """After a failed step, record that the batch is no longer being sent, and delay it. Retries until written."""
        failures = 0
        while True:
            try:
                await self._submitting.give_up(batch, error, seconds)
            except Exception as failure:  # noqa: BLE001 - a row that cannot be read must not end the daemon
                failures += 1
                retry_in = self._retry_delays(failures)
                self._bus.publish(ComponentError(self.name, str(failure) or repr(failure), retry_in))
                await self._clock.sleep(retry_in)
            else:
                return
