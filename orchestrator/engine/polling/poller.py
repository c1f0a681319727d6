"""The polling step: one poll with all its pages and follow-ups. The only caller of `Platform.poll`."""

import traceback
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from orchestrator.clock import Clock
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.errors import Missing, PlatformError, Throttled, Transient, Unauthorised
from orchestrator.domain.model import BatchState, Item, Poll
from orchestrator.engine.polling.forecast import Forecasts
from orchestrator.engine.polling.missed_items import ConditionTimer, ItemId, MissCounter
from orchestrator.platforms.platform import Platform
from orchestrator.store.store import Observed, Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import BatchBlocked, Event, StatusUpdate, TaskBug, UnexpectedKind, UnexpectedResponse

MOST_RESTARTS = 3
"""Maximum restarts of one sweep because the platform no longer knows the cursor."""

GONE = 24 * 3600.0
"""Seconds for which the platform may answer "not found" before the batch is blocked for the operator."""

FORGOTTEN = 2 * GONE
"""Seconds after which older misses no longer count: the machine may have been suspended for a day."""

MOST_MISSES = 3
"""Whole sweeps without an item, after the platform ended its batch, until the item needs the operator's attention."""


_PORTION = 1000
"""Items that say what to ask for, read at a time."""


class Poller:
    """Runs the polls of one account. Polling has no effect on the platform, so an interrupted poll is just repeated."""

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
        """Polls that are answered with "not found", by name."""

    async def sweep(self, poll: Poll) -> int:
        """Read all pages of a poll, store their reports, and follow up missing items; returns the requests it took."""
        try:
            seen, requests = await self._ask(poll)
        except Missing as refusal:
            await self._deny(poll, refusal)
            raise
        self._gone.end(poll.name)
        self._misses.forget(seen)  # an item that any poll reports is not missing
        missing = await self._missing(poll, seen)
        follow_ups = self._platform.follow_up(poll, missing)
        if follow_ups:
            requests += await self._follow_up(follow_ups)
        elif missing and follow_ups is not None:
            await self._miss(missing)
        return requests

    async def _follow_up(self, polls: Sequence[Poll]) -> int:
        """Run these polls. A failed one does not stop the others; the first error is raised at the end."""
        requests, first_error = 0, None
        for poll in polls:
            try:
                requests += await self.sweep(poll)
            except (Throttled, Unauthorised):
                raise
            except PlatformError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error
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
        """The poll itself, or one for each portion of the open items that it names."""
        if poll.criteria:
            portions = self._store.items.in_portions(poll.batches, poll.criteria, _PORTION)
            yield replace(poll, named=tuple([item async for portion in portions for item in portion]))
            return
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
            if restarts > MOST_RESTARTS:  # what a sweep that never ends did not report is not missing
                raise Transient(f"the platform rejected the cursor of {poll.name} {restarts} times")
        return seen, changed, requests

    # ------------------------------------------------------------ not found

    async def _deny(self, poll: Poll, refusal: Missing) -> None:
        """Handle "not found". Such an answer may be temporary; after a day the batch is blocked for the operator.

        A batch whose items are all final is settled at once. A poll that reports no items never blocks a batch.
        """
        gave_up = self._gone.lasts(poll.name) >= GONE
        for batch_id in poll.batches:
            batch = await self._store.batches.get(batch_id)
            if batch is None or batch.state is not BatchState.TRACKING:
                continue
            if not batch.open:
                await self._store.advance.settle_reported(batch, now=self._clock.now())
            elif gave_up and poll.expects:
                reason = f"not found on the platform for a day ({refusal}): check there, then `retry` or `adopt`"
                await self._store.advance.block(batch, reason, now=self._clock.now())
                self._bus.publish(BatchBlocked(self._account, batch.job_name, batch.number, reason))
        if gave_up:
            self._gone.end(poll.name)

    # ------------------------------------------------------------ missing items

    async def _missing(self, poll: Poll, seen: set[ItemId]) -> Sequence[Item]:
        if not poll.expects:
            return []
        ids = {item.remote_id for item in poll.named if item.remote_id is not None}
        return await self._store.items.open_in(poll.batches, poll.expects, but=seen, objects=ids)

    async def _miss(self, missing: Sequence[Item]) -> None:
        """Count the items that a whole sweep with its follow-ups did not report, though their batches have ended."""
        ended = await self._store.batches.ended({(item.job, item.batch) for item in missing if item.batch is not None})
        lost: list[Item] = []
        for item in missing:
            if (item.job, item.batch) in ended and self._misses.count((item.job, item.seq)) >= MOST_MISSES:
                self._misses.forget([(item.job, item.seq)])
                lost.append(item)
        if lost:
            detail = f"the platform ended the batch but did not list this item in {MOST_MISSES} polls: check there"
            changed = await self._store.advance.unlisted(lost, detail, now=self._clock.now())
            if changed:
                self._bus.publish(UnexpectedResponse(self._account, UnexpectedKind.NEVER_LISTED, changed, lost[0].key))

    # ------------------------------------------------------------ reported without action

    def _log_broken(self, observed: Observed) -> None:
        for broken in observed.broken:
            text = "".join(traceback.format_exception(broken.error))
            step = f"apply reports of batch {broken.batch}"
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
                UnexpectedResponse(self._account, UnexpectedKind.BAD_ROWS, bad_rows, "skipped; read again later")
            )
