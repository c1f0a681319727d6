"""Reconciliation: finds out what became of a batch whose response was lost, and acts on it."""

from dataclasses import replace

from orchestrator.clock import Clock
from orchestrator.domain import lost_responses
from orchestrator.domain.errors import Refused
from orchestrator.domain.model import Batch, Receipt
from orchestrator.domain.submission import Resend
from orchestrator.engine.steps.earlier_databases import find
from orchestrator.engine.steps.send_outcomes import SendOutcomes
from orchestrator.platforms.http.clock_skew import Skew
from orchestrator.platforms.platform import Platform
from orchestrator.store.store import Store

UNKNOWN_SUBMISSION = "the platform has work of this batch that is not in the database"


class Reconciling:
    """Reconciles the unconfirmed batches of one account."""

    def __init__(self, *, platform: Platform, skew: Skew, store: Store, clock: Clock, outcomes: SendOutcomes) -> None:
        self._platform = platform
        self._skew = skew
        self._store = store
        self._clock = clock
        self._outcomes = outcomes

    async def find(self, batch: Batch) -> Receipt:
        """What the platform shows of a batch now; nothing where it refuses to be searched."""
        try:
            return await find(self._platform, self._store, batch)
        except Refused:
            return Receipt()

    async def search(self, batch: Batch) -> None:
        """Adopt what is there. What is not there goes out anew only after a second search, an hour later.

        Harmless work waits for no second search: it is sent again in smaller batches at once.
        """
        try:
            found = await find(self._platform, self._store, batch)
        except Refused as refusal:
            if not self._may_repeat_unfound(batch):
                raise
            await self._send_smaller(batch, not_there=False, why=str(refusal))
            return
        await self.conclude(batch, found)

    async def conclude(self, batch: Batch, found: Receipt, *, soon: bool = False) -> None:
        """Act on what a search found of a batch; `soon`: the rest is searched for before an hour has passed."""
        now, there = self._clock.now(), self._skew.platform_now
        missing = await self._outcomes.missing(batch, found.items)
        wait = lost_responses.wait_for_second_search(batch, now=there)
        if missing == 0 and not (found.provisional and wait):
            await self._outcomes.accept(batch, found)
        elif missing == batch.items and self._may_repeat_unfound(batch):
            await self._send_smaller(batch, not_there=True)
        elif wait:
            again = self._outcomes.waits.now() + wait
            due = min(again, self._outcomes.retry_at(batch)) if soon or found.provisional else again
            seen = [replace(item, hint=True) for item in found.items] if found.provisional else found.items
            await self._store.advance.searched(batch, due_at=due, now=now, server_now=there, items=seen)
            missed = f"{missing} of {batch.items} items" if missing else "the remote batch of the items"
            reason = f"{missed} not found on the platform so far"
            self._outcomes.report_delay(batch, "unconfirmed", reason)
        elif batch.first_sent_at is None:
            await self._outcomes.block(
                batch,
                f"{UNKNOWN_SUBMISSION}; {missing} of {batch.items} items are not in it and may be part of other "
                "batches: check there, then `adopt` the batch or `retry` the job",
            )
        elif batch.resend is Resend.NEVER:
            await self._outcomes.block(
                batch,
                f"{missing} of {batch.items} items were not found on the platform, and this kind of work may not be "
                "sent twice: check there, then `adopt` the batch or `retry` the job",
            )
        elif missing < batch.items:
            await self._store.advance.confirm_partly(batch, found, now=now)
        elif lost_responses.never_answered(batch) and not batch.cancelled:
            await self._send_smaller(batch, not_there=True)
        else:
            await self._store.advance.renew(batch, now=now)

    def _may_repeat_unfound(self, batch: Batch) -> bool:
        return lost_responses.may_repeat_unfound(batch, now=self._skew.platform_now, clock_trusted=self._skew.small)

    async def _send_smaller(self, batch: Batch, *, not_there: bool, why: str = "") -> None:
        """Split a batch that never gets a response; when it has been split enough, block it for the operator."""
        found = "it is not on the platform" if not_there else f"whether it arrived cannot be determined ({why})"
        if not lost_responses.may_be_halved(batch):
            await self.block_unanswered(batch, found, not_there=not_there)
            return
        detail = _unanswered(batch, found)
        await self._store.advance.split(batch, detail, now=self._clock.now())
        self._outcomes.report_delay(batch, "planned", f"{detail}. It is sent again in two halves")

    async def block_unanswered(self, batch: Batch, found: str, *, not_there: bool = False) -> None:
        """Block a batch that never gets a response for the operator; `found`: what is known of it."""
        await self._outcomes.block(
            batch,
            f"{_unanswered(batch, found)}. Check whether a proxy or gateway ends long requests, and whether the "
            "platform is available, then `retry` the job; or `cancel` it",
            not_there=not_there,
        )


def _unanswered(batch: Batch, found: str) -> str:
    return f"{batch.sends} sends of {batch.items} items got no response, and {found}; last error: {batch.last_error}"
