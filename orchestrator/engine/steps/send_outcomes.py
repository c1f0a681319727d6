"""What became of the sends of batches: stored, published, and when each may be tried again."""

from collections.abc import Sequence

from orchestrator.clock import Clock, Micros
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.model import Batch, BatchId, ItemReport, ItemState, Receipt
from orchestrator.engine.retry_delays import RetryDelays, SteadyWallClock
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import BatchBlocked, BatchDelayed, Event

_MOST_DELAYED = 10_000
"""Maximum batches whose delays are remembered; a forgotten one starts with a short delay again."""


class SendOutcomes:
    """Stores and publishes the outcomes of the sends and searches of one account's batches."""

    def __init__(self, *, store: Store, clock: Clock, bus: Bus[Event], pauses: RetryDelays) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._pauses = pauses
        self._delays: dict[BatchId, int] = {}
        """How often each batch was delayed in a row; the newest are kept."""
        self.waits = SteadyWallClock(clock)
        """The clock of `due_at`: due times are computed with it and must be compared with it."""

    async def accept(self, batch: Batch, receipt: Receipt) -> None:
        """Keep the answer: a step of the submission, or the whole batch; items that it leaves out are planned anew."""
        now = self._clock.now()
        self._delays.pop(batch.id, None)
        if receipt.more:
            await self._store.advance.proceed(batch, receipt, now=now)
            crash_point(CrashPoint.BATCH_PROCEEDED)
        elif receipt.items and await self.missing(batch, receipt.items):
            await self._store.advance.confirm_partly(batch, receipt, now=now)
        else:
            await self._store.advance.confirm(batch, receipt, now=now)

    async def missing(self, batch: Batch, found: Sequence[ItemReport]) -> int:
        """The number of items that were not found and that the platform never reported."""
        names = {each.seq for each in found} | {each.key for each in found}
        held = await self._store.items.of_batch(batch, with_request=False)
        waiting = (item for item in held if item.state is ItemState.PENDING)
        return sum(item.seq not in names and item.key not in names for item in waiting)

    async def block(self, batch: Batch, reason: str, *, not_there: bool = False) -> None:
        """Leave a batch to the operator; `not_there`: a search showed that it is not on the platform."""
        await self._store.advance.block(batch, reason, now=self._clock.now(), not_there=not_there)
        self._bus.publish(BatchBlocked(batch.account, batch.job_name, batch.number, reason))

    def report_delay(self, batch: Batch, state: str, reason: str) -> None:
        """Publish that a batch is tried again later, and why."""
        self._bus.publish(BatchDelayed(batch.account, batch.job_name, batch.number, state, reason))

    def retry_at(self, batch: Batch) -> Micros:
        """When to retry: later each time."""
        delays = self._delays.pop(batch.id, 0) + 1
        self._delays[batch.id] = delays
        if len(self._delays) > _MOST_DELAYED:
            del self._delays[next(iter(self._delays))]
        return self.waits.after(self._pauses(max(delays, batch.sends)))
