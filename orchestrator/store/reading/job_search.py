"""Lists of jobs for people: filtered, searched, in pages of any depth."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import Job, JobId, JobState, Needs
from orchestrator.store.database.engine import Database
from orchestrator.store.reading.contains import contains
from orchestrator.store.reading.job_criteria import JobCriteria
from orchestrator.store.reading.rows import SELECT_JOB, Query, job_of
from orchestrator.store.schema import LIVE_JOB, REAL_JOB, UNPRUNED_JOB, jobs


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are listed; all of them by default."""

    text: str = ""
    """Occurs in the name, the project, the queue file's name or the labels, without regard to case."""
    states: frozenset[JobState] = frozenset()
    """Empty: any state."""
    on_hold: bool = False
    """Only jobs that an operator has to act on."""
    account: str | None = None
    created_since: Micros | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of these."""
    settled_since: Micros | None = None
    """Without the jobs that settled before this time."""


@dataclass(frozen=True, slots=True)
class JobsFound:
    """One page, the newest job first."""

    jobs: Sequence[Job]
    newer: JobId | None
    """The page before this one ends before this id; None on the first page."""
    older: JobId | None
    """The page after this one begins after this id; None on the last page."""


class JobSearch:
    """Questions of the page of jobs. Each reads at most one page and one row more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, wanted: JobFilter, *, before: JobId | None = None, after: JobId | None = None, limit: int
    ) -> JobsFound:
        """The jobs made before `before` or, with `after`, the oldest `limit` of those made after it."""
        query: Query = SELECT_JOB.where(REAL_JOB, *_conditions(wanted)).limit(limit + 1)
        if after is not None:
            query = query.where(jobs.c.id > after).order_by(jobs.c.id)
        else:
            query = query.order_by(jobs.c.id.desc())
            query = query.where(jobs.c.id < before) if before is not None else query
        async with self._database.read() as connection:
            found = [job_of(row) for row in (await connection.execute(query)).all()]
        more, found = len(found) > limit, found[:limit]
        if after is not None:
            found.reverse()
        if not found:
            return JobsFound((), None, None)
        has_newer = more if after is not None else before is not None
        has_older = True if after is not None else more
        return JobsFound(found, found[0].id if has_newer else None, found[-1].id if has_older else None)

    async def any_settled_before(self, moment: Micros) -> bool:
        """Whether a job settled before this time. The oldest jobs are read first, as they are the likely ones."""
        query = sa.select(jobs.c.id).where(jobs.c.settled_at < moment).order_by(jobs.c.id).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None

    async def live_counts(self) -> Mapping[tuple[JobState, Needs | None], int]:
        """How many jobs are not settled, by state and needs."""
        by = (jobs.c.state, jobs.c.needs)
        async with self._database.read() as connection:
            rows = await connection.execute(sa.select(*by, sa.func.count()).where(LIVE_JOB).group_by(*by))
            return {(JobState(state), Needs(needs) if needs else None): count for state, needs, count in rows}


def _conditions(wanted: JobFilter) -> Collection[sa.ColumnElement[bool]]:
    conditions = list(JobCriteria(account=wanted.account, since=wanted.created_since, labels=wanted.labels).conditions)
    if wanted.text:
        columns = (jobs.c.name, jobs.c.project, jobs.c.file, jobs.c.labels)
        conditions.append(sa.or_(*(contains(column, wanted.text) for column in columns)))
    if wanted.states:
        conditions.append(jobs.c.state.in_(sorted(wanted.states)))
    if wanted.settled_since is not None:
        # Each half has an index of its own: jobs that settled lately are not pruned yet.
        conditions.append(sa.or_(LIVE_JOB, sa.and_(jobs.c.settled_at >= wanted.settled_since, UNPRUNED_JOB)))
    if wanted.on_hold:
        conditions += [LIVE_JOB, jobs.c.needs.is_not(None)]
    return conditions
