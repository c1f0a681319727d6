"""Loads jobs into the database: their items in portions, invisible until one commit."""

from collections.abc import Collection, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import Micros
from orchestrator.domain.model import ItemState, JobId, JobSpec, JobState, NewItem
from orchestrator.store.changes import JobChanged
from orchestrator.store.chunks import chunks
from orchestrator.store.database.engine import Database, insertion
from orchestrator.store.errors import DuplicateKeyError, StoreError
from orchestrator.store.ids import TimeOrderedIds, beside
from orchestrator.store.reading.rows import as_text
from orchestrator.store.schema import NOT_PLANNED, items, job_after, jobs
from orchestrator.store.writing.jobs.launching import IS_LOADING, launch
from orchestrator.store.writing.jobs.settling import settle
from orchestrator.store.writing.unit_of_work import UnitOfWork

_ADD_JOBS = sa.insert(jobs)
_ADD_AFTER = sa.insert(job_after)

_ITEM = ("job", "seq", "key", "request", "row", "batch", "stage", "state")
"""The columns of a new item."""
_AT_ONCE = 100
"""Items a statement: enough to make what comes with a statement cheap."""
_PORTION = 2000
"""Items a transaction: enough to make its sync cheap, few enough to let other writers in between."""

Portion = Sequence[tuple[JobId, NewItem]]


class Loading:
    """Loads jobs; many small ones share transactions.

    What is loaded need not be durable before the commit that makes it real, which syncs it too.
    """

    def __init__(self, database: Database, ids: TimeOrderedIds) -> None:
        self._database = database
        self._ids = ids

    async def load(self, specs: Sequence[JobSpec], now: Micros) -> list[JobId]:
        loads = [JobId(self._ids.make(now)) for _ in specs]
        await self._begin(loads, specs, now)
        return loads

    async def load_beside(self, waiting: JobId, spec: JobSpec, now: Micros) -> JobId:
        """Begin the job that is to take the place of one that waits; it sorts where that one does."""
        load = JobId(beside(waiting))
        await self._begin([load], [spec], now)
        return load

    async def _begin(self, loads: Sequence[JobId], specs: Sequence[JobSpec], now: Micros) -> None:
        begun = list(zip(loads, specs, strict=True))
        after = [{"job": job, "folded": folded} for job, spec in begun for folded in _waits_for(spec)]
        async with self._database.write(durable=False) as connection:
            for portion in chunks(begun):
                rows = [{"id": job, "created_at": now, **_as_columns(spec)} for job, spec in portion]
                await connection.execute(_ADD_JOBS, rows)
            for names in chunks(after):
                await connection.execute(_ADD_AFTER, names)

    async def add_items(self, new: Sequence[tuple[JobId, Sequence[NewItem]]]) -> None:
        for portion in chunks([(job, item) for job, added in new for item in added], _PORTION):
            try:
                async with self._database.write(durable=False) as connection:
                    await _add(connection, portion)
            except IntegrityError:
                await self._explain_clash(portion)

    async def commit(self, loads: Sequence[JobId], now: Micros, replaces: Collection[JobId]) -> tuple[JobChanged, ...]:
        async with self._database.write() as connection:
            unit = UnitOfWork(connection, self._ids, now)
            await launch(unit, loads, replaces)
            await settle(unit)
            return unit.jobs

    async def abandon(self, loads: Sequence[JobId]) -> None:
        async with self._database.write() as connection:
            for portion in chunks(loads):
                await connection.execute(sa.delete(jobs).where(jobs.c.id.in_(portion), IS_LOADING))

    async def abandon_all(self) -> int:
        async with self._database.write() as connection:
            return (await connection.execute(sa.delete(jobs).where(IS_LOADING))).rowcount

    async def _explain_clash(self, new: Portion) -> None:
        """Name the two items with one key; return quietly when these very items were stored before."""
        others = False
        for job, added in groupby(new, itemgetter(0)):
            first: dict[str, int] = {}
            for _, item in added:
                if item.key in first:
                    raise DuplicateKeyError(item.key, first[item.key], item.seq)
                first[item.key] = item.seq
            stored = await self._stored(job, list(first))
            for key, seq in stored.items():
                if seq != first[key]:
                    raise DuplicateKeyError(key, seq, first[key])
            others |= stored != first
        if others:
            numbers = f"{new[0][1].seq} to {new[-1][1].seq}"
            raise StoreError(f"items {numbers} clash with others: each number stands for one item")

    async def _stored(self, job: JobId, keys: Sequence[str]) -> dict[str, int]:
        """Which of these keys are there, each with the number of its item."""
        query = sa.select(items.c.seq, items.c.key).where(items.c.job == job, items.c.key.in_(keys))
        async with self._database.read() as connection:
            return {row.key: row.seq for row in await connection.execute(query)}


async def _add(connection: AsyncConnection, new: Portion) -> None:
    wanted = list(dict.fromkeys(job for job, _ in new))
    query = sa.select(jobs.c.id, jobs.c.batch_size, jobs.c.first_stage).where(jobs.c.id.in_(wanted), IS_LOADING)
    found = {row.id: row for row in await connection.execute(query)}
    for job in wanted:
        if job not in found:
            raise StoreError(f"job {job} is not being loaded")
    sizes = {job: row.batch_size for job, row in found.items()}
    stages = {job: row.first_stage for job, row in found.items()}
    state = ItemState.PENDING.value

    def values(some: Portion) -> tuple[Any, ...]:
        rows = (
            (job, item.seq, item.key, item.request, item.row, _batch_of(item, sizes[job]), stages[job], state)
            for job, item in some
        )
        return tuple(chain.from_iterable(rows))

    for length, slices in groupby(chunks(new, _AT_ONCE), len):  # all of one length but the last
        await connection.exec_driver_sql(insertion(connection, items, _ITEM, length), [values(each) for each in slices])


def _batch_of(item: NewItem, size: int) -> int:
    return item.batch or (item.seq - 1) // size + 1


def _waits_for(spec: JobSpec) -> list[str]:
    return sorted(name.casefold() for name in spec.waits_for)


def _as_columns(spec: JobSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "folded": spec.name.casefold(),
        "kind": spec.kind,
        "account": spec.account,
        "project": spec.project,
        "engine": spec.engine,
        "state": JobState.LOADING,
        "priority": spec.priority,
        "max_open": spec.max_open,
        "stop_after_failed": spec.stop_after_failed,
        "after": as_text(spec.after) if spec.after is not None else None,
        "retry": as_text(spec.retry) if spec.retry is not None else None,
        "digest": spec.digest,
        "content_digest": spec.content_digest,
        "file": spec.file,
        "dropped_by": spec.dropped_by,
        "batch_size": spec.batch_size,
        "first_stage": spec.first_stage,
        "follow_only": spec.follow_only,
        "options": spec.options.decode() if spec.options is not None else None,
        "labels": as_text(spec.labels) if spec.labels else None,
        "notify": as_text(spec.notify) if spec.notify is not None else None,
        "source": spec.rows_of.casefold() if spec.rows_of is not None else None,
        "template": spec.document.decode() if spec.document is not None else None,
        "blocked": NOT_PLANNED if spec.rows_of is not None else None,
    }
