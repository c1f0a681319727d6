"""The one place where a job's state is written, with its event, its news, and its result to deliver when it settles."""

import sqlalchemy as sa

from orchestrator.domain.model import JobId, JobState, Needs
from orchestrator.store.changes import JobChanged
from orchestrator.store.ledger import Ledger
from orchestrator.store.memory import why_paused
from orchestrator.store.rows import Row
from orchestrator.store.schema import jobs, outbox


async def set_job(
    ledger: Ledger, row: Row, state: JobState, *, needs: Needs | None = None, detail: str | None = None, **more: object
) -> None:
    """Write the state and needs of the job in `row`, and whatever else goes with them."""
    job = JobId(row.id)
    values: dict[str, object] = {"state": state, "needs": needs, "detail": detail, **more}
    if state.settled:
        values |= {"settled_at": ledger.now, "paused": None, "stopped": None}
        await _announce(ledger, row)
    elif JobState(row.state).settled:  # opened again; what holds new jobs back holds it back too
        values["paused"] = await why_paused(ledger.connection, row.account)
        ledger.touched_jobs[job] = None
    await ledger.connection.execute(sa.update(jobs).where(jobs.c.id == job).values(values))
    if state != row.state:
        ledger.event(job, "job", old=row.state, new=state, detail=detail)
    elif needs != row.needs:
        ledger.event(job, "needs", old=row.needs, new=needs, detail=detail)
    ledger.job_changes[job] = JobChanged(job, row.name, row.account, state, needs, detail)


def needs_of(row: Row) -> Needs | None:
    return Needs(row.needs) if row.needs else None


async def _announce(ledger: Ledger, row: Row) -> None:
    """The result of this round is to be delivered, once."""
    same = (outbox.c.job == row.id, outbox.c.round == row.round, outbox.c.kind == "result")
    await ledger.connection.execute(sa.delete(outbox).where(*same))
    await ledger.connection.execute(
        sa.insert(outbox).values(id=ledger.new_id(), at=ledger.now, kind="result", job=row.id, round=row.round)
    )


async def withdraw(ledger: Ledger, job: JobId) -> None:
    """The job goes on: a result that was not delivered yet would be that of a job that is not settled."""
    await ledger.connection.execute(sa.delete(outbox).where(outbox.c.job == job))
