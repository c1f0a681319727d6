"""Which jobs had the same work, or some of the same keys, under whatever name.

The digests of work have no index, so jobs are gone over once; keys are compared with a bounded number of recent jobs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import ItemState, JobState
from orchestrator.store.chunks import chunks
from orchestrator.store.database.engine import Database
from orchestrator.store.ids import least_id
from orchestrator.store.reading.rows import COUNTERS, counts_of
from orchestrator.store.schema import LIVE_JOB, REAL_JOB, items, jobs

_COMPARED = 20_000
"""Items that are compared: some tens of milliseconds."""
_MAY_HAVE_WORKED = sa.and_(REAL_JOB, sa.or_(jobs.c.sent_at.is_not(None), LIVE_JOB), sa.not_(jobs.c.follow_only))
"""Jobs of which something was or will be sent."""


@dataclass(frozen=True, slots=True)
class EarlierJob:
    """A job that has work in common with another one."""

    name: str
    state: JobState
    items: int
    succeeded: int


@dataclass(frozen=True, slots=True)
class EarlierItem:
    """An item of an earlier job."""

    job: str
    """The job's name."""
    key: str
    succeeded: bool


class EarlierWork:
    """Queries of work that was asked for before."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def with_content(self, digests: Collection[str]) -> dict[str, list[EarlierJob]]:
        """The jobs with these digests of work (`content_digest`), by digest, the newest first."""
        found: dict[str, list[EarlierJob]] = {}
        query = sa.select(jobs.c.content_digest, jobs.c.name, jobs.c.state, *COUNTERS.values())
        query = query.where(_MAY_HAVE_WORKED).order_by(jobs.c.id.desc())
        for portion in chunks(sorted(set(digests))):
            async with self._database.read() as connection:
                for row in await connection.execute(query.where(jobs.c.content_digest.in_(portion))):
                    counts = counts_of(row)
                    job = EarlierJob(
                        row.name, JobState(row.state), sum(counts.values()), counts.get(ItemState.SUCCEEDED, 0)
                    )
                    found.setdefault(row.content_digest, []).append(job)
        return found

    async def with_keys(self, kind: str, project: str, keys: Collection[str], since: Micros) -> list[EarlierItem]:
        """The items with these keys in jobs of this kind and project made since then: the newest job first, by key.

        So many jobs are compared as have 20,000 items in all, or as many times the keys: the newest.
        """
        wanted = sorted(set(keys))
        recent = _recent(kind, project, since, keys=len(wanted))
        found: list[tuple[str, EarlierItem]] = []
        async with self._database.read() as connection:
            for portion in chunks(wanted):
                rows = await connection.execute(_in_common(recent, portion, keys=len(wanted)))
                for job, name, key, state in rows:
                    found.append((job, EarlierItem(name, key, succeeded=state == ItemState.SUCCEEDED)))
        found.sort(key=lambda each: each[1].key)
        return [item for _, item in sorted(found, key=itemgetter(0), reverse=True)]


def _recent(kind: str, project: str, since: Micros, *, keys: int) -> sa.CTE:
    """The newest jobs, to be compared with so many keys: each with the items to compare of those before it."""
    total = sum(COUNTERS.values(), start=sa.literal(0))
    compared = sa.case((total < 1, 1), (total > keys, keys), else_=total)
    so_far = sa.func.sum(compared).over(order_by=jobs.c.id.desc())
    return (
        sa.select(jobs.c.id, total.label("total"), (so_far - compared).label("before"))
        .where(jobs.c.id >= least_id(since), jobs.c.kind == kind, jobs.c.project == project, _MAY_HAVE_WORKED)
        .order_by(jobs.c.id.desc())
        .limit(_COMPARED)
        .cte("recent")
    )


def _in_common(recent: sa.CTE, wanted: Sequence[str], *, keys: int) -> sa.CompoundSelect[str, str, str, str]:
    """Job, its name, key and state of the items with these keys.

    Of a job with fewer items than there are keys all items are read; in the others each key is looked up. A key that is
    concatenated with nothing is looked up in no index.
    """
    name = sa.select(jobs.c.name).where(jobs.c.id == items.c.job).scalar_subquery()
    columns = sa.select(items.c.job, name.label("name"), items.c.key, items.c.state).where(items.c.parent.is_(None))
    in_reach = sa.select(recent.c.id).where(recent.c.before < _COMPARED)
    few, many = in_reach.where(recent.c.total <= keys), in_reach.where(recent.c.total > keys)
    return sa.union_all(
        columns.where(items.c.job.in_(few), items.c.key.concat("").in_(wanted)),
        columns.where(items.c.job.in_(many), items.c.key.in_(wanted)),
    )
