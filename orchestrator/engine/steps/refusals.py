"""Stops a job whose batches are all refused alike: then it is not the items, and the operator is asked once.

After a refusal the batches of a job go out one at a time, until one of them is accepted. So the same job comes to the
same end each time, whatever the timing, and few requests are spent on what cannot succeed.
"""

from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.identity import depth_of
from orchestrator.domain.model import Batch, BatchState, JobId
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, JobStopped

MOST_ALIKE: Final = 16
"""Batches of one job, refused in a row with one code and text, after which the job stops."""

LEVELS: Final = ((16, 3), (8, 2))
"""Items of a batch, and how often it is halved before parts that were all refused alike stop the job.

The last parts have two items at least, so none has failed by then.
"""

_MOST_JOBS: Final = 10_000
"""Jobs that are remembered; what is forgotten costs one query."""


class Streaks:
    """The refusals of an account's jobs."""

    def __init__(self, *, store: Store, clock: Clock, bus: Bus[Event]) -> None:
        self._store = store
        self._clock = clock
        self._bus = bus
        self._refused_last: dict[JobId, bool] = {}

    async def goes_alone(self, job: JobId) -> bool:
        """Whether the job's latest answer was a refusal, so that its next batch waits for the one under way."""
        if job not in self._refused_last:
            self._note(job, refused=await self._store.refusals.came_last(job))
        return self._refused_last[job]

    def accepted(self, batch: Batch) -> None:
        """The platform took a batch: the job's others may go out side by side again."""
        self._note(batch.job, refused=False)

    async def refused(self, batch: Batch, reason: str) -> None:
        """Stop the job of this batch where the platform refuses all of it alike."""
        self._note(batch.job, refused=True)
        row = await self._store.refusals.in_a_row(batch.job, reason)
        if row < MOST_ALIKE and not await self._in_all_parts(batch, reason):
            return
        told = (
            f"{row} batches in a row were refused for the same reason: {reason}. Nothing more is submitted. If it can "
            "be put right on the platform (a pipeline, a right, an id that is missing there), do so and `resume` the "
            "job: one batch goes out first, then the rest. If the queue file is wrong, `cancel` the job and submit the "
            "corrected file under another name"
        )
        if await self._store.advance.stop(batch.job, told, now=self._clock.now()):
            self._bus.publish(JobStopped(batch.account, batch.job_name, told))

    async def _in_all_parts(self, batch: Batch, reason: str) -> bool:
        """Whether the batch that this one was split from was refused alike in all its parts, and nothing accepted."""
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
