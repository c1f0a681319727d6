"""The looking step: one question asked to its end, and what it did not tell followed up. The only caller of `look`."""

import traceback
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from orchestrator.clock import Clock
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.errors import Missing, PlatformError, Throttled, Transient, Unauthorised
from orchestrator.domain.model import BatchState, Item, Poll
from orchestrator.engine.forecast import Forecasts
from orchestrator.engine.steps.missed_items import ConditionTimer, ItemId, MissCounter
from orchestrator.platforms.platform import Platform
from orchestrator.store.store import Observed, Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import BatchBlocked, Event, StatusUpdate, TaskBug, UnexpectedKind, UnexpectedResponse

MOST_RESTARTS = 3
"""Times that one sweep may begin anew because the platform forgot our place in it."""

GONE = 24 * 3600.0
"""Seconds for which the platform may deny to know what it created, before a person is asked to look."""

FORGOTTEN = 2 * GONE
"""Seconds after which what nobody asked about any more does not count: the machine may have slept for a day."""

MOST_MISSES = 3
"""Whole sweeps that may pass over an item, after the platform ended the batch, before a person is asked to look."""


class Polling:
    """Asks for one account. Looking has no effect, so a look cut short by anything is simply asked again."""

    def __init__(
        self,
        *,
        account: str,
        platform: Platform,
        forecasts: Forecasts,
        store: Store,
        clock: Clock,
        bus: Bus[Event],
    ) -> None:
        self._account = account
        self._platform = platform
        self._forecasts = forecasts
        self._store = store
        self._clock = clock
        self._bus = bus
        self._misses = MissCounter(clock, forgotten_after=FORGOTTEN)
        self._gone = ConditionTimer(clock, broken_after=FORGOTTEN)
        """Looks that are answered with "not found", by their name."""

    async def sweep(self, poll: Poll) -> int:
        """Ask all pages of `look`, write what they tell, follow up what they do not; returns the requests it took."""
        try:
            seen, requests = await self._ask(poll)
        except Missing as refusal:
            await self._deny(poll, refusal)
            raise
        self._gone.end(poll.name)
        self._misses.forget(seen)  # told by any look, it is not passed over
        missing = await self._missing(poll, seen)
        follow_ups = self._platform.follow_up(poll, missing)
        if follow_ups:
            requests += await self._follow_up(follow_ups)
        elif missing and follow_ups is not None:
            await self._miss(missing)
        return requests

    async def _follow_up(self, polls: Sequence[Poll]) -> int:
        """Ask all of them: one object that cannot be asked about keeps no other back. Raises its error in the end."""
        requests, trouble = 0, None
        for poll in polls:
            try:
                requests += await self.sweep(poll)
            except (Throttled, Unauthorised):
                raise
            except PlatformError as error:
                trouble = trouble or error
        if trouble is not None:
            raise trouble
        return requests

    async def _ask(self, poll: Poll) -> tuple[set[ItemId], int]:
        seen: set[ItemId] = set()
        requests = changed = 0
        async for question in self._questions(poll):
            here, changed_here, requests_here = await self._ask_pages(question)
            seen |= here
            changed += changed_here
            requests += requests_here
        self._bus.publish(StatusUpdate(self._account, poll.name, changed, len(seen)))
        return seen, requests

    async def _questions(self, poll: Poll) -> AsyncIterator[Poll]:
        """The look itself, or one for each portion of the open items that it names."""
        if not poll.names:
            yield poll
            return
        async for portion in self._store.items.in_portions(poll.batches, poll.expects, poll.names):
            yield replace(poll, named=portion)

    async def _ask_pages(self, poll: Poll) -> tuple[set[ItemId], int, int]:
        seen: set[ItemId] = set()
        requests = changed = restarts = 0
        page: Poll | None = poll
        while page is not None:
            result = await self._platform.poll(page)
            requests += 1
            crash_point(CrashPoint.PAGE_READ)
            observed = await self._store.advance.apply_reports(
                result.observations, now=self._clock.now(), account=self._account
            )
            crash_point(CrashPoint.PAGE_WRITTEN)
            if result.restarted:
                restarts += 1
                seen.clear()
            seen.update(observed.matched)
            changed += observed.changed
            self._forecasts.learn(observed.ended)
            self._log_broken(observed)
            self._log_unexpected(observed, result.bad_rows)
            page = result.next
            if restarts > MOST_RESTARTS:  # what was not told by a sweep that never ends is not missing
                raise Transient(f"the platform forgets our place in {poll.name} again and again")
        return seen, changed, requests

    # ------------------------------------------------------------ what is not there

    async def _deny(self, poll: Poll, refusal: Missing) -> None:
        """The platform does not know what was asked for. Such an answer may pass; after a day a person is asked.

        A batch whose items are all final needs its last word no longer. Where a look can tell of no item, others do.
        """
        gave_up = self._gone.lasts(poll.name) >= GONE
        for batch_id in poll.batches:
            batch = await self._store.batches.get(batch_id)
            if batch is None or batch.state is not BatchState.TRACKING:
                continue
            if not batch.open:
                await self._store.advance.settle_reported(batch, now=self._clock.now())
            elif gave_up and poll.expects:
                reason = f"the platform has not known it for a day ({refusal}): look there, then `retry` or `adopt`"
                await self._store.advance.block(batch, reason, now=self._clock.now())
                self._bus.publish(BatchBlocked(self._account, batch.job_name, batch.number, reason))
        if gave_up:
            self._gone.end(poll.name)

    # ------------------------------------------------------------ what was not told

    async def _missing(self, poll: Poll, seen: set[ItemId]) -> Sequence[Item]:
        if not poll.expects:
            return []
        ids = {item.remote_id for item in poll.named if item.remote_id is not None}
        return await self._store.items.open_in(poll.batches, poll.expects, but=seen, objects=ids)

    async def _miss(self, missing: Sequence[Item]) -> None:
        """Count what a whole sweep with all its follow-ups did not tell, where the platform should know by now."""
        ended = await self._store.batches.ended({(item.job, item.batch) for item in missing if item.batch is not None})
        lost: list[Item] = []
        for item in missing:
            if (item.job, item.batch) in ended and self._misses.count((item.job, item.seq)) >= MOST_MISSES:
                self._misses.forget([(item.job, item.seq)])
                lost.append(item)
        if lost:
            detail = f"the platform ended the batch but did not list this item in {MOST_MISSES} sweeps: look there"
            changed = await self._store.advance.unlisted(lost, detail, now=self._clock.now())
            if changed:
                self._bus.publish(UnexpectedResponse(self._account, UnexpectedKind.NEVER_LISTED, changed, lost[0].key))

    # ------------------------------------------------------------ what is kept and shown, not acted on

    def _log_broken(self, observed: Observed) -> None:
        for broken in observed.broken:
            text = "".join(traceback.format_exception(broken.error))
            step = f"write what is told of batch {broken.batch}"
            self._bus.publish(TaskBug(self._account, step, text, retry_in_s=0.0))

    def _log_unexpected(self, observed: Observed, bad_rows: int) -> None:
        if observed.contradictions:
            first = observed.contradictions[0]
            self._bus.publish(
                UnexpectedResponse(
                    self._account, UnexpectedKind.CONTRADICTIONS, len(observed.contradictions), str(first)
                )
            )
        if observed.unknown_statuses:
            self._bus.publish(
                UnexpectedResponse(
                    self._account,
                    UnexpectedKind.UNKNOWN_STATUSES,
                    len(observed.unknown_statuses),
                    observed.unknown_statuses[0],
                )
            )
        if observed.unknown_objects:
            unknown_object = observed.unknown_objects[0]
            self._bus.publish(
                UnexpectedResponse(
                    self._account, UnexpectedKind.UNKNOWN_OBJECTS, len(observed.unknown_objects), str(unknown_object)
                )
            )
        if bad_rows:
            self._bus.publish(
                UnexpectedResponse(self._account, UnexpectedKind.BAD_ROWS, bad_rows, "lost alone, asked again")
            )
