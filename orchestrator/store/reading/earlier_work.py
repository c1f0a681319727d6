"""Which jobs had the same work, or some of the same keys, under whatever name.

The digests of work have no index, so jobs are gone over once; keys are compared with a bounded number of recent jobs.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

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
        """The items with these keys in jobs of this kind and project made since then, those of the newest job first.

        So many jobs are compared as have 20,000 items in all, or as many times the keys: the newest.
        """
        wanted = frozenset(keys)
        names: dict[str, str] = {}
        found: list[tuple[str, EarlierItem]] = []
        async with self._database.read() as connection:
            few, many = await _candidates(connection, kind, project, since, most=len(wanted), names=names)
            common = await _keys_in_common(connection, few, wanted)
            for job in many:
                common[job] = wanted
            for job, shared in common.items():
                for portion in chunks(sorted(shared)):
                    query = sa.select(items.c.key, items.c.state).where(items.c.job == job, items.c.key.in_(portion))
                    for row in await connection.execute(query.where(items.c.parent.is_(None))):
                        item = EarlierItem(names[job], row.key, succeeded=row.state == ItemState.SUCCEEDED)
                        found.append((job, item))
        return [item for _, item in sorted(found, key=itemgetter(0), reverse=True)]


async def _candidates(
    connection: AsyncConnection, kind: str, project: str, since: Micros, *, most: int, names: dict[str, str]
) -> tuple[list[str], list[str]]:
    """The jobs to compare so many keys with: those with fewer items, and the others; `names` gets their names."""
    total = sum(COUNTERS.values(), start=sa.literal(0)).label("total")
    query = (
        sa.select(jobs.c.id, jobs.c.name, total)
        .where(jobs.c.id >= least_id(since), jobs.c.kind == kind, jobs.c.project == project, _MAY_HAVE_WORKED)
        .order_by(jobs.c.id.desc())
        .limit(_COMPARED)
    )
    few: list[str] = []
    many: list[str] = []
    left = _COMPARED
    for row in await connection.execute(query) if most else ():
        if left <= 0:
            break
        left -= max(1, min(row.total, most))
        names[row.id] = row.name
        (few if row.total <= most else many).append(row.id)
    return few, many


async def _keys_in_common(
    connection: AsyncConnection, among: Sequence[str], wanted: frozenset[str]
) -> dict[str, frozenset[str]]:
    """Which of the keys each of these jobs has: read in the order of the index, which has nothing else."""
    common: dict[str, set[str]] = {}
    for portion in chunks(among):
        for row in await connection.execute(sa.select(items.c.job, items.c.key).where(items.c.job.in_(portion))):
            if row.key in wanted:
                common.setdefault(row.job, set()).add(row.key)
    return {job: frozenset(shared) for job, shared in common.items()}
