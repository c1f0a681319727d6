"""The submission step: advances one planned or unconfirmed batch. The only caller of `Platform.submit`."""

from dataclasses import replace

from orchestrator.clock import Clock
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain import lost_responses
from orchestrator.domain.errors import (
    KeyConflict,
    Missing,
    NeverRan,
    OrchestratorError,
    PlatformError,
    Refused,
    StillRunning,
    Transient,
    Unattributed,
    Unauthorised,
    Unconfirmed,
)
from orchestrator.domain.messages.printable import printable
from orchestrator.domain.model import Batch, BatchId, BatchState, Receipt
from orchestrator.domain.queue_file.estimate import MOST_BATCH_BYTES
from orchestrator.domain.submission import Resend, Submission
from orchestrator.engine.retry_delays import RetryDelays
from orchestrator.engine.steps.earlier_databases import EarlierDatabases, find
from orchestrator.engine.steps.reconciling import UNKNOWN_SUBMISSION, Reconciling
from orchestrator.engine.steps.refusals import Streaks
from orchestrator.engine.steps.send_outcomes import SendOutcomes
from orchestrator.platforms.http.clock_skew import Skew
from orchestrator.platforms.platform import Platform
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import BatchRefused, BatchSubmitted, Event

MOST_SENDS = 64
"""Maximum requests to find the bad items of one planned batch by splitting it."""

REFUSED_AS_A_WHOLE = frozenset({403, 415})
"""Refusals that splitting cannot avoid: missing permission, or an unsupported media type."""

REFUSED_UNSEEN = frozenset({403, 404, 410, 415})
"""Refusals before the platform reads the idempotency key: they say nothing about an earlier send under it."""


class Submitting:
    """Submits the batches of one account."""

    def __init__(
        self, *, platform: Platform, skew: Skew, store: Store, clock: Clock, bus: Bus[Event], pauses: RetryDelays
    ) -> None:
        self._platform = platform
        self._skew = skew
        self._store = store
        self._clock = clock
        self._bus = bus
        self._earlier = EarlierDatabases(platform=platform, store=store)
        self._outcomes = SendOutcomes(store=store, clock=clock, bus=bus, pauses=pauses)
        self._reconciling = Reconciling(platform=platform, skew=skew, store=store, clock=clock, outcomes=self._outcomes)
        self.waits = self._outcomes.waits
        """The clock of `due_at`."""
        self.streaks = Streaks(store=store, clock=clock, bus=bus)
        """Refusals in a row, by job."""

    async def advance(self, batch: Batch) -> None:
        """Advance a planned or unconfirmed batch by one step.

        Raises:
            Unauthorised: the credential was rejected; the batch is as before.
        """
        user = await self._platform.user()
        if batch.state is BatchState.UNCONFIRMED:
            now, trusted = self._skew.platform_now, self._skew.small
            if await self._too_large(batch):
                return
            match lost_responses.next_step(batch, user=user, now=now, clock_trusted=trusted):
                case lost_responses.Recovery.RESEND:
                    await self._send(batch, await self._composed(batch), user)
                case lost_responses.Recovery.SEARCH_THEN_RESEND:
                    await self._search_then_send(batch, user)
                case lost_responses.Recovery.SEARCH:
                    await self._reconciling.search(batch)
            return
        if (
            batch.root != batch.number
            and sum(each.sends > 0 for each in await self._store.batches.family(batch)) >= MOST_SENDS
        ):
            await self._outcomes.block(
                batch,
                f"{MOST_SENDS} requests were not enough: some of its items are refused again and again",
            )
            return
        if await self._too_large(batch):
            return
        submission = await self._next(batch)
        if submission is None:
            await self._store.advance.follow(batch, now=self._clock.now())
            crash_point(CrashPoint.BATCH_FOLLOWED)
            return
        if (
            batch.step == 1
            and (submission.resend is not Resend.HARMLESS or submission.key_life is not None)
            and await self._was_sent_before(batch, submission)
        ):
            return
        await self._send(batch, submission, user)

    async def give_up(self, batch_id: BatchId, error: Exception, pause: float) -> None:
        """Record a failed step, so that the batch is not left as `submitting`; it is due again in `pause` seconds.

        A batch whose outcome could not be determined for a day, although the platform answers, is blocked.
        """
        batch = await self._store.batches.get(batch_id)
        now = self._clock.now()
        due, reason = self.waits.after(pause), printable(str(error) or type(error).__name__)
        if batch is None:
            return
        if batch.state is BatchState.SUBMITTING:
            reason = f"the step that sent it ended without learning the outcome: {reason}"
            await self._store.advance.lose(batch, reason, due_at=due, now=now)
            self._outcomes.report_delay(batch, "unconfirmed", reason)
        elif batch.state is BatchState.UNCONFIRMED and lost_responses.is_unresolvable(batch, error, now=now):
            await self._outcomes.block(batch, f"its outcome could not be determined: {reason}")
        elif batch.state in {BatchState.PLANNED, BatchState.UNCONFIRMED}:
            await self._store.advance.postpone(batch, reason, due_at=due, now=now)

    # ------------------------------------------------------------ sent before, by an earlier database

    async def _was_sent_before(self, batch: Batch, submission: Submission) -> bool:
        """Whether the platform shows that a batch was sent before, though never as far as we know; then it is held.

        The idempotency key prevents a second effect, but only for a week. When the database may be older than that
        (a restored backup) or new (a lost database), the platform is searched before the first send.
        """
        preceded = await self._earlier.submitted_to(batch)
        now, trusted = self._skew.platform_now, self._skew.small
        if not preceded and not lost_responses.key_expired(batch, submission, now=now, clock_trusted=trusted):
            return False
        try:
            found = await find(self._platform, self._store, replace(batch, submission=submission))
        except Unattributed as doubt:
            if batch.attempt > 0:  # the operator has seen it, or this database sent it before
                return False
            await self._outcomes.block(batch, str(doubt))
            return True
        if found.items:
            await self._reconcile_later(batch, submission, UNKNOWN_SUBMISSION)
            return True
        if preceded and batch.attempt == 0 and await self._earlier.cut_larger_batches(batch):
            await self._outcomes.block(
                batch,
                "an earlier database submitted this job in larger batches, and the items of this one may be part of "
                "those: check the platform, then `cancel` or `retry` the job",
            )
            return True
        return False

    async def _reconcile_later(self, batch: Batch, submission: Submission, reason: str) -> None:
        """Another database with our name sent it: it is reconciled, and this database never sends it under this key."""
        await self._store.advance.mark_unconfirmed(
            batch, submission, reason, due_at=self.waits.now(), now=self._clock.now()
        )
        self._outcomes.report_delay(batch, "unconfirmed", reason)

    # ------------------------------------------------------------ sending

    async def _too_large(self, batch: Batch) -> bool:
        """Whether its items are more than one request may have; then it is blocked."""
        size = await self._store.items.request_bytes(batch)
        if size <= MOST_BATCH_BYTES:
            return False
        unknown = "whether it arrived cannot be determined: check the platform, then " if batch.in_doubt else ""
        await self._outcomes.block(
            batch,
            f"its items have {size} bytes, and one request may have {MOST_BATCH_BYTES}: {unknown}`cancel` the job and "
            "drop its items in smaller ones",
        )
        return True

    async def _next(self, batch: Batch) -> Submission | None:
        """What is to be sent: as it is stored, else composed now; None where nothing is, and its items are followed."""
        if batch.submission is not None:
            return batch.submission
        submission = self._platform.compose(batch, await self._store.items.of_batch(batch))
        crash_point(CrashPoint.BATCH_COMPOSED)
        return submission

    async def _composed(self, batch: Batch) -> Submission:
        """What was sent of a batch whose outcome is unknown: the same items are composed to the same bytes."""
        submission = await self._next(batch)
        if submission is None:
            raise OrchestratorError(
                f"batch {batch.number} of {batch.job_name} is only followed: nothing of it was sent"
            )
        return submission

    async def _send(self, batch: Batch, submission: Submission, user: str) -> None:
        now, there = self._clock.now(), self._skew.platform_now
        begun = await self._store.advance.begin(batch, submission, user=user, now=now, server_now=there)
        crash_point(CrashPoint.BATCH_BEGUN)
        started = self._clock.monotonic()
        try:
            receipt = await self._platform.submit(begun)
        except Refused as refusal:
            crash_point(CrashPoint.BATCH_REFUSED)
            await self._refused(begun, refusal)
        except Unattributed as doubt:
            await self._outcomes.block(begun, str(doubt))
        except Unconfirmed as loss:
            await self._lost(begun, loss)
        except (Transient, Unauthorised) as failure:
            await self._put_back(begun, failure)
            if isinstance(failure, Unauthorised):
                raise
        else:
            crash_point(CrashPoint.BATCH_SENT)
            await self._outcomes.accept(begun, receipt)
            crash_point(CrashPoint.BATCH_CONFIRMED)
            self.streaks.accepted(begun)
            self._bus.publish(
                BatchSubmitted(
                    account=begun.account,
                    job=begun.job_name,
                    batch=begun.number,
                    items=begun.items,
                    remote_id=receipt.remote_id,
                    resent=begun.sends > 1,
                    seconds=self._clock.monotonic() - started,
                )
            )

    async def _put_back(self, batch: Batch, failure: PlatformError) -> None:
        """Record that this send had no effect. The outcome of an earlier send of the same key stays unknown."""
        moved = await self._store.advance.release(
            batch, str(failure), due_at=self._outcomes.retry_at(batch), now=self._clock.now()
        )
        self._outcomes.report_delay(batch, moved.batch.state, str(failure))

    async def _lost(self, batch: Batch, loss: Unconfirmed) -> None:
        if isinstance(loss, KeyConflict) and (await self._platform.reconcile(batch)).items:
            await self._reconcile_later(batch, await self._composed(batch), str(loss))
            return
        now = self._clock.now()
        waited = self._skew.platform_now - (batch.first_sent_at or self._skew.platform_now)
        void = loss.by_platform or (isinstance(loss, StillRunning) and waited >= lost_responses.STILL_RUNNING_LIMIT)
        harmless = batch.resend is Resend.HARMLESS
        due = self.waits.now() + lost_responses.HARMLESS_WAIT if harmless else self._outcomes.retry_at(batch)
        if batch.sends >= lost_responses.PROMPT_SENDS:
            due = max(due, self.waits.now() + lost_responses.RARE_WAIT)
        counts = not isinstance(loss, StillRunning)  # not a lost response: the first send is still running
        await self._store.advance.lose(batch, str(loss), due_at=due, now=now, key_void=void, counts=counts)
        self._outcomes.report_delay(batch, "unconfirmed", str(loss))

    # ------------------------------------------------------------ refusals

    async def _refused(self, batch: Batch, refusal: Refused) -> None:
        now = self._clock.now()
        reason = _explain(refusal)
        if batch.step > 1 and isinstance(refusal, Missing) and batch.sends < MOST_SENDS:
            # What the first step made is gone, and nothing can have come of it.
            await self._store.advance.renew(batch, now=now)
            self._outcomes.report_delay(batch, "planned", reason)
        elif batch.in_doubt and refusal.status in REFUSED_UNSEEN:
            await self._outcomes.block(
                batch, f"{reason}; whether an earlier send of it arrived could not be determined"
            )
        elif batch.in_doubt and batch.resend is not Resend.HARMLESS and not isinstance(refusal, NeverRan):
            await self._reconcile_refusal(batch, reason)
        else:
            if refusal.status in REFUSED_AS_A_WHOLE:
                await self._outcomes.block(batch, reason)
            elif batch.items == 1:
                if (done := await self._done_earlier(batch)) is not None:
                    await self._outcomes.accept(batch, done)
                    return
                await self._store.advance.refuse(batch, reason, now=now)
                self._bus.publish(BatchRefused(batch.account, batch.job_name, batch.number, 1, reason))
            else:
                await self._store.advance.split(batch, reason, now=now)
                self._bus.publish(BatchRefused(batch.account, batch.job_name, batch.number, batch.items, reason))
            await self.streaks.refused(batch, reason)

    async def _done_earlier(self, batch: Batch) -> Receipt | None:
        """What an earlier send of harmless work did whose response was lost; None where nothing shows it.

        It is the outcome of the work, though a later send is refused. It may be that of the batch it was split from.
        """
        if batch.resend is not Resend.HARMLESS:
            return None
        if not any(each.sends > 1 for each in await self._store.batches.family(batch)):
            return None
        found = await self._reconciling.find(batch)
        return found if found.items and not found.provisional else None

    async def _reconcile_refusal(self, batch: Batch, reason: str) -> None:
        """Reconcile a refused batch before it is split, as an earlier send of it may have been accepted."""
        now, detail = self._clock.now(), f"{reason}; an earlier send of it may have arrived"
        sent_again = lost_responses.is_sent_until_answered(batch)
        due = self._outcomes.retry_at(batch) if sent_again else self.waits.now()
        await self._store.advance.lose(batch, detail, due_at=due, now=now, key_void=True)
        self._outcomes.report_delay(batch, "unconfirmed", detail)

    # ------------------------------------------------------------ reconciliation

    async def _search_then_send(self, batch: Batch, user: str) -> None:
        """Adopt what is there; where nothing is found, or the search is refused, its key prevents a second effect."""
        found = await self._reconciling.find(batch)
        if found.items or batch.searched_at is not None:  # some of it was found before
            await self._reconciling.conclude(batch, found, soon=True)
        elif lost_responses.is_exhausted(batch):
            await self._reconciling.block_unanswered(batch, "nothing on the platform shows that one arrived")
        else:
            await self._send(batch, await self._composed(batch), user)


def _explain(refusal: Refused) -> str:
    return ": ".join(part for part in (refusal.code, refusal.detail) if part) or str(refusal)
