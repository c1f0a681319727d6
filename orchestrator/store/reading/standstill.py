"""Work that does not progress: since when, and what planned work waits for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import BatchState, Job, JobState
from orchestrator.domain.units import rfc3339
from orchestrator.store.database.engine import Database
from orchestrator.store.reading.batches import MAY_PLAN, OUT, TAKES_ROOM
from orchestrator.store.schema import LIVE_JOB, batches, events, jobs, literal

_PROGRESS = ("item", "confirm", "adopt", "status", "settle", "split", "refuse", "again", "retry", "job", "plan")
"""Events that show progress; sending the same again, or searching for it, does not."""
_MOST_NAMED = 3
"""Jobs that are named as those in front."""


def _moved(job: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    """When a job last made progress."""
    progress = sa.select(events.c.at).where(events.c.job == job, events.c.event.in_(_PROGRESS))
    return progress.order_by(events.c.id.desc()).limit(1).scalar_subquery()


_IS_OUT = sa.exists().where(batches.c.job == jobs.c.id, OUT, batches.c.open > 0)
"""Jobs of which something is, or may be, on the platform."""


@dataclass(frozen=True, slots=True)
class FullLimit:
    """A limit of open items that the next batch of a job does not fit into."""

    name: Literal["max_open", "open_items"]
    """Of the job itself, or of its account."""
    text: str
    """How full it is, and with which jobs."""


class Standstill:
    """Queries of work that does not progress."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def oldest(self) -> Mapping[str, Micros]:
        """By account: since when the job on the platform that moved longest ago has not changed."""
        each = sa.select(jobs.c.account, _moved(jobs.c.id).label("at")).where(LIVE_JOB, _IS_OUT).subquery()
        query = sa.select(each.c.account, sa.func.min(each.c.at)).where(each.c.at.is_not(None))
        async with self._database.read() as connection:
            rows = (await connection.execute(query.group_by(each.c.account))).all()
            return {row[0]: row[1] for row in rows}

    async def unchanged_since(self, job: Job) -> Micros | None:
        """When a job that is not settled last made progress; None for others."""
        if job.state.settled:
            return None
        async with self._database.read() as connection:
            query = sa.select(_moved(jobs.c.id)).where(jobs.c.id == job.id)
            since: Micros | None = (await connection.execute(query)).scalar_one()
            return since

    async def waits_for(self, job: Job, open_items: int) -> FullLimit | None:
        """Which limit keeps the next planned batch of a job; None where it has none, or no limit does.

        `open_items`: how many items the account may have on the platform.
        """
        if job.state not in {JobState.QUEUED, JobState.RUNNING}:
            return None
        planned = (batches.c.job == job.id, batches.c.state == literal(BatchState.PLANNED))
        next_up = (
            sa.select(batches.c["items"])
            .join_from(batches, jobs)
            .where(*planned, MAY_PLAN)
            .order_by(batches.c.number)
            .limit(1)
        )
        async with self._database.read() as connection:
            size = (await connection.execute(next_up)).scalar_one_or_none()
            if size is None:
                return None
            taken = sa.func.sum(TAKES_ROOM).label("taken")
            out = sa.select(batches.c.job, taken).where(batches.c.account == job.spec.account, OUT, TAKES_ROOM > 0)
            group = out.group_by(batches.c.job).subquery()
            query = sa.select(jobs.c.id, jobs.c.name, group.c.taken, _moved(jobs.c.id).label("at"))
            rows = (await connection.execute(query.join_from(group, jobs, jobs.c.id == group.c.job))).all()
        own = sum(row.taken for row in rows if row.id == job.id)
        if job.spec.max_open is not None and own and own + size > job.spec.max_open:
            text = f"its own max_open: {own} of {job.spec.max_open} items are on the platform"
            return FullLimit("max_open", text)
        total = sum(row.taken for row in rows)
        if not total or total + size <= open_items:
            return None
        rows = sorted(rows, key=lambda row: row.at or 0)
        named = "; ".join(_named(row.name, row.taken, row.at) for row in rows[:_MOST_NAMED])
        more = f"; and {len(rows) - _MOST_NAMED} more jobs" if len(rows) > _MOST_NAMED else ""
        return FullLimit(
            "open_items",
            f"room on the platform: {total} of {open_items} items (limits.open_items) are out, and the next batch has "
            f"{size}. The jobs there: {named}{more}. What never ends there is freed by `give-up`",
        )


def _named(name: str, taken: int, at: Micros | None) -> str:
    since = f", unchanged since {rfc3339(at)}" if at is not None else ""
    return f"{name} ({taken} items{since})"
