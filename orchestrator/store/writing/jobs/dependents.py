"""Jobs that wait for others: when they start, when they are skipped, when they wait again.

Ten thousand may wait for one, and one for ten thousand, so each statement handles many.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Self

import sqlalchemy as sa

from orchestrator.domain.model import JobId, JobState, Needs
from orchestrator.store.chunks import chunks
from orchestrator.store.reading.rows import Row, after_of
from orchestrator.store.schema import NOT_PLANNED, REAL_JOB, job_after, jobs
from orchestrator.store.writing.jobs.job_states import Outcome, needs_of, set_jobs, withdraw
from orchestrator.store.writing.unit_of_work import UnitOfWork


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
        dependencies = await _dependencies(unit, [row.id for row in portion])
        accepts = {row.id: _Accepts.of(row) for row in portion}
        refused = {row.id: _refused(accepts[row.id], dependencies[row.id]) for row in portion}
        names = await _names(unit, {first for first, _ in filter(None, refused.values())})
        for row in portion:
            if (refusal := refused[row.id]) is not None:
                folded, state = refusal
                reason = f"{names[folded]}, which it waited for, ended as {state}"
                judged.append((row, Verdict.SKIP, reason))
            else:
                judged.append((row, _start_or_wait(accepts[row.id], dependencies[row.id]), None))
    return judged


_HAS_ROWS = frozenset({JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED})
"""The ends of a job whose rows another one is made of, that let this one be planned."""


@dataclass(frozen=True, slots=True)
class _Accepts:
    """The ends of the jobs that one waits for, that let it start."""

    after: frozenset[JobState]
    """Of those in its `after`."""
    source: frozenset[JobState]
    """Of the one whose rows it is made of."""

    @classmethod
    def of(cls, row: Row) -> Self:
        after = after_of(row.after)
        accept = after.accept if after else frozenset()
        named_twice = after is not None and row.source in {name.casefold() for name in after.jobs}
        return cls(accept, _HAS_ROWS & accept if named_twice else _HAS_ROWS)

    def allow(self, state: str, *, is_source: bool) -> bool:
        """Whether a job that ended so lets the other one start."""
        return state in (self.source if is_source else self.after)


_DependencyState = dict[tuple[str | None, bool], tuple[int, str | None]]
"""How many of the jobs that one waits for are in each state, and the first of them; no state: not there yet.

The one whose rows it is made of is counted apart.
"""


async def _dependencies(unit: UnitOfWork, among: Sequence[str]) -> defaultdict[str, _DependencyState]:
    waiting = jobs.alias("waiting")
    is_source = sa.case((job_after.c.folded == waiting.c.source, 1), else_=0).label("is_source")
    query = (
        sa.select(job_after.c.job, jobs.c.state, is_source, sa.func.count(), sa.func.min(jobs.c.folded))
        .join_from(job_after, waiting, waiting.c.id == job_after.c.job)
        .join(jobs, sa.and_(jobs.c.folded == job_after.c.folded, REAL_JOB), isouter=True)
        .where(job_after.c.job.in_(among))
        .group_by(job_after.c.job, jobs.c.state, is_source)
    )
    found: defaultdict[str, _DependencyState] = defaultdict(dict)
    for job, state, source, count, first in await unit.connection.execute(query):
        found[job][state, bool(source)] = (count, first)
    return found


def _refused(accepts: _Accepts, dependencies: _DependencyState) -> tuple[str, str] | None:
    """The first of those that ended as they must not, by its folded name, and how."""
    ends = (
        (first, state)
        for (state, is_source), (_, first) in dependencies.items()
        if state is not None
        and first is not None
        and JobState(state).settled
        and not accepts.allow(state, is_source=is_source)
    )
    return min(ends, default=None)


def _start_or_wait(accepts: _Accepts, dependencies: _DependencyState) -> Verdict:
    """A job that waits for none starts."""
    started = all(state is not None and accepts.allow(state, is_source=is_source) for state, is_source in dependencies)
    return Verdict.START if started else Verdict.WAIT


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
    """Start or skip the jobs that waited for these, which have settled, and those that waited for skipped ones."""
    while settled:
        settled = await _skipped(unit, await _dependents(unit, settled, JobState.WAITING))


async def wait_again(unit: UnitOfWork, reopened: Sequence[str]) -> None:
    """Let jobs that were skipped because of these, which are open again, wait again; also those that waited for them.

    Jobs that were to be planned from their rows wait too, as the rows will change.
    """
    await _wait_for_other_rows(unit, reopened)
    while reopened:
        judged = await judge(unit, await _dependents(unit, reopened, JobState.SKIPPED))
        again = [row for row, verdict, _ in judged if verdict is not Verdict.SKIP]
        await withdraw(unit, [JobId(row.id) for row in again])
        more = [{"settled_at": None, "round": row.round + 1} | _to_plan_anew(row) for row in again]
        outcomes = [Outcome(row, JobState.WAITING, more=given) for row, given in zip(again, more, strict=True)]
        await set_jobs(unit, outcomes)
        reopened = [row.folded for row in again]


def _to_plan_anew(row: Row) -> dict[str, object]:
    """What is written of a job that was not planned yet: why it could not be holds no longer."""
    return {} if row.blocked is None else {"blocked": NOT_PLANNED}


async def _wait_for_other_rows(unit: UnitOfWork, reopened: Sequence[str]) -> None:
    unplanned = [row for row in await _dependents(unit, reopened, JobState.QUEUED) if row.blocked is not None]
    await set_jobs(
        unit,
        [
            Outcome(row, JobState.WAITING, Needs.PAUSED if row.paused else None, row.paused, {"blocked": NOT_PLANNED})
            for row in unplanned
            if row.source in reopened
        ],
    )


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
