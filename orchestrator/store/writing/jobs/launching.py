"""The commit of loaded jobs: it takes their names, plans their batches, and lets them start or wait.

A file may have ten thousand jobs, and no other writer gets its turn during the commit, so each statement handles many.
"""

from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.domain.identity import batch_key
from orchestrator.domain.model import CREATION, BatchState, ItemState, JobId, JobState, Needs
from orchestrator.domain.submission import Resend
from orchestrator.store.account_memory import instance_of, why_paused
from orchestrator.store.changes import JobChanged
from orchestrator.store.chunks import chunks
from orchestrator.store.errors import AlreadySentError, NameTakenError, StoreError
from orchestrator.store.reading.rows import COUNTERS, Row
from orchestrator.store.schema import LIVE_JOB, REAL_JOB, batches, items, job_after, jobs, literal, one_of
from orchestrator.store.writing.jobs.dependents import start_or_skip
from orchestrator.store.writing.unit_of_work import UnitOfWork

IS_LOADING = jobs.c.state == literal(JobState.LOADING)
_IS_SETTLED = one_of(jobs.c.state, [state for state in JobState if state.settled])

_ADD_BATCHES = sa.insert(batches)
_MAKE_REAL = (
    sa.update(jobs)
    .where(jobs.c.id == sa.bindparam("in_job"))
    .values(
        {
            jobs.c.state: sa.bindparam("to_state"),
            jobs.c.needs: sa.bindparam("to_needs"),
            jobs.c.detail: sa.bindparam("to_detail"),
            jobs.c.paused: sa.bindparam("to_paused"),
            COUNTERS[ItemState.PENDING]: sa.bindparam("to_pending"),
        }
    )
)


async def launch(unit: UnitOfWork, loads: Sequence[JobId], replaces: Collection[JobId]) -> None:
    """Commit these jobs, and remove those that they replace.

    Raises:
        NameTakenError: a job of the same name is there, and stays.
        AlreadySentError: a job to be replaced has been sent.
        StoreError: one of them is not being loaded, or has no items.
    """
    connection = unit.connection
    for portion in chunks(sorted(replaces)):
        await _remove_unsent(connection, portion)
    instance = await instance_of(connection)
    for portion in chunks(loads):
        await _make_real(unit, portion, instance)
    await start_or_skip(unit, await _next_in_line(connection, loads))


async def _remove_unsent(connection: AsyncConnection, old: Sequence[JobId]) -> None:
    """Remove jobs that others of their names replace, if they are still there."""
    sent = sa.select(jobs.c.name).where(jobs.c.id.in_(old), jobs.c.sent_at.is_not(None)).order_by(jobs.c.id).limit(1)
    name = (await connection.execute(sent)).scalar_one_or_none()
    if name is not None:
        raise AlreadySentError(name)
    await connection.execute(sa.delete(jobs).where(jobs.c.id.in_(old)))


async def _make_real(unit: UnitOfWork, loads: Sequence[JobId], instance: str) -> None:
    connection = unit.connection
    rows = await loading_rows(connection, loads)
    await _take_names(connection, rows)
    pending = await plan_batches(unit, rows, instance)
    paused = {account: await why_paused(connection, account) for account in sorted({row.account for row in rows})}
    changes: list[dict[str, object]] = []
    for row in rows:
        waits = row.after is not None or row.source is not None
        job, state = JobId(row.id), JobState.WAITING if waits else JobState.QUEUED
        reason = paused[row.account]
        needs = Needs.PAUSED if reason else None
        changes.append(
            {"in_job": job, "to_state": state, "to_needs": needs, "to_detail": reason}
            | {"to_paused": reason, "to_pending": pending.get(job, 0)}
        )
        unit.event(job, "job", old=row.state, new=state, detail=row.file, actor=row.dropped_by)
        if needs:
            unit.event(job, "needs", new=needs, detail=reason)
        unit.job_changes[job] = JobChanged(job, row.name, row.account, state, needs, reason)
    await connection.execute(_MAKE_REAL, changes)


async def loading_rows(connection: AsyncConnection, loads: Sequence[JobId]) -> list[Row]:
    """The rows of jobs that are being loaded; raises StoreError where one is not."""
    query = sa.select(jobs).where(jobs.c.id.in_(loads), IS_LOADING)
    found = {row.id: row for row in await connection.execute(query)}
    for job in loads:
        if job not in found:
            raise StoreError(f"job {job} is not being loaded")
    return [found[job] for job in loads]


async def _take_names(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    query = sa.select(jobs.c.folded).where(jobs.c.folded.in_([row.folded for row in rows]), REAL_JOB)
    taken = set((await connection.execute(query)).scalars())
    for row in rows:
        if row.folded in taken:
            raise NameTakenError(row.name)
        taken.add(row.folded)


async def plan_batches(unit: UnitOfWork, rows: Sequence[Row], instance: str) -> dict[JobId, int]:
    """A batch for each slice of a job's items; returns how many items each job has, if it has any."""
    of_slice = (sa.func.min(items.c.seq), sa.func.max(items.c.seq), sa.func.count())
    query = sa.select(items.c.job, items.c.batch, *of_slice).where(items.c.job.in_([row.id for row in rows]))
    query = query.group_by(items.c.job, items.c.batch).order_by(items.c.job, items.c.batch)
    by_job = {row.id: row for row in rows}
    pending: dict[JobId, int] = {}
    slices = (await unit.connection.execute(query)).all()
    for portion in chunks(slices):
        new = []
        for job, number, first, last, size in portion:
            row = by_job[job]
            pending[job] = pending.get(job, 0) + size
            new.append(
                {"id": unit.new_id(), "job": job, "account": row.account, "number": number, "root": number}
                | {"lineage": str(number), "key": batch_key(instance, row.name, str(number), 0)}
                | {"state": BatchState.PLANNED, "items": size, "open": size}
                | {"creating": size if row.first_stage == CREATION else 0}
                | {"first_seq": first, "last_seq": last}
                | {"resend": Resend.FOLLOW_ONLY if row.follow_only else None}
            )
        await unit.connection.execute(_ADD_BATCHES, new)
    for row in rows:
        if row.id not in pending and row.source is None:
            raise StoreError(f"job {row.name} has no items")
    return pending


async def _next_in_line(connection: AsyncConnection, loads: Sequence[JobId]) -> list[Row]:
    """Those that wait for a job which has settled already, in order: the others wait anyway."""
    found: list[Row] = []
    for portion in chunks(loads):
        waits = (
            sa.select(job_after.c.job)
            .join_from(job_after, jobs, jobs.c.folded == job_after.c.folded)
            .where(job_after.c.job.in_(portion), _IS_SETTLED, REAL_JOB)
        )
        rows = await connection.execute(sa.select(jobs).where(jobs.c.id.in_(waits), LIVE_JOB))
        waiting = {row.id: row for row in rows if row.state == JobState.WAITING}
        found += [waiting[job] for job in portion if job in waiting]
    return found
