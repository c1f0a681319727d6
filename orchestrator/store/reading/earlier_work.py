"""Which jobs had the same work, or some of the same keys, under whatever name.

The digests of work have no index, so jobs are gone over once; keys are compared with a bounded number of recent jobs.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import ItemState, JobState
from orchestrator.store.database.engine import Database
from orchestrator.store.ids import least_id
from orchestrator.store.reading.rows import COUNTERS, counts_of
from orchestrator.store.schema import LIVE_JOB, REAL_JOB, items, jobs
from orchestrator.store.writing.unit_of_work import chunks

_PROBES = 50_000
"""Keys times jobs that are compared: some tens of milliseconds."""
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
    """Questions about work that was asked for before."""

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

        With many keys, only the newest jobs are compared: 50,000 divided by the number of keys.
        """
        if not keys:
            return []
        recent = (
            sa.select(jobs.c.id, jobs.c.name)
            .where(jobs.c.id >= least_id(since), jobs.c.kind == kind, jobs.c.project == project, _MAY_HAVE_WORKED)
            .order_by(jobs.c.id.desc())
            .limit(max(1, _PROBES // len(keys)))
            .subquery()
        )
        query = sa.select(recent.c.id, recent.c.name, items.c.key, items.c.state).join_from(
            recent, items, items.c.job == recent.c.id
        )
        found: list[tuple[str, EarlierItem]] = []
        for portion in chunks(sorted(set(keys))):
            async with self._database.read() as connection:
                rows = await connection.execute(query.where(items.c.key.in_(portion), items.c.parent.is_(None)))
                found += [(row.id, EarlierItem(row.name, row.key, row.state == ItemState.SUCCEEDED)) for row in rows]
        found.sort(key=lambda each: each[0], reverse=True)
        return [item for _, item in found]
