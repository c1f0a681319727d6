"""Jobs that are made of the rows of an earlier one: which are to be planned, and the commit that gives one its items.

Its items are loaded portion by portion under an invisible job of their own. The commit puts that job in the place
of the one that waited, with its history: a crash before it leaves the one that waited, and nothing else.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import ItemState, JobId, JobSpec, JobState
from orchestrator.store.account_memory import instance_of
from orchestrator.store.changes import JobChanged
from orchestrator.store.database.engine import Database
from orchestrator.store.ids import TimeOrderedIds
from orchestrator.store.reading.rows import COUNTERS, Row
from orchestrator.store.schema import TO_BE_PLANNED, events, job_after, jobs, literal, outbox
from orchestrator.store.writing.jobs.launching import loading_rows, plan_batches
from orchestrator.store.writing.jobs.loading import Loading
from orchestrator.store.writing.jobs.settling import settle
from orchestrator.store.writing.unit_of_work import UnitOfWork

_OWN = frozenset(
    {"id", "batch_size", "first_stage", "follow_only", "content_digest"} | {column.name for column in COUNTERS.values()}
)
"""The columns that the loaded job keeps; the others are those of the one that waited."""

_SOURCE = jobs.alias("source")
_id = jobs.c.id.concat("")  # an expression: so that SQLite uses the index of live jobs, and not that of all there are
# Executed after every change: to build it takes longer than to execute it.
_NEXT = (
    sa.select(
        jobs, *(_SOURCE.c[name].label(f"source_{name}") for name in ("id", "name", "state", "round", "pruned_at"))
    )
    .join_from(jobs, _SOURCE, sa.and_(_SOURCE.c.folded == jobs.c.source, _SOURCE.c.state != literal(JobState.LOADING)))
    .where(TO_BE_PLANNED, _id > sa.bindparam("after"))
    .order_by(_id)
    .limit(1)
)
"""The first job to be planned after another one, with the job that its rows come from."""


@dataclass(frozen=True, slots=True)
class RowSource:
    """The job that rows come from, as it was when they were read."""

    id: JobId
    name: str
    state: JobState
    round: int
    pruned: bool


@dataclass(frozen=True, slots=True)
class PlannableJob:
    """A job whose rows are there."""

    id: JobId
    name: str
    document: bytes
    """The job as its file has it, as compact JSON."""
    file: str | None
    created_at: Micros
    source: RowSource


class PlannedRows:
    """Questions about jobs that are made of rows, and what becomes of them."""

    def __init__(self, database: Database, ids: TimeOrderedIds) -> None:
        self._database = database
        self._ids = ids
        self._loading = Loading(database, ids)

    async def next(self, after: JobId | None = None) -> PlannableJob | None:
        """The first job to be planned, or the first after another one; None when there is none."""
        async with self._database.read() as connection:
            row = (await connection.execute(_NEXT, {"after": after or ""})).one_or_none()
        return _plannable(row) if row is not None else None

    async def begin(self, job: PlannableJob, spec: JobSpec) -> JobId:
        """Begin to load the items of a job; `Jobs.add_items` takes them, `Jobs.abandon` forgets them."""
        return await self._loading.load_beside(job.id, spec, job.created_at)

    async def block(self, job: PlannableJob, reason: str, now: Micros) -> tuple[JobChanged, ...]:
        """No items can be made of its rows: it waits for an operator. A job that changed meanwhile is left alone."""
        async with self._database.write() as connection:
            unit = UnitOfWork(connection, self._ids, now)
            if (await connection.execute(_current(job))).first() is not None:
                await connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(blocked=reason))
                unit.event(job.id, "rows", detail=reason)
                unit.touched_jobs[job.id] = None
                await settle(unit)
            return unit.jobs

    async def commit(self, load: JobId, job: PlannableJob, now: Micros) -> tuple[JobChanged, ...] | None:
        """Put the loaded job, cut into batches, in the place of the one that waited.

        None: that one, or the job that its rows come from, changed meanwhile; the loaded one is to be abandoned.
        """
        async with self._database.write() as connection:
            unit = UnitOfWork(connection, self._ids, now)
            waited = (await connection.execute(_current(job))).one_or_none()
            if waited is None:
                return None
            (loaded,) = await loading_rows(connection, [load])
            await _take_place(unit, loaded, waited)
            await settle(unit)
            return unit.jobs


async def _take_place(unit: UnitOfWork, loaded: Row, waited: Row) -> None:
    connection, job = unit.connection, JobId(loaded.id)
    pending = await plan_batches(unit, [loaded], await instance_of(connection))
    await connection.execute(sa.delete(job_after).where(job_after.c.job == job))
    for table in (events, job_after, outbox):
        await connection.execute(sa.update(table).where(table.c.job == waited.id).values(job=job))
    await connection.execute(sa.delete(jobs).where(jobs.c.id == waited.id))
    kept = {name: value for name, value in waited._mapping.items() if name not in _OWN}  # noqa: SLF001 - public name
    kept |= {"blocked": None, COUNTERS[ItemState.PENDING].name: pending.get(job, 0)}
    await connection.execute(sa.update(jobs).where(jobs.c.id == job).values(kept))
    unit.event(job, "rows", detail=f"{pending.get(job, 0)} items")
    unit.touched_jobs[job] = None


def _current(job: PlannableJob) -> sa.Select[*tuple[object, ...]]:
    source = jobs.alias("source")
    same = sa.and_(
        source.c.folded == jobs.c.source,
        source.c.id == job.source.id,
        source.c.state == job.source.state,
        source.c.round == job.source.round,
        source.c.pruned_at.is_not(None) if job.source.pruned else source.c.pruned_at.is_(None),
    )
    return sa.select(jobs).join_from(jobs, source, same).where(TO_BE_PLANNED, jobs.c.id == job.id)


def _plannable(row: Row) -> PlannableJob:
    source = RowSource(
        JobId(row.source_id),
        row.source_name,
        JobState(row.source_state),
        row.source_round,
        row.source_pruned_at is not None,
    )
    return PlannableJob(JobId(row.id), row.name, row.template.encode(), row.file, row.created_at, source)
