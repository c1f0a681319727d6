"""Reading batches, and choosing the one to submit next."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import Micros
from orchestrator.domain.model import Batch, BatchId, BatchState, ItemState, JobId, JobState
from orchestrator.domain.submission import Resend, SentWork
from orchestrator.domain.units import DAY
from orchestrator.store.chunks import chunks
from orchestrator.store.database.engine import Database
from orchestrator.store.reading.marks import Mark, marks, placed, places_for
from orchestrator.store.reading.rows import (
    ITEMS_IN,
    SELECT_BATCH,
    SELECT_BATCH_TO_SEND,
    Query,
    Row,
    batch_of,
    place_of,
    places,
    previous_ids_of,
)
from orchestrator.store.schema import (
    DESCENDANT_BATCH,
    IN_BATCH,
    LIVE_BATCH,
    LIVE_JOB,
    UNSENT_BATCH,
    batches,
    items,
    jobs,
    literal,
    one_of,
)

_CHUNK = 1000
_LONGEST_ON_THE_WAY: Micros = DAY
"""Maximum time from the beginning of a request until it reaches the platform, if the account is closed meanwhile."""

OUT = sa.and_(
    LIVE_BATCH,
    one_of(
        batches.c.state,
        [BatchState.SUBMITTING, BatchState.UNCONFIRMED, BatchState.TRACKING, BatchState.BLOCKED],
    ),
    sa.or_(
        batches.c.state != literal(BatchState.BLOCKED),
        batches.c.in_doubt,
        batches.c.submitted_at.is_not(None),
    ),
    sa.or_(batches.c.resend.is_(None), batches.c.resend != literal(Resend.FOLLOW_ONLY)),
)
"""Batches of which something is, or may be, on the platform."""

TAKES_ROOM = batches.c.open - batches.c.found_open
"""How many items of a batch count against the limits of open items: what was found takes no room of its own."""

_STARTED = one_of(jobs.c.state, [JobState.QUEUED, JobState.RUNNING])
_HELD = sa.or_(jobs.c.paused.is_not(None), jobs.c.stopped.is_not(None))

MAY_PLAN = sa.and_(_STARTED, jobs.c.cancelled_at.is_(None), sa.not_(_HELD))
"""Jobs whose planned batches may go out."""

MAY_FIND_OUT = sa.and_(_STARTED, sa.or_(jobs.c.cancelled_at.is_not(None), sa.not_(_HELD)))
"""Jobs whose unconfirmed batches are reconciled: those of a cancelled job too, to be stopped."""


class Batches:
    """Queries of batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def next(
        self,
        account: str,
        *,
        room: int,
        now: Micros,
        busy: Collection[BatchId] = (),
        without: Collection[JobId] = (),
    ) -> Batch | None:
        """The batch to submit now, with its submission where one is stored; None when nothing may go.

        The order: priority of the job, fewest items of the job on the platform, age of the job, number of the batch.
        The first planned batch waits until it fits into `room` (items), and none overtakes it, except that a job at its
        own `max_open` is skipped. A batch larger than the limit is sent when nothing else is on the platform. An
        unconfirmed batch may always be reconciled, as it counts already. A batch that is only followed takes no room.
        Planned batches of jobs in `without` are left out.
        """
        # A copy: a batch that is sent during the query is still planned in what is read, and must not be chosen again.
        busy, without = sorted(frozenset(busy)), sorted(without)
        queue = _queue(places_for(busy), places_for(without))
        values = {"account": account, "now": now} | placed("busy", busy) | placed("without", without)
        async with self._database.read() as connection:
            unsure = await _first(connection, [queue.unsure], values)
            planned = await _first(connection, queue.planned, values)
            if planned is not None and planned.items > room:
                alone = room > 0 and not busy and await _nothing_out(connection, account)
                planned = planned if alone else None
            followed = await _first(connection, [queue.followed], values)
            offered = min(filter(None, (unsure, planned, followed)), key=_place, default=None)
            if offered is None:
                return None
            row = (await connection.execute(_TO_SEND, {"in_batch": offered.id})).one()
        return batch_of(row, to_send=True)

    async def next_due(self, account: str, now: Micros = 0) -> Micros | None:
        """The earliest time after `now` that a batch waits for before it goes out (again)."""
        async with self._database.read() as connection:
            found = await connection.execute(_NEXT_DUE, {"account": account, "now": now})
            due: Micros | None = found.scalar_one()
            return due

    async def open_items(self, account: str, busy: Collection[BatchId] = ()) -> int:
        """Items of the account that are, or may be, on the platform and not final.

        `busy`: batches that are about to be sent, whatever their row says.
        """
        busy = sorted(frozenset(busy))
        query = _queue(places_for(busy), 0).open_items
        async with self._database.read() as connection:
            found = await connection.execute(query, {"account": account} | placed("busy", busy))
            return int(found.scalar_one())

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

    async def counts(self, of: Sequence[Batch]) -> dict[int, dict[ItemState, int]]:
        """The items of neighbouring batches of one job by state, by the number of the batch; of a parent its children.

        A batch whose items are all in other batches by now has empty counts.
        """
        if not of:
            return {}
        job, numbers = of[0].job, [batch.number for batch in of]
        here = (batches.c.job == job, batches.c.number.between(min(numbers), max(numbers)))
        first, last = (
            sa.select(bound).where(*here).scalar_subquery()
            for bound in (sa.func.min(batches.c.first_seq), sa.func.max(batches.c.last_seq))
        )
        query = (
            sa.select(items.c.batch, items.c.state, sa.func.count())
            .where(items.c.job == job, items.c.seq.between(first, last))
            .where(items.c.found == 0, sa.not_(items.c.superseded))
            .where(items.c.batch.between(min(numbers), max(numbers)))
            .group_by(items.c.batch, items.c.state)
        )
        found: dict[int, dict[ItemState, int]] = {number: {} for number in numbers}
        async with self._database.read() as connection:
            for number, state, count in await connection.execute(query):
                if number in found:
                    found[number][ItemState(state)] = count
        return found

    async def get(self, batch: BatchId) -> Batch | None:
        """One batch, with its submission where one is stored."""
        async with self._database.read() as connection:
            row = (await connection.execute(SELECT_BATCH_TO_SEND.where(batches.c.id == batch))).one_or_none()
        return batch_of(row, to_send=True) if row is not None else None

    async def first(self, job: JobId) -> Batch:
        """The first batch of a job."""
        (first,) = await self._read(SELECT_BATCH.where(batches.c.job == job).order_by(batches.c.number).limit(1))
        return first

    async def family(self, batch: Batch) -> list[Batch]:
        """All that was split from the same batch as this one, itself and that one included, by number."""
        of_job = SELECT_BATCH.where(batches.c.job == batch.job)
        root = await self._read(of_job.where(batches.c.number == batch.root))
        split = of_job.where(batches.c.root == batch.root, DESCENDANT_BATCH).order_by(batches.c.number)
        return root + await self._read(split)

    async def ended(self, among: Collection[tuple[JobId, int]]) -> set[tuple[JobId, int]]:
        """Those of these batches, by job and number, that the platform ended, though not all of their items did."""
        is_ended = (batches.c.state == literal(BatchState.TRACKING), batches.c.status_final)
        found: set[tuple[JobId, int]] = set()
        for portion in chunks(sorted(among)):
            here = places(portion)
            same = sa.and_(batches.c.job == here.c.job, batches.c.number == here.c.number)
            query = sa.select(batches.c.job, batches.c.number).join_from(here, batches, same).where(*is_ended)
            async with self._database.read() as connection:
                rows = await connection.execute(query)
                found |= {(JobId(job), number) for job, number in rows}
        return found

    async def sent_besides(self, batch: Batch, since: Micros, ids: Collection[str]) -> SentWork:
        """What may have reached the platform since then of the same kind on the same account, without this batch.

        `ids` are those in question: only they are looked for, as others may be millions. A request begins before it
        waits for the rate limiter and arrives later still, so work that was begun up to a day before counts too.
        """
        others = (
            batches.c.account == batch.account,
            jobs.c.kind == batch.kind,
            batches.c.id != batch.id,
            batches.c.sent_at >= since - _LONGEST_ON_THE_WAY,
        )
        state = batches.c.state
        unknown = sa.or_(
            one_of(state, [BatchState.SUBMITTING, BatchState.UNCONFIRMED]),
            sa.and_(state == literal(BatchState.BLOCKED), batches.c.in_doubt),
        )
        sent = batches.join(jobs)
        in_doubt = (
            sa.select(sa.func.count()).select_from(sent).where(*others, unknown, batches.c["items"] == batch.items)
        )
        of_batches = sa.select(batches.c.remote_id).select_from(sent).where(*others)
        of_items = sa.select(items.c.remote_id).select_from(sent.join(items, IN_BATCH)).where(*others)
        # What earlier batches of its items made is known too, although those items belong to this batch by now.
        earlier = sa.select(items.c.previous_ids).where(*ITEMS_IN, items.c.previous_ids.is_not(None))
        left = set(ids)
        async with self._database.read() as connection:
            rivals: int = (await connection.execute(in_doubt)).scalar_one()
            for previous in (await connection.execute(earlier, place_of(batch))).scalars():
                left.difference_update(previous_ids_of(previous))
            for query, column in ((of_batches, batches.c.remote_id), (of_items, items.c.remote_id)):
                for portion in chunks(sorted(left)):
                    left.difference_update((await connection.execute(query.where(column.in_(portion)))).scalars())
        return SentWork(ids=frozenset(ids) - left, in_doubt=rivals)

    async def _read(self, query: Query) -> list[Batch]:
        async with self._database.read() as connection:
            return [batch_of(row) for row in (await connection.execute(query)).all()]


# ---------------------------------------------------------------- the queue

# There may be ten thousand jobs: what goes next is found by indexes, in a few statements whatever their number. These
# are executed after every change, so they are built once: to build one takes longer than to execute it.

_ACCOUNT = sa.bindparam("account", type_=sa.Text)
_NOW = sa.bindparam("now", type_=sa.BigInteger)

_TO_SEND = SELECT_BATCH_TO_SEND.where(batches.c.id == sa.bindparam("in_batch"))
_NEXT_DUE = sa.select(sa.func.min(batches.c.due_at)).where(
    batches.c.account == _ACCOUNT, LIVE_BATCH, UNSENT_BATCH, batches.c.due_at > _NOW
)
_SOMETHING_OUT = sa.select(batches.c.id).where(batches.c.account == _ACCOUNT, OUT, batches.c.open > 0).limit(1)


@dataclass(frozen=True, slots=True)
class _Queue:
    """Statements about what is to be submitted."""

    unsure: Query
    """The first batch that may be reconciled now."""
    planned: Sequence[Query]
    """The first planned batch of a job that has nothing out, and the first of the others: one of them is the first.

    The former are gone through in the order of their index, the latter are few.
    """
    followed: Query
    """The first planned batch of a job of which nothing is ever sent."""
    open_items: sa.Select[int]


@lru_cache(maxsize=16)
def _queue(busy: int, without: int) -> _Queue:
    """The statements for so many places of batches and jobs to be left out: `places_for` gives few numbers."""
    are_busy, stay = marks("busy", busy), marks("without", without)
    out = _out_with(are_busy)
    return _Queue(
        unsure=_unsure(_by_job(out), are_busy),
        planned=_planned(_by_job(out), are_busy, stay),
        followed=_to_follow(are_busy),
        open_items=sa.select(sa.func.coalesce(sa.func.sum((each := out.subquery()).c.open), 0)).select_from(each),
    )


def _out_with(busy: Sequence[Mark]) -> sa.CompoundSelect[tuple[str, int]]:
    """Job and open items of each batch that is on the platform, or on the way there."""
    some = sa.select(batches.c.job, TAKES_ROOM.label("open")).where(batches.c.account == _ACCOUNT, batches.c.open > 0)
    leaving = [some.where(batches.c.id.in_(busy), sa.not_(OUT))] if busy else []
    return sa.union_all(some.where(OUT), *leaving)


def _by_job(out: sa.CompoundSelect[tuple[str, int]]) -> sa.CTE:
    each = out.subquery()
    return sa.select(each.c.job, sa.func.sum(each.c.open).label("items")).group_by(each.c.job).cte("out")


def _unsure(out: sa.CTE, busy: Sequence[Mark]) -> Query:
    turn = _in_turn(batches, out)
    return (
        turn.join_from(batches, jobs)
        .outerjoin(out, out.c.job == jobs.c.id)
        .where(batches.c.account == _ACCOUNT, LIVE_BATCH, batches.c.state == literal(BatchState.UNCONFIRMED))
        .where(batches.c.due_at <= _NOW, *_none_of(batches.c.id, busy), LIVE_JOB, MAY_FIND_OUT)
    )


def _planned(out: sa.CTE, busy: Sequence[Mark], without: Sequence[Mark]) -> Sequence[Query]:
    due = _first_due(busy)
    first = batches.alias("first")
    lets_go = sa.or_(jobs.c.max_open.is_(None), first.c["items"] <= jobs.c.max_open - out.c["items"])
    fresh = _in_turn(first).join_from(jobs, first, first.c.id == due)
    others = _in_turn(first, out).join_from(out, jobs, jobs.c.id == out.c.job).join(first, first.c.id == due)
    of_account = (jobs.c.account == _ACCOUNT, LIVE_JOB, sa.not_(jobs.c.follow_only))
    may_plan = sa.and_(MAY_PLAN, *_none_of(jobs.c.id, without))
    return (
        fresh.where(*of_account, may_plan, jobs.c.id.not_in(sa.select(out.c.job))),
        others.where(may_plan, lets_go),  # found by those that are out, so not by the index of all that are live
    )


def _to_follow(busy: Sequence[Mark]) -> Query:
    first = batches.alias("first")
    turn = _in_turn(first).join_from(jobs, first, first.c.id == _first_due(busy))
    return turn.where(jobs.c.account == _ACCOUNT, LIVE_JOB, MAY_PLAN, jobs.c.follow_only)


def _first_due(busy: Sequence[Mark]) -> sa.ScalarSelect[str]:
    """The first planned batch of a job that may go out now."""
    return (
        sa.select(batches.c.id)
        .where(batches.c.job == jobs.c.id, UNSENT_BATCH, batches.c.state == literal(BatchState.PLANNED))
        .where(batches.c.due_at <= _NOW, *_none_of(batches.c.id, busy))
        .order_by(batches.c.number)
        .limit(1)
        .correlate(jobs)
        .scalar_subquery()
    )


def _none_of(column: sa.Column[Any], marks: Sequence[Mark]) -> Sequence[sa.ColumnElement[bool]]:
    return [column.not_in(marks)] if marks else []


def _in_turn(batch: sa.FromClause, out: sa.CTE | None = None) -> Query:
    """The first in the order of their turn; without `out` they are all of jobs that have nothing out."""
    has_out = sa.func.coalesce(out.c["items"], 0) if out is not None else sa.literal_column("0", sa.Integer)
    order = (jobs.c.priority, *([has_out] if out is not None else ()), jobs.c.created_at, jobs.c.id)
    return (
        sa.select(batch.c.id, batch.c["items"], batch.c.number, jobs.c.priority, has_out.label("out"))
        .add_columns(jobs.c.created_at, jobs.c.id.label("job"))
        .order_by(*order, *([batch.c.number] if batch is batches else ()))
        .limit(1)
    )


def _place(row: Row) -> tuple[Any, ...]:
    return row.priority, row.out, row.created_at, row.job, row.number


async def _first(connection: AsyncConnection, queries: Sequence[Query], values: Mapping[str, Any]) -> Row | None:
    found = [(await connection.execute(query, values)).one_or_none() for query in queries]
    return min(filter(None, found), key=_place, default=None)


async def _nothing_out(connection: AsyncConnection, account: str) -> bool:
    found = await connection.execute(_SOMETHING_OUT, {"account": account})
    return found.first() is None
