"""Makes the items of jobs that consist of the rows of an earlier one, once that one has settled.

The rows are copied to a scratch file, checked there as those of a table are, and loaded under an invisible job. One
commit puts it in the place of the job that waited. A mistake in the rows blocks that job: `retry` plans it anew.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic

from orchestrator.clock import Clock
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.kinds import Kinds
from orchestrator.domain.messages.mistake import Mistake, Mistakes, spell
from orchestrator.domain.messages.note import Notes
from orchestrator.domain.messages.printable import printable
from orchestrator.domain.model import ItemState, JobId, JobState
from orchestrator.domain.queue_file.estimate import AccountLimits, from_canonical
from orchestrator.domain.queue_file.model import QueuedJob, read
from orchestrator.intake.bounds import Bounds
from orchestrator.intake.directory.temporary_files import TemporaryFiles
from orchestrator.intake.ports import ItemRows, Jobs, Plannable, PlannedRows, Waiting
from orchestrator.intake.rows.job_table import JobTable
from orchestrator.intake.validated_job import ValidatedJob
from orchestrator.intake.validation.check import in_slices
from orchestrator.intake.validation.job_validation import JobValidation, Setting
from orchestrator.telemetry.events import Event
from orchestrator.telemetry.job_events import JobPlanned, JobPlanRefused

INTERVAL = 60.0
"""Seconds between two turns, unless something happens."""
BEFORE_START = 0.5
"""Seconds until the next turn while the intake has not started."""
_LISTED = 3
"""Mistakes that the reason for a blocked job lists."""
_HAS_NO_ROWS = frozenset({JobState.SKIPPED})


class RowsPlanner(Generic[Waiting]):
    """Plans every job whose rows are there."""

    name = "rows"

    def __init__(
        self,
        *,
        planned_rows: PlannedRows[Waiting],
        jobs: Jobs,
        items: ItemRows,
        accounts: Mapping[str, AccountLimits],
        kinds: Kinds,
        clock: Clock,
        publish: Callable[[Event], None],
        scratch: Path | None = None,
        started: Callable[[], bool] = lambda: True,
    ) -> None:
        """`scratch` is the folder for copies of rows; `started` returns whether what a crash left is cleared away."""
        self.changed: Callable[[], None] = lambda: None
        """Called when a job was planned."""
        self._planned_rows = planned_rows
        self._jobs = jobs
        self._items = items
        self._accounts = accounts
        self._kinds = kinds
        self._clock = clock
        self._publish = publish
        self._scratch = scratch
        self._started = started
        self._left: list[JobId] = []
        """Loaded in part or in vain, and not forgotten yet."""

    async def turn(self) -> float:
        """Plan what can be planned; returns the seconds until the next turn. Raises what the last failure raised."""
        if not self._started():
            return BEFORE_START
        await self._abandon_left()
        failure: Exception | None = None
        job: Waiting | None = None
        while (job := await self._planned_rows.next(job.id if job else None)) is not None:
            try:
                await self._plan(job)
            except Exception as error:  # noqa: BLE001 - raised below, when the other jobs have had their turn
                failure = error
        if failure is not None:
            raise failure
        return INTERVAL

    async def _plan(self, job: Waiting) -> None:
        if not job.source.state.settled:
            return  # another job took its name, or it was opened again
        if (reason := _without_rows(job)) is not None:
            await self._block(job, reason)
            return
        raw = from_canonical(job.document)
        with _Scratch(self._scratch) as scratch:
            mistakes = Mistakes()
            reading = read({"version": 1, "jobs": [raw]})
            mistakes.kept += reading.mistakes
            queued = reading.jobs[0] if reading.jobs else None
            table = await self._copied(job, queued, scratch)
            setting = Setting(
                accounts=self._accounts,
                kinds=self._kinds,
                scratch=scratch,
                items=scratch.file(),
                out=scratch.file(),
                tables={},
                mistakes=mistakes,
                notes=Notes(),
                file=job.file or "",
                dropped_by=None,
                bounds=Bounds(table.size),
                rows=table,
            )
            found = await in_slices(JobValidation(setting, 0, raw, queued, None).check())
            if mistakes or found is None:
                await self._block(job, _reason(mistakes, table))
            else:
                await self._load(job, found)

    async def _copied(self, job: Waiting, queued: QueuedJob | None, scratch: TemporaryFiles) -> JobTable:
        table = JobTable(job.source.name, scratch)
        states = [ItemState(state) for state in queued.rows.states] if queued and queued.rows else []
        async for chunk in self._items.as_rows(job.source.id, states):
            table.add(chunk)
        return table

    async def _load(self, job: Waiting, found: ValidatedJob) -> None:
        load = await self._planned_rows.begin(job, found.spec)
        self._left.append(load)
        for portion in found.chunks():
            await self._jobs.add_all([(load, portion)])
        crash_point(CrashPoint.PLAN_LOADED)
        if await self._planned_rows.commit(load, job, self._clock.now()) is None:
            await self._abandon_left()  # it was cancelled, or its rows are to change: the next turn finds out
            return
        self._left.remove(load)
        crash_point(CrashPoint.PLAN_DURABLE)
        self._publish(JobPlanned(job.name, job.source.name, found.items))
        self.changed()

    async def _block(self, job: Waiting, reason: str) -> None:
        if await self._planned_rows.block(job, reason, self._clock.now()):
            self._publish(JobPlanRefused(job.name, reason))
            self.changed()

    async def _abandon_left(self) -> None:
        if self._left:
            await self._jobs.abandon(self._left)
            self._left = []


class _Scratch(TemporaryFiles):
    def __enter__(self) -> TemporaryFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _without_rows(job: Plannable) -> str | None:
    source = job.source
    if source.pruned:
        return f"{source.name} settled so long ago that its rows are gone: cancel this job, or drop {source.name} anew"
    if source.state in _HAS_NO_ROWS:
        return f"{source.name} was skipped, and has no rows: retry it, or cancel this job"
    return None


def _reason(mistakes: Mistakes, table: JobTable) -> str:
    """Why no items can be made, in one line: the first mistakes, each with its row."""
    listed = "; ".join(_worded(mistake, table) for mistake in mistakes.kept[:_LISTED])
    more = mistakes.total - _LISTED
    return f"its rows make no valid items: {listed}" + (f"; and {more} more mistakes" if more > 0 else "")


def _worded(mistake: Mistake, table: JobTable) -> str:
    where = [f"{table.place(mistake.line)} of {table.name}"] if mistake.line is not None else []
    if mistake.line is None and mistake.file is not None:
        where.append(table.name)
    if mistake.column is not None:
        where.append(f"column {mistake.column}")
    if path := spell(mistake.path[2:] if mistake.path[:1] == ("jobs",) else mistake.path):
        where.append(path)
    text = f"{', '.join(where)}: {mistake.message}" if where else mistake.message
    return printable(text + (f" ({mistake.remedy})" if mistake.remedy else ""))
