"""Stops a job whose batches are all refused for the same reason, as the cause is then not a single item.

After a refusal the batches of a job are submitted one at a time until one is accepted. This makes the outcome
independent of timing, and spends few requests on a job that cannot succeed.
"""

from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.identity import depth_of
from orchestrator.domain.model import Batch, BatchState, JobId
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event

MOST_ALIKE: Final = 16
"""Batches of one job refused in a row with the same code and text, after which the job stops."""

LEVELS: Final = ((16, 3), (8, 2))
"""Minimum items of a batch, and after how many halvings with the same refusal of every part the job stops.

The smallest parts have at least two items, so no item has failed by then.
"""

_MOST_JOBS: Final = 10_000
"""Maximum jobs that are remembered; a forgotten one costs one query."""


class Streaks:
    """The consecutive refusals of an account's jobs."""

    def __init__(self, *, store: Store, clock: Clock, bus: Bus[Event]) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._refused_last: dict[JobId, bool] = {}

    async def goes_alone(self, job: JobId) -> bool:
        """Whether the job's latest response was a refusal, so that its batches are submitted one at a time."""
        if job not in self._refused_last:
            self._note(job, refused=await self._store.refusals.came_last(job))
        return self._refused_last[job]

    def accepted(self, batch: Batch) -> None:
        """Record an accepted batch: the job's batches may be submitted concurrently again."""
        self._note(batch.job, refused=False)

    async def refused(self, batch: Batch, reason: str) -> None:
        """Record a refused batch; stops the job when the platform refuses all of it for the same reason."""
        self._note(batch.job, refused=True)
        row = await self._store.refusals.in_a_row(batch.job, reason)
        if row < MOST_ALIKE and not await self._in_all_parts(batch, reason):
            return
        detail = (
            f"{row} batches in a row were refused for the same reason: {reason}. Nothing more is submitted. If the "
            "cause is on the platform (a missing pipeline, permission or id), fix it there and `resume` the job: one "
            "batch is submitted first, then the rest. If the queue file is wrong, `cancel` the job and submit the "
            "corrected file under another name"
        )
        await self._store.advance.stop(batch.job, detail, now=self._clock.now())

    async def _in_all_parts(self, batch: Batch, reason: str) -> bool:
        """Whether all parts of the batch that this one was split from were refused for this reason."""
        family = await self._store.batches.family(batch)
        items = sum(each.items for each in family)
        level = next((level for least, level in LEVELS if items >= least), None)
        if level is None or any(each.submitted_at is not None for each in family):
            return False
        ended = (each for each in family if each.state in {BatchState.SETTLED, BatchState.BLOCKED} and each.sends)
        alike = [depth_of(each.lineage) for each in ended if each.detail == reason]
        return all(alike.count(depth) == 2**depth for depth in range(level + 1))

    def _note(self, job: JobId, *, refused: bool) -> None:
        self._refused_last.pop(job, None)
        self._refused_last[job] = refused
        if len(self._refused_last) > _MOST_JOBS:
            del self._refused_last[next(iter(self._refused_last))]
