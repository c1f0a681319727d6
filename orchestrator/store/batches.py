"""Reading batches, and choosing the one to submit next."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import Micros
from orchestrator.domain.model import Batch, BatchId, BatchKey, BatchState, JobId, JobState
from orchestrator.store.advance import Advance
from orchestrator.store.engine import Database
from orchestrator.store.ledger import chunks
from orchestrator.store.rows import SELECT_BATCH, SELECT_BATCH_TO_SEND, Query, Row, batch_of
from orchestrator.store.schema import LIVE_BATCH, LIVE_JOB, UNSENT_BATCH, batches, jobs, literal, one_of

_CHUNK = 1000

_OUT = sa.and_(
    LIVE_BATCH,
    sa.or_(
        one_of(batches.c.state, [BatchState.SUBMITTING, BatchState.UNCONFIRMED, BatchState.TRACKING]),
        sa.and_(
            batches.c.state == literal(BatchState.BLOCKED),
            sa.or_(batches.c.in_doubt, batches.c.submitted_at.is_not(None)),
        ),
    ),
)
"""Batches of which something is, or may be, on the platform."""

_STARTED = one_of(jobs.c.state, [JobState.QUEUED, JobState.RUNNING])
_HELD = sa.or_(jobs.c.paused.is_not(None), jobs.c.stopped.is_not(None))

MAY_PLAN = sa.and_(_STARTED, jobs.c.cancelled_at.is_(None), sa.not_(_HELD))
"""Jobs whose planned batches may go out."""

MAY_FIND_OUT = sa.and_(_STARTED, sa.or_(jobs.c.cancelled_at.is_not(None), sa.not_(_HELD)))
"""Jobs whose unconfirmed batches are found out about: those of a cancelled job too, to be stopped."""


class Batches:
    """Questions about batches."""

    def __init__(self, database: Database, advance: Advance) -> None:
        self._database = database
        self._advance = advance

    async def next(self, account: str, *, room: int, now: Micros, busy: Collection[BatchId] = ()) -> Batch | None:
        """The batch to submit now, with its submission where one is stored; None when nothing may go.

        The order: priority of the job, fewest items of the job on the platform, age of the job, number of the batch.
        The first planned batch waits until it fits into `room` (items), and none overtakes it; a job at its own
        `max_open` stands aside. A batch larger than the whole allowance goes when nothing else is out. What became of
        an unconfirmed batch may always be found out: it counts already.
        """
        # As it is now: what goes out while we read is still planned in what we read, and would be offered again.
        busy = frozenset(busy)
        async with self._database.read() as connection:
            queue = (await connection.execute(_queue(account, busy))).all()
            unsure = await _first(connection, queue, BatchState.UNCONFIRMED, now, busy)
            alone = not busy and not any(row.out for row in queue) and await _nothing_out(connection, account)
            planned = await _first(connection, queue, BatchState.PLANNED, now, busy)
            fits = planned is not None and (planned.items <= room or (alone and room > 0))
        ranks = {row.id: rank for rank, row in enumerate(queue)}
        offered = [row for row in (unsure, planned if fits else None) if row is not None]
        offered.sort(key=lambda row: (ranks[row.job], row.number))
        return batch_of(offered[0], to_send=True) if offered else None

    async def next_due(self, account: str, now: Micros = 0) -> Micros | None:
        """The earliest time after `now` that a batch waits for before it goes out (again)."""
        query = sa.select(sa.func.min(batches.c.due_at)).where(
            batches.c.account == account, LIVE_BATCH, UNSENT_BATCH, batches.c.due_at > now
        )
        async with self._database.read() as connection:
            due: Micros | None = (await connection.execute(query)).scalar_one()
            return due

    async def open_items(self, account: str, busy: Collection[BatchId] = ()) -> int:
        """Items of the account that are, or may be, on the platform and not final.

        `busy`: batches that are about to be sent, whatever their row says.
        """
        query = sa.select(sa.func.coalesce(sa.func.sum(batches.c.open), 0)).where(
            batches.c.account == account, _out_with(busy)
        )
        async with self._database.read() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def unconfirmed(self) -> Mapping[str, int]:
        """How many submissions have an unknown outcome, by account; accounts without any are left out."""
        query = (
            sa.select(batches.c.account, sa.func.count())
            .where(LIVE_BATCH, batches.c.state == literal(BatchState.UNCONFIRMED))
            .group_by(batches.c.account)
        )
        async with self._database.read() as connection:
            return {row[0]: row[1] for row in await connection.execute(query)}

    async def tracking(self, account: str) -> list[Batch]:
        """All batches of the account that are on the platform and not settled, in the order they were made."""
        query = SELECT_BATCH.where(
            batches.c.account == account, LIVE_BATCH, batches.c.state == literal(BatchState.TRACKING)
        )
        return await self._read(query.order_by(batches.c.id))

    async def of_job(self, job: JobId) -> list[Batch]:
        """All batches of a job by number, at once: see `stream` for any number."""
        return await self._read(SELECT_BATCH.where(batches.c.job == job).order_by(batches.c.number))

    async def stream(self, job: JobId) -> AsyncIterator[list[Batch]]:
        """The batches of a job by number, in chunks; each chunk as it is when it is read."""
        query = SELECT_BATCH.where(batches.c.job == job).order_by(batches.c.number).limit(_CHUNK)
        last = 0
        while chunk := await self._read(query.where(batches.c.number > last)):
            yield chunk
            last = chunk[-1].number

    async def get(self, batch: BatchId) -> Batch | None:
        """One batch, with its submission where one is stored."""
        async with self._database.read() as connection:
            row = (await connection.execute(SELECT_BATCH_TO_SEND.where(batches.c.id == batch))).one_or_none()
        return batch_of(row, to_send=True) if row is not None else None

    async def by_keys(self, keys: Collection[BatchKey]) -> dict[BatchKey, Batch]:
        """The batches that were or will be sent under these keys."""
        found: dict[BatchKey, Batch] = {}
        for portion in chunks(sorted(keys)):
            found |= {each.key: each for each in await self._read(SELECT_BATCH.where(batches.c.key.in_(portion)))}
        return found

    async def recover(self, now: Micros, busy: Collection[BatchId] = ()) -> int:
        """At start: what was being sent has an unknown outcome; returns how many batches. See `Advance.recover`."""
        return await self._advance.recover(now, busy)

    async def _read(self, query: Query) -> list[Batch]:
        async with self._database.read() as connection:
            return [batch_of(row) for row in (await connection.execute(query)).all()]


def _queue(account: str, busy: Collection[BatchId]) -> Query:
    """The jobs with something to send, in the order of their turn, with what each has out."""
    out = (
        sa.select(batches.c.job, sa.func.sum(batches.c.open).label("out"))
        .where(batches.c.account == account, _out_with(busy))
        .group_by(batches.c.job)
        .subquery()
    )
    open_items = sa.func.coalesce(out.c.out, 0)
    unsent = sa.exists().where(batches.c.job == jobs.c.id, UNSENT_BATCH)
    return (
        sa.select(
            jobs.c.id, jobs.c.max_open, open_items.label("out"), MAY_PLAN.label("plans"), MAY_FIND_OUT.label("finds")
        )
        .outerjoin_from(jobs, out, out.c.job == jobs.c.id)
        .where(LIVE_JOB, jobs.c.account == account, _STARTED, unsent)
        .order_by(jobs.c.priority, open_items, jobs.c.created_at, jobs.c.id)
    )


def _out_with(busy: Collection[BatchId]) -> sa.ColumnElement[bool]:
    """On the platform, or on the way there."""
    return sa.or_(_OUT, batches.c.id.in_(sorted(busy)))


async def _first(
    connection: AsyncConnection, queue: Sequence[Row], state: BatchState, now: Micros, busy: Collection[BatchId]
) -> Row | None:
    """The first batch in this state, in the order of the queue, that its own job lets go."""
    due = (
        SELECT_BATCH_TO_SEND.where(UNSENT_BATCH, batches.c.state == literal(state))
        .where(batches.c.due_at <= now, batches.c.id.not_in(sorted(busy)))
        .order_by(batches.c.number)
        .limit(1)
    )
    for job in queue:
        if not (job.plans if state is BatchState.PLANNED else job.finds):
            continue
        row = (await connection.execute(due.where(batches.c.job == job.id))).one_or_none()
        if row is not None and (state is BatchState.UNCONFIRMED or _lets_go(job, row)):
            return row
    return None


def _lets_go(job: Row, batch: Row) -> bool:
    return job.max_open is None or not job.out or batch.items <= job.max_open - job.out


async def _nothing_out(connection: AsyncConnection, account: str) -> bool:
    query = sa.select(batches.c.id).where(batches.c.account == account, _OUT, batches.c.open > 0).limit(1)
    return (await connection.execute(query)).first() is None
