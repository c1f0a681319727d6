"""How a job comes into the database: its items in chunks, then one commit that makes it real."""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import Micros
from orchestrator.domain.identity import batch_key
from orchestrator.domain.lifecycle import first_stage
from orchestrator.domain.model import BatchState, ItemState, JobId, JobSpec, JobState, NewItem, Stage
from orchestrator.store.changes import JobChanged
from orchestrator.store.consequences import conclude
from orchestrator.store.dependents import start_or_skip
from orchestrator.store.engine import Database
from orchestrator.store.errors import AlreadySentError, DuplicateKeyError, NameTakenError, StoreError
from orchestrator.store.ids import TimeOrderedIds
from orchestrator.store.ledger import Ledger, chunks
from orchestrator.store.memory import instance_of, why_paused
from orchestrator.store.outcomes import needs_of, set_job
from orchestrator.store.rows import COUNTERS, Row, as_text
from orchestrator.store.schema import REAL_JOB, batches, items, job_after, jobs, literal

_ADD_ITEMS = sa.insert(items)
_ADD_BATCHES = sa.insert(batches)
_IS_LOADING = jobs.c.state == literal(JobState.LOADING)


class Loading:
    """Jobs on their way in."""

    def __init__(self, database: Database, ids: TimeOrderedIds) -> None:
        self._database = database
        self._ids = ids

    async def load(self, spec: JobSpec, now: Micros) -> JobId:
        job = JobId(self._ids.make(now))
        async with self._database.write() as connection:
            await connection.execute(sa.insert(jobs).values(id=job, created_at=now, **_as_columns(spec)))
            if spec.after is not None:
                names = sorted({name.casefold() for name in spec.after.jobs})
                await connection.execute(sa.insert(job_after), [{"job": job, "folded": name} for name in names])
        return job

    async def add_items(self, job: JobId, new: Sequence[NewItem]) -> None:
        for portion in chunks(new):
            try:
                async with self._database.write() as connection:
                    await _add(connection, job, portion)
            except IntegrityError:
                await self._explain_clash(job, portion)

    async def commit(self, loads: Sequence[JobId], now: Micros, replaces: Collection[JobId]) -> tuple[JobChanged, ...]:
        async with self._database.write() as connection:
            ledger = Ledger(connection, self._ids, now)
            for old in sorted(replaces):
                await _remove_unsent(connection, old)
            instance = await instance_of(connection)
            for job in loads:
                await _make_real(ledger, job, instance)
            for job in loads:
                row = (await connection.execute(sa.select(jobs).where(jobs.c.id == job))).one()
                if row.state == JobState.WAITING:
                    await start_or_skip(ledger, row)
            await conclude(ledger)
            return ledger.jobs

    async def abandon(self, loads: Sequence[JobId]) -> None:
        async with self._database.write() as connection:
            await connection.execute(sa.delete(jobs).where(jobs.c.id.in_(list(loads)), _IS_LOADING))

    async def abandon_all(self) -> int:
        async with self._database.write() as connection:
            return (await connection.execute(sa.delete(jobs).where(_IS_LOADING))).rowcount

    async def _explain_clash(self, job: JobId, new: Sequence[NewItem]) -> None:
        """Name the two items with one key; return quietly when these very items were stored before."""
        first: dict[str, int] = {}
        for item in new:
            if item.key in first:
                raise DuplicateKeyError(item.key, first[item.key], item.seq)
            first[item.key] = item.seq
        query = sa.select(items.c.seq, items.c.key).where(items.c.job == job, items.c.key.in_(list(first)))
        async with self._database.read() as connection:
            stored = {row.key: row.seq for row in await connection.execute(query)}
        for key, seq in stored.items():
            if seq != first[key]:
                raise DuplicateKeyError(key, seq, first[key])
        if stored != first:
            raise StoreError(f"items {new[0].seq} to {new[-1].seq} clash with others: each number stands for one item")


async def _add(connection: AsyncConnection, job: JobId, new: Sequence[NewItem]) -> None:
    query = sa.select(jobs.c.batch_size, jobs.c.kind).where(jobs.c.id == job, _IS_LOADING)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise StoreError(f"job {job} is not being loaded")
    stage = first_stage(row.kind)
    await connection.execute(
        _ADD_ITEMS,
        [
            {"job": job, "seq": item.seq, "key": item.key, "request": item.request, "row": item.row}
            | {"batch": (item.seq - 1) // row.batch_size + 1, "stage": stage, "state": ItemState.PENDING}
            for item in new
        ],
    )


# ---------------------------------------------------------------- commit


async def _remove_unsent(connection: AsyncConnection, job: JobId) -> None:
    """Take a job out that another of its name replaces; one that is gone already is no matter."""
    row = (await connection.execute(sa.select(jobs.c.name, jobs.c.sent_at).where(jobs.c.id == job))).one_or_none()
    if row is None:
        return
    if row.sent_at is not None:
        raise AlreadySentError(row.name)
    await connection.execute(sa.delete(jobs).where(jobs.c.id == job))


async def _make_real(ledger: Ledger, job: JobId, instance: str) -> None:
    connection = ledger.connection
    row = (await connection.execute(sa.select(jobs).where(jobs.c.id == job, _IS_LOADING))).one_or_none()
    if row is None:
        raise StoreError(f"job {job} is not being loaded")
    same = sa.select(jobs.c.id).where(jobs.c.folded == row.folded, REAL_JOB)
    if (await connection.execute(same)).first():
        raise NameTakenError(row.name)
    total = await _plan_batches(ledger, row, instance)
    state = JobState.WAITING if row.after is not None else JobState.QUEUED
    paused = await why_paused(connection, row.account)
    await connection.execute(
        sa.update(jobs).where(jobs.c.id == job).values({COUNTERS[ItemState.PENDING]: total, jobs.c.paused: paused})
    )
    await set_job(ledger, row, state, needs=needs_of(row), detail=row.detail)
    ledger.touched_jobs[job] = None


async def _plan_batches(ledger: Ledger, row: Row, instance: str) -> int:
    """A batch for each slice of the job's items; returns the number of items."""
    of_slice = (sa.func.min(items.c.seq), sa.func.max(items.c.seq), sa.func.count())
    query = sa.select(items.c.batch, *of_slice).where(items.c.job == row.id).group_by(items.c.batch)
    slices = (await ledger.connection.execute(query.order_by(items.c.batch))).all()
    if not slices:
        raise StoreError(f"job {row.name} has no items")
    creating = first_stage(row.kind) is Stage.CREATION
    for portion in chunks(slices):
        await ledger.connection.execute(
            _ADD_BATCHES,
            [
                {"id": ledger.new_id(), "job": row.id, "account": row.account, "number": number, "root": number}
                | {"lineage": str(number), "key": batch_key(instance, row.name, str(number), 0)}
                | {"state": BatchState.PLANNED, "items": size, "open": size, "creating": size * creating}
                | {"first_seq": first, "last_seq": last}
                for number, first, last, size in portion
            ],
        )
    return sum(size for *_, size in slices)


def _as_columns(spec: JobSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "folded": spec.name.casefold(),
        "kind": spec.kind,
        "account": spec.account,
        "project": spec.project,
        "engine": spec.engine,
        "state": JobState.LOADING,
        "priority": spec.priority,
        "max_open": spec.max_open,
        "stop_after_failed": spec.stop_after_failed,
        "after": as_text(spec.after) if spec.after is not None else None,
        "retry": as_text(spec.retry) if spec.retry is not None else None,
        "digest": spec.digest,
        "file": spec.file,
        "dropped_by": spec.dropped_by,
        "batch_size": spec.batch_size,
    }
