"""Jobs that wait for others: when they start, when they are skipped, when they wait again.

Ten thousand may wait for one, and one for ten thousand: they are judged and moved on in statements for many at a time.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from enum import Enum, auto

import sqlalchemy as sa

from orchestrator.domain.model import After, JobId, JobState
from orchestrator.store.reading.rows import Row, after_of
from orchestrator.store.schema import REAL_JOB, job_after, jobs
from orchestrator.store.writing.jobs.job_states import Outcome, needs_of, set_jobs, withdraw
from orchestrator.store.writing.unit_of_work import UnitOfWork, chunks


class Verdict(Enum):
    """What the jobs that another one waits for mean for it."""

    START = auto()
    WAIT = auto()
    SKIP = auto()


Judged = tuple[Row, Verdict, str | None]
"""A job, what becomes of it, and with SKIP the reason for people."""


async def judge(unit: UnitOfWork, rows: Sequence[Row]) -> list[Judged]:
    """Whether these jobs may start."""
    judged: list[Judged] = []
    for portion in chunks(rows):
        standing = await _standing(unit, [row.id for row in portion])
        after = {row.id: after_of(row.after) for row in portion}
        refused = {row.id: _refused(after[row.id], standing[row.id]) for row in portion}
        names = await _names(unit, {first for first, _ in filter(None, refused.values())})
        for row in portion:
            if (refusal := refused[row.id]) is not None:
                folded, state = refusal
                reason = f"{names[folded]}, which it waited for, ended as {state}"
                judged.append((row, Verdict.SKIP, reason))
            else:
                judged.append((row, _start_or_wait(after[row.id], standing[row.id]), None))
    return judged


_DependencyState = dict[str | None, tuple[int, str | None]]
"""How many of the jobs that one waits for are in each state, and the first of them; None: not there yet."""


async def _standing(unit: UnitOfWork, among: Sequence[str]) -> defaultdict[str, _DependencyState]:
    query = (
        sa.select(job_after.c.job, jobs.c.state, sa.func.count(), sa.func.min(jobs.c.folded))
        .join_from(job_after, jobs, sa.and_(jobs.c.folded == job_after.c.folded, REAL_JOB), isouter=True)
        .where(job_after.c.job.in_(among))
        .group_by(job_after.c.job, jobs.c.state)
    )
    found: defaultdict[str, _DependencyState] = defaultdict(dict)
    for job, state, count, first in await unit.connection.execute(query):
        found[job][state] = (count, first)
    return found


def _refused(after: After | None, standing: _DependencyState) -> tuple[str, str] | None:
    """The first of those that ended as they must not, by its folded name, and how."""
    if after is None:
        return None
    ends = (
        (first, state)
        for state, (_, first) in standing.items()
        if state is not None and first is not None and JobState(state).settled and state not in after.accept
    )
    return min(ends, default=None)


def _start_or_wait(after: After | None, standing: _DependencyState) -> Verdict:
    if after is None:
        return Verdict.START
    accepted = sum(count for state, (count, _) in standing.items() if state in after.accept)
    return Verdict.START if accepted == sum(count for count, _ in standing.values()) else Verdict.WAIT


async def _names(unit: UnitOfWork, folded: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for portion in chunks(sorted(folded)):
        query = sa.select(jobs.c.folded, jobs.c.name).where(jobs.c.folded.in_(portion), REAL_JOB)
        found |= {row.folded: row.name for row in await unit.connection.execute(query)}
    return found


async def start_or_skip(unit: UnitOfWork, waiting: Sequence[Row]) -> None:
    """Start or skip waiting jobs whose dependencies have ended; skipping one extends to those that wait for it."""
    await wake_dependents(unit, await _skipped(unit, waiting))


async def wake_dependents(unit: UnitOfWork, settled: Sequence[str]) -> None:
    """The jobs of these names settled: start or skip those that waited for them, and so on down the line."""
    while settled:
        settled = await _skipped(unit, await _dependents(unit, settled, JobState.WAITING))


async def wait_again(unit: UnitOfWork, reopened: Sequence[str]) -> None:
    """The jobs of these names were re-opened: those skipped because of them wait again, and so on down the line."""
    while reopened:
        judged = await judge(unit, await _dependents(unit, reopened, JobState.SKIPPED))
        again = [row for row, verdict, _ in judged if verdict is not Verdict.SKIP]
        await withdraw(unit, [JobId(row.id) for row in again])
        more = [{"settled_at": None, "round": row.round + 1} for row in again]
        outcomes = [Outcome(row, JobState.WAITING, more=given) for row, given in zip(again, more, strict=True)]
        await set_jobs(unit, outcomes)
        reopened = [row.folded for row in again]


async def _skipped(unit: UnitOfWork, waiting: Sequence[Row]) -> list[str]:
    """Start or skip those whose verdict is known; returns the names of the skipped."""
    outcomes: list[Outcome] = []
    for row, verdict, reason in await judge(unit, waiting):
        match verdict:
            case Verdict.START:
                outcomes.append(Outcome(row, JobState.QUEUED, needs_of(row), row.detail))
            case Verdict.SKIP:
                outcomes.append(Outcome(row, JobState.SKIPPED, detail=reason))
            case Verdict.WAIT:
                pass
    await set_jobs(unit, outcomes)
    return [each.row.folded for each in outcomes if each.state is JobState.SKIPPED]


async def _dependents(unit: UnitOfWork, names: Sequence[str], state: JobState) -> list[Row]:
    """The jobs in this state that wait for any of these, each once and in the order they were made."""
    found: dict[str, Row] = {}
    for portion in chunks(names):
        wait = sa.select(job_after.c.job).where(job_after.c.folded.in_(portion))
        rows = await unit.connection.execute(sa.select(jobs).where(jobs.c.id.in_(wait), jobs.c.state == state))
        found |= {row.id: row for row in rows}
    return [found[job] for job in sorted(found)]
