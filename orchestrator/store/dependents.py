"""Jobs that wait for others: when they start, when they are skipped, when they wait again."""

from collections import deque
from enum import Enum, auto

import sqlalchemy as sa

from orchestrator.domain.model import JobId, JobState
from orchestrator.store.ledger import Ledger
from orchestrator.store.outcomes import needs_of, set_job, withdraw
from orchestrator.store.rows import Row, after_of
from orchestrator.store.schema import REAL_JOB, job_after, jobs


class Verdict(Enum):
    """What the jobs that another one waits for mean for it."""

    START = auto()
    WAIT = auto()
    SKIP = auto()


async def judge(ledger: Ledger, row: Row) -> tuple[Verdict, str | None]:
    """Whether the job in `row` may start; with SKIP the reason for people."""
    after = after_of(row.after)
    if after is None:
        return Verdict.START, None
    names = {name.casefold() for name in after.jobs}
    query = sa.select(jobs.c.folded, jobs.c.name, jobs.c.state).where(jobs.c.folded.in_(names), REAL_JOB)
    found = (await ledger.connection.execute(query.order_by(jobs.c.folded))).all()
    for each in found:
        if JobState(each.state).settled and each.state not in after.accept:
            return Verdict.SKIP, f"{each.name}, which it waited for, ended as {each.state}"
    accepted = {each.folded for each in found if each.state in after.accept}
    return (Verdict.START if accepted == names else Verdict.WAIT), None


async def start_or_skip(ledger: Ledger, row: Row) -> None:
    """Move a waiting job on where its verdict is known; skipping it goes on to those that wait for it."""
    if await _skipped(ledger, row):
        await let_dependents_know(ledger, row.folded)


async def let_dependents_know(ledger: Ledger, folded: str) -> None:
    """The job of this name settled: start or skip those that waited for it, and so on down the line."""
    settled = deque([folded])
    while settled:
        for row in await _dependents(ledger, settled.popleft(), JobState.WAITING):
            if await _skipped(ledger, row):
                settled.append(row.folded)


async def wait_again(ledger: Ledger, folded: str) -> None:
    """The job of this name was re-opened: those skipped because of it wait again, and so on down the line."""
    reopened = deque([folded])
    while reopened:
        for row in await _dependents(ledger, reopened.popleft(), JobState.SKIPPED):
            verdict, _ = await judge(ledger, row)
            if verdict is not Verdict.SKIP:
                await withdraw(ledger, JobId(row.id))
                await set_job(ledger, row, JobState.WAITING, settled_at=None, round=row.round + 1)
                reopened.append(row.folded)


async def _skipped(ledger: Ledger, row: Row) -> bool:
    verdict, reason = await judge(ledger, row)
    match verdict:
        case Verdict.START:
            await set_job(ledger, row, JobState.QUEUED, needs=needs_of(row), detail=row.detail)
        case Verdict.SKIP:
            await set_job(ledger, row, JobState.SKIPPED, detail=reason)
        case Verdict.WAIT:
            pass
    return verdict is Verdict.SKIP


async def _dependents(ledger: Ledger, folded: str, state: JobState) -> list[Row]:
    query = (
        sa.select(jobs)
        .join_from(jobs, job_after)
        .where(job_after.c.folded == folded, jobs.c.state == state)
        .order_by(jobs.c.id)
    )
    return list((await ledger.connection.execute(query)).all())
