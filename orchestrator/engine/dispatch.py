"""What an account does next: which batch goes out, which look is asked, how many at a time. One dispatch an account."""

import math
import traceback
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import anyio.abc

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.domain.errors import OrchestratorError, Refused, Unauthorised
from orchestrator.domain.model import Batch, BatchId, JobId, Look
from orchestrator.engine.closing import Cause, cause_of
from orchestrator.engine.pauses import Pauses
from orchestrator.engine.prospects import Prospects
from orchestrator.engine.schedule import Schedule
from orchestrator.engine.steps.aborting import Aborting
from orchestrator.engine.steps.looking import Looking
from orchestrator.engine.steps.submitting import Submitting
from orchestrator.engine.users import Users
from orchestrator.platforms.budget import Budget, Lane
from orchestrator.platforms.contact import Contact
from orchestrator.platforms.platform import Platform
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import AccountClosed, AccountOpened, Event, PartFailed, StepCrashed, StepFailed

MOST_SUBMISSIONS = 8
"""Submissions of one account under way at a time: each holds its batch in memory."""

MOST_LOOKS = 64
"""Looks of one account under way at a time; with answers that take 20 seconds, that is what a budget of 1000 in 300
seconds needs."""

MOST_WAITING = 8
"""Looks that wait for the budget at a time. The others wait in the schedule, where a more urgent one may pass them."""

BREATH = 0.25
"""Seconds after which a dispatch that has begun some looks sees whether they wait for the budget, or more may begin."""

IDLE_PAUSE = 60.0
"""Seconds after which a dispatch with nothing to do looks at the store again, woken or not."""

NEVER = -1
"""Fewer writes than any store has had."""

PLANNING_REST = 20
"""Looks are planned anew after this many times as long as it took: with thousands of batches it takes its time."""

LONGEST_REST = 60.0
"""Seconds after which they are planned anew however long it took: until then nobody asks about what was submitted."""

LONGEST_MEMORY = 1800.0
"""Seconds; a batch that goes on failing fails more often than that, one that was cancelled or blocked does not."""

LONGEST_CLOSED = 900.0
"""Seconds between two requests of an account that only another configuration opens."""

_ABORT, _LOOK, _SUBMIT = "abort", "look ", "submit "
"""How the names of steps begin."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration allows an account."""

    open_items: int
    max_interval: float
    """Seconds after which a refused look is asked again."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """What a step met the last time."""

    tries: int
    """Failures in a row."""
    reason: str
    at: float
    """When, on the monotonic clock."""


class Dispatch:
    """Orders the work of one account. It decides; the steps act; the budget paces."""

    def __init__(
        self,
        *,
        account: str,
        limits: Limits,
        platform: Platform,
        budget: Budget,
        schedule: Schedule,
        prospects: Prospects,
        submitting: Submitting,
        looking: Looking,
        aborting: Aborting,
        store: Store,
        clock: Clock,
        bus: Bus[Event],
        pauses: Pauses,
        group: anyio.abc.TaskGroup,
        contact: Contact | None = None,
        users: Users | None = None,
    ) -> None:
        """`contact` knows whether anything of the account succeeds, `users` whether another acts as its user."""
        self.name = f"dispatch.{account}"
        self.wake: Callable[[], None] = lambda: None
        self._account = account
        self._limits = limits
        self._platform = platform
        self._budget = budget
        self._schedule = schedule
        self._prospects = prospects
        self._submitting = submitting
        self._looking = looking
        self._aborting = aborting
        self._store = store
        self._clock = clock
        self._bus = bus
        self._pauses = pauses
        self._group = group
        self._contact = contact or Contact(clock)
        self._users = users
        self._submissions: dict[BatchId, JobId] = {}
        self._looks = 0
        self._sent_at = NEVER
        self._batch_due = -math.inf
        self._breath_ends = -math.inf
        self._plan_at = -math.inf
        self._plan_kept = True
        self._aborting_now = False
        self._closed_until = -math.inf
        self._refusals = 0
        self._refused_since = -math.inf
        self._refusal: str | None = None
        self._closed_because: Cause | None = None
        self._failures: dict[str, _Failure] = {}

    @property
    def busy(self) -> bool:
        """Whether a step is under way."""
        return bool(self._submissions or self._looks or self._aborting_now)

    @property
    def account(self) -> str:
        """The account whose work it orders."""
        return self._account

    @property
    def refusal(self) -> str | None:
        """Why the platform does not accept the credential; None while it does."""
        return self._refusal

    @property
    def closed_because(self) -> Cause | None:
        """What kind of reason it is; None while the account is open."""
        return self._closed_because

    @property
    def failing_since(self) -> float | None:
        """Since when no request of the account has succeeded, on the monotonic clock; None while they do."""
        since = self._contact.failing_since
        return since if since is not None or not self._refusals else self._refused_since

    @property
    def failing_for(self) -> float:
        """For how many seconds no request of the account has succeeded; 0 while they do."""
        return max(self._contact.failing_for, self.refused_for)

    @property
    def refused_for(self) -> float:
        """For how many seconds the platform has not accepted the credential; 0 while it does."""
        return self._clock.monotonic() - self._refused_since if self._refusals else 0.0

    @property
    def trouble(self) -> str | None:
        """The last error of a step that goes on failing; None when all succeed."""
        if not self._failures:
            return None
        name, failure = next(reversed(self._failures.items()))
        more = len(self._failures) - 1
        return f"{name}: {failure.reason}" + (f" (and {more} more)" if more else "")

    @property
    def oldest_look(self) -> float | None:
        """When the question that waits longest was last answered, on the monotonic clock; None when there is none."""
        return self._schedule.oldest

    async def turn(self) -> float:
        """Start whatever is due and fits; returns the seconds until more may be due."""
        now = self._clock.monotonic()
        if (rest := max(self._closed_until - now, self._contact.rest)) > 0:
            return rest
        if (self._refusals or self._contact.rests) and self.busy:
            return IDLE_PAUSE
        if self._store.writes != self._sent_at or now >= self._batch_due:
            await self._send()
        await self._look()
        return self._pause()

    # ------------------------------------------------------------ what goes out

    async def _send(self) -> None:
        """Whatever may go. Most turns follow a look that told nothing new: then nothing has changed here either."""
        # Noted first: what is written, or ends, while this looks about may be missed here and asks for another round.
        self._sent_at, self._batch_due = self._store.writes, -math.inf
        began, now = self._clock.monotonic(), self._submitting.waits.now()
        await self._abort()
        await self._submit(now)
        due = await self._store.batches.next_due(self._account, now)
        rest = (due - now) / SECOND if due is not None else math.inf
        self._batch_due = began + min(rest, IDLE_PAUSE)

    async def _abort(self) -> None:
        if self._aborting_now:
            return
        if await self._aborting.wanted():
            self._aborting_now = True
            self._group.start_soon(self._abort_some)
        else:
            self._failures.pop(_ABORT, None)

    async def _abort_some(self) -> None:
        async def hold(pause: float, _error: Exception) -> None:
            await self._clock.sleep(pause)

        await self._step(_ABORT, self._aborting.advance, hold)
        self._aborting_now = False
        self._sent_at = NEVER
        self.wake()

    async def _submit(self, now: Micros) -> None:
        while len(self._submissions) < self._at_a_time(MOST_SUBMISSIONS):
            out = await self._store.batches.open_items(self._account, self._submissions)
            room = self._limits.open_items - out
            alone = {job for job in set(self._submissions.values()) if await self._submitting.streaks.goes_alone(job)}
            batch = await self._store.batches.next(
                self._account, room=room, now=now, busy=self._submissions, without=alone
            )
            if batch is None:
                break
            self._submissions[batch.id] = batch.job
            self._group.start_soon(self._submit_one, batch)
        self._budget.declare(Lane.SUBMIT, len(self._submissions))

    async def _submit_one(self, batch: Batch) -> None:
        async def hold(pause: float, error: Exception) -> None:
            await self._give_up(batch.id, error, pause)

        name = f"{_SUBMIT}{batch.job_name}/{batch.number}"
        await self._step(name, lambda: self._submitting.advance(batch), hold)
        del self._submissions[batch.id]
        self._sent_at = NEVER
        self.wake()

    async def _give_up(self, batch: BatchId, error: Exception, pause: float) -> None:
        """A step that ended badly must not leave its batch as if it were being sent, nor first in the queue."""
        failures = 0
        while True:
            try:
                await self._submitting.give_up(batch, error, pause)
            except Exception as trouble:  # noqa: BLE001 - a row that cannot even be read must not end the daemon
                failures += 1
                rest = self._pauses(failures)
                self._bus.publish(PartFailed(self.name, str(trouble) or repr(trouble), rest))
                await self._clock.sleep(rest)
            else:
                return

    # ------------------------------------------------------------ what is asked

    async def _look(self) -> None:
        now = self._clock.monotonic()
        self._plan_kept = now < self._plan_at
        if not self._plan_kept:
            await self._plan_looks()
            planned = self._clock.monotonic()
            # However long it took: the machine may have slept meanwhile.
            rest = max(self._schedule.patience, PLANNING_REST * (planned - now))
            self._plan_at = planned + min(rest, LONGEST_REST)
        self._budget.declare(Lane.OBSERVE, self._schedule.cost_within(self._budget.window, now=now))
        for look in self._schedule.due(now=now)[: self._places()]:
            self._breath_ends = now + BREATH
            self._looks += 1
            self._schedule.start(look)
            self._group.start_soon(self._look_once, look)

    def _places(self) -> int:
        """How many more looks may begin."""
        waiting = self._budget.waiting(Lane.OBSERVE)
        return max(0, min(self._at_a_time(MOST_LOOKS) - self._looks, MOST_WAITING - waiting))

    async def _plan_looks(self) -> None:
        """Reads all that is tracked, so it is not done after each of the looks that end every few moments."""
        batches = await self._store.batches.tracking(self._account)
        self._prospects.plan(batches, self._clock.now())
        looks = self._platform.looks(batches)
        self._schedule.want([(look, self._prospects.of(look)) for look in looks], now=self._clock.monotonic())
        self._forget_failures({_LOOK + look.name for look in looks})
        for name, text in self._prospects.worth_keeping():
            await self._store.memory.remember(self._account, name, text)

    async def _look_once(self, look: Look) -> None:
        async def ask() -> None:
            began = self._clock.monotonic()
            await self._looking.sweep(look)
            self._schedule.done(look, began=began, now=self._clock.monotonic())

        async def hold(pause: float, _error: Exception) -> None:
            self._schedule.failed(look, now=self._clock.monotonic(), pause=pause)

        await self._step(_LOOK + look.name, ask, hold)
        self._looks -= 1
        self.wake()

    # ------------------------------------------------------------ one step, whatever becomes of it

    async def _step(
        self, name: str, act: Callable[[], Awaitable[object]], hold: Callable[[float, Exception], Awaitable[None]]
    ) -> None:
        """Run one step. What it raises is told and held back for a while, and stops nothing else."""
        try:
            if self._users is not None:
                self._users.check(self._account, await self._platform.user())
            await act()
        except Unauthorised as refusal:
            # The step rests too: what is refused alone, while others are accepted, would close the account for ever.
            pause = self._pauses(self._noted(name, refusal).tries)
            self._close(refusal)
            await hold(pause, refusal)
        except Exception as error:  # noqa: BLE001 - also a bug in one step must not stop the others; it is told in full
            await hold(self._told(name, error), error)
        else:
            self._failures.pop(name, None)
            self._open()

    def _told(self, name: str, error: Exception) -> float:
        """Publish what a step met; returns the seconds until it is tried again."""
        pause = self._pauses(self._noted(name, error).tries)
        if isinstance(error, Refused):
            pause = max(pause, self._limits.max_interval)
        if isinstance(error, OrchestratorError):
            self._bus.publish(StepFailed(self._account, name, str(error), pause))
        else:
            text = "".join(traceback.format_exception(error))
            self._bus.publish(StepCrashed(self._account, name, text, pause))
        return pause

    def _noted(self, name: str, error: Exception) -> _Failure:
        before = self._failures.pop(name, None)  # the newest last
        reason = str(error) or type(error).__name__
        failure = _Failure(before.tries + 1 if before else 1, reason, self._clock.monotonic())
        self._failures[name] = failure
        return failure

    def _forget_failures(self, looks: Collection[str]) -> None:
        """Of looks that nobody wants any more, and of what was not tried again for so long: it is done otherwise."""
        oldest = self._clock.monotonic() - LONGEST_MEMORY
        self._failures = {
            name: failure
            for name, failure in self._failures.items()
            if (name in looks if name.startswith(_LOOK) else failure.at >= oldest)
        }

    # ------------------------------------------------------------ a credential that is not accepted

    def _close(self, refusal: Unauthorised) -> None:
        if self._clock.monotonic() < self._closed_until:
            return  # one of several steps that were under way when the first was refused
        if not self._refusals:
            self._refused_since = self._clock.monotonic()
        self._refusals += 1
        self._closed_because = cause_of(refusal)
        self._refusal, pause = str(refusal), min(self._pauses(self._refusals), self._limits.max_interval)
        if self._closed_because is Cause.CREDENTIAL:
            self._refusal += "; put a valid key in place of the account's: a file is read again"
        else:  # nothing but another configuration helps
            pause = min(2.0**self._refusals, LONGEST_CLOSED)
        self._closed_until = self._clock.monotonic() + pause
        self._bus.publish(AccountClosed(self._account, self._refusal, pause))

    def _open(self) -> None:
        if self._refusals:
            self._refusals = 0
            self._refusal = self._closed_because = None
            self._sent_at = NEVER
            self._bus.publish(AccountOpened(self._account))

    def _at_a_time(self, most: int) -> int:
        """One request is enough to learn whether a refused credential is accepted again."""
        return 1 if self._refusals or self._contact.rests else most

    def _pause(self) -> float:
        now = self._clock.monotonic()
        look_due = self._schedule.next_due() if self._looks < self._at_a_time(MOST_LOOKS) else math.inf
        look_due = max(look_due, self._breath_ends if self._places() else now + BREATH)
        plan_due = self._plan_at if self._plan_kept else math.inf
        return max(0.0, min(look_due, plan_due, self._batch_due, now + IDLE_PAUSE) - now)
