"""What the platform refused of a job, read from its batches; and the stop of a job that is refused alike throughout."""

import sqlalchemy as sa

from orchestrator.domain.model import BatchState, JobId
from orchestrator.store.database.engine import Database
from orchestrator.store.schema import LIVE_JOB, batches, jobs, literal, one_of
from orchestrator.store.writing.unit_of_work import UnitOfWork

_REFUSED = sa.and_(
    one_of(batches.c.state, [BatchState.SETTLED, BatchState.BLOCKED]),
    batches.c.submitted_at.is_(None),
    sa.not_(batches.c.in_doubt),
    batches.c.sends > 0,
)
"""Batches that were sent and refused: split, failed or blocked for it."""
_ANSWERED = sa.or_(batches.c.submitted_at.is_not(None), _REFUSED)

_LAST_ANSWERED = (
    sa.select(batches.c.submitted_at)
    .where(batches.c.job == sa.bindparam("in_job"), _ANSWERED)
    .order_by(batches.c.sent_at.desc(), batches.c.number.desc())
    .limit(1)
)


class Refusals:
    """Queries of the refusals of a job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def in_a_row(self, job: JobId, reason: str) -> int:
        """How many of the latest answered batches of the job were refused for this reason, without another between."""
        of_job = batches.c.job == job
        other = sa.or_(batches.c.submitted_at.is_not(None), sa.and_(_REFUSED, batches.c.detail != reason))
        last = sa.select(sa.func.coalesce(sa.func.max(batches.c.sent_at), -1)).where(of_job, other).scalar_subquery()
        alike = (of_job, _REFUSED, batches.c.detail == reason, batches.c.sent_at > last)
        async with self._database.read() as connection:
            return int((await connection.execute(sa.select(sa.func.count()).where(*alike))).scalar_one())

    async def came_last(self, job: JobId) -> bool:
        """Whether the latest answer to a batch of the job was a refusal."""
        async with self._database.read() as connection:
            row = (await connection.execute(_LAST_ANSWERED, {"in_job": job})).first()
        return row is not None and row.submitted_at is None


async def stop(unit: UnitOfWork, job: JobId, reason: str) -> bool:
    """Submit no more of the job until `resume`; False where it is settled, on hold, or has nothing left to submit."""
    planned = sa.exists().where(batches.c.job == job, batches.c.state == literal(BatchState.PLANNED))
    stopped = await unit.connection.execute(
        sa.update(jobs)
        .where(jobs.c.id == job, LIVE_JOB, jobs.c.stopped.is_(None), jobs.c.cancelled_at.is_(None), planned)
        .values(stopped=reason)
    )
    if not stopped.rowcount:
        return False
    unit.event(job, "stop", detail=reason)
    unit.touched_jobs[job] = None
    return True
