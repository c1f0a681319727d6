"""Prunes the history of jobs when it is no longer needed.

A job may have a million rows: they go portion by portion, so that others write in between. That the job is pruned is
written first, and what is still to go is remembered until the last row went: a crash in between leaves nothing behind.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import Micros
from orchestrator.domain.units import DAY
from orchestrator.store.account_memory import forget, remember
from orchestrator.store.database.engine import Database
from orchestrator.store.notices import NEVER
from orchestrator.store.schema import (
    LIVE_JOB,
    REAL_JOB,
    UNPRUNED_JOB,
    batches,
    controls,
    events,
    items,
    jobs,
    memory,
    outbox,
)

_PORTION = 5000
"""Rows a transaction: some tens of milliseconds."""

_YEAR: Micros = 365 * DAY
"""Until then a control file that comes back is recognised as carried out."""

_EVERY = ""
"""The account of what is remembered of none."""
_LEFT = "pruning"
"""Under which name the jobs are remembered of which rows may be left."""

_HISTORY = ((items, items.c.seq), (events, events.c.id), (batches, batches.c.number), (outbox, outbox.c.id))
"""The tables that are pruned, each with the column that identifies its rows within a job."""


class Pruning:
    """Removes items, batches and events; see `Jobs.prune`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune(self, settled_before: Micros, now: Micros, limit: int) -> Sequence[str]:
        old = (
            sa.select(jobs.c.id, jobs.c.name)
            .where(jobs.c.settled_at < settled_before, UNPRUNED_JOB, sa.not_(LIVE_JOB), REAL_JOB)
            .where(~sa.exists().where(outbox.c.job == jobs.c.id, outbox.c.due_at < NEVER))
            .order_by(jobs.c.settled_at)
            .limit(limit)
        )
        async with self._database.read() as connection:
            left = await _left(connection)
            found = (await connection.execute(old)).first()
        names: Sequence[str] = []
        if found is not None:
            async with self._database.write() as connection:
                rows = (await connection.execute(old)).all()  # as they are now: one may have been opened again
                left += [row.id for row in rows]
                names = [row.name for row in rows]
                chosen = jobs.c.id.in_([row.id for row in rows])
                await connection.execute(sa.update(jobs).where(chosen).values(pruned_at=now))
                await remember(connection, _EVERY, _LEFT, " ".join(left))
        await self._remove(left)
        if len(names) < limit:
            await self._forget_old(now)
        return names

    async def _forget_old(self, now: Micros) -> None:
        """Remove what belongs to no job: which controls were carried out, and when accounts were paused."""
        old_controls = controls.c.at < now - _YEAR
        old_events = sa.and_(events.c.job.is_(None), events.c.at < now - _YEAR)
        is_there = sa.or_(sa.exists().where(old_controls), sa.exists().where(old_events))
        async with self._database.read() as connection:
            if not (await connection.execute(sa.select(is_there))).scalar_one():
                return
        async with self._database.write() as connection:
            await connection.execute(sa.delete(controls).where(old_controls))
            await connection.execute(sa.delete(events).where(old_events))

    async def _remove(self, pruned: Sequence[str]) -> None:
        left = deque((table, column, job) for job in pruned for table, column in _HISTORY)
        while left:
            async with self._database.write() as connection:
                room = _PORTION
                while left and room:
                    room -= await _delete(connection, *left[0], limit=room)
                    if room:
                        left.popleft()
                if not left:
                    await forget(connection, _EVERY, _LEFT)


async def _left(connection: AsyncConnection) -> list[str]:
    query = sa.select(memory.c.value).where(memory.c.account == _EVERY, memory.c.name == _LEFT)
    return str((await connection.execute(query)).scalar_one_or_none() or "").split()


async def _delete(connection: AsyncConnection, table: sa.Table, column: sa.Column[Any], job: str, limit: int) -> int:
    some = table.alias("some")
    first = sa.select(some.c[column.name]).where(some.c.job == job).order_by(some.c[column.name]).limit(limit)
    return (await connection.execute(sa.delete(table).where(table.c.job == job, column.in_(first)))).rowcount
