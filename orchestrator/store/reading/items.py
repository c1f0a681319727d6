"""Reading items."""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import CREATION, Batch, BatchId, Item, ItemState, JobId, Stage
from orchestrator.domain.units import LATEST
from orchestrator.store.chunks import chunks
from orchestrator.store.database.engine import Database
from orchestrator.store.reading.rows import ITEMS_IN, SELECT_BATCH, SELECT_ITEM, batch_of, item_of, place_of, places
from orchestrator.store.schema import IN_BATCH, LIVE_BATCH, LIVE_JOB, OPEN_ITEM, batches, items, jobs

_CHUNK = 1000
_ABOVE = items.alias("above")
_PARENT_KEY = (
    sa.select(_ABOVE.c.key)
    .where(_ABOVE.c.job == items.c.job, _ABOVE.c.seq == items.c.parent)
    .scalar_subquery()
    .label("parent_key")
)

# Executed for every batch, or after every change: to build a statement takes longer than to execute it.
ITEMS_OF_BATCH = SELECT_ITEM.where(*ITEMS_IN).order_by(items.c.seq)
"""The items in a batch, in order; `place_of` names it."""
_OF_BATCH_WITH_REQUEST = ITEMS_OF_BATCH.add_columns(items.c.request)
_REQUEST_BYTES = sa.select(sa.func.coalesce(sa.func.sum(sa.func.length(items.c.request)), 0)).where(*ITEMS_IN)
_TO_ABORT = (
    SELECT_ITEM.select_from(jobs.join(batches).join(items, IN_BATCH))
    .where(LIVE_JOB, jobs.c.account == sa.bindparam("account"), jobs.c.cancelled_at.is_not(None), LIVE_BATCH)
    .where(OPEN_ITEM, items.c.stage != CREATION, items.c.parent.is_(None))
    .where(jobs.c.kind.in_(sa.bindparam("kinds", expanding=True)), items.c.remote_id.is_not(None))
    .where(
        sa.or_(
            items.c.abort_sent_at.is_(None),
            items.c.abort_sent_at < sa.bindparam("asked_before"),
            items.c.abort_sent_at > sa.bindparam("now"),  # the clock was set back since
        )
    )
    .order_by(items.c.job, items.c.seq)
    .limit(sa.bindparam("most"))
)


class Items:
    """Queries of items; a job's items are read in chunks of a thousand."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def stream(
        self,
        job: JobId,
        state: ItemState | None = None,
        *,
        with_request: bool = False,
        after: int = 0,
        superseded: bool = False,
    ) -> AsyncIterator[list[Item]]:
        """The items of a job in order, with their table rows; each chunk as it is when it is read.

        Begins behind the item of number `after`. What was found under an earlier run is left out, but for `superseded`.
        """
        last = after
        while chunk := await self.page(
            job, state, with_request=with_request, after=last, superseded=superseded, limit=_CHUNK
        ):
            yield chunk
            last = chunk[-1].seq

    async def page(
        self,
        job: JobId,
        state: ItemState | None = None,
        *,
        limit: int,
        with_request: bool = False,
        after: int = 0,
        superseded: bool = False,
    ) -> list[Item]:
        """The first `limit` items of what `stream` returns."""
        query = SELECT_ITEM.add_columns(items.c.row, items.c.facts, _PARENT_KEY).where(items.c.job == job)
        query = query.where(items.c.seq > after).order_by(items.c.seq).limit(limit)
        if not superseded:
            query = query.where(sa.not_(items.c.superseded))
        if with_request:
            query = query.add_columns(items.c.request)
        if state is not None:
            query = query.where(items.c.state == state)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [item_of(row, with_request=with_request, with_row=True) for row in rows]

    async def as_rows(self, job: JobId, states: Collection[ItemState]) -> AsyncIterator[list[Item]]:
        """The items of a job in one of these states without those under which others were found, in order.

        What was found has the table row of the item that it was found under.
        """
        above, top = items.alias("above"), items.alias("top")
        row = sa.func.coalesce(items.c.row, above.c.row, top.c.row).label("row")
        query = (
            SELECT_ITEM.add_columns(row, items.c.facts, above.c.key.label("parent_key"))
            .select_from(items)
            .join(above, sa.and_(above.c.job == items.c.job, above.c.seq == items.c.parent), isouter=True)
            .join(top, sa.and_(top.c.job == above.c.job, top.c.seq == above.c.parent), isouter=True)
            .where(items.c.job == job, items.c.found == 0, sa.not_(items.c.superseded))
            .where(items.c.state.in_(sorted(states)))
            .order_by(items.c.seq)
            .limit(_CHUNK)
        )
        last = 0
        while True:
            async with self._database.read() as connection:
                rows = (await connection.execute(query.where(items.c.seq > last))).all()
            if not rows:
                return
            chunk = [item_of(row, with_row=True) for row in rows]
            yield chunk
            last = chunk[-1].seq

    async def request_bytes(self, batch: Batch) -> int:
        """How large the requests of a batch's items are in all: before they are read into memory."""
        async with self._database.read() as connection:
            return int((await connection.execute(_REQUEST_BYTES, place_of(batch))).scalar_one())

    async def of_batch(self, batch: Batch, *, with_request: bool = True) -> list[Item]:
        """The items of a batch in order."""
        query = _OF_BATCH_WITH_REQUEST if with_request else ITEMS_OF_BATCH
        async with self._database.read() as connection:
            rows = (await connection.execute(query, place_of(batch))).all()
        return [item_of(row, with_request=with_request) for row in rows]

    async def open_in(
        self,
        of: Sequence[BatchId],
        stages: Collection[Stage],
        *,
        but: Collection[tuple[JobId, int]] = frozenset(),
        objects: Collection[str] = frozenset(),
    ) -> list[Item]:
        """The open items of these batches in one of these stages, without their requests.

        `but`: items, by job and number, that are left out. `objects`: unless empty, only items with these remote ids.
        Mostly few of very many remain, so their numbers are collected first, and only these are read whole.
        """
        asked = (OPEN_ITEM, items.c.stage.in_(sorted(stages)))
        places = sa.select(items.c.job, items.c.seq, items.c.remote_id).join_from(batches, items, IN_BATCH)
        left: defaultdict[JobId, list[int]] = defaultdict(list)
        for portion in chunks(list(of)):
            async with (
                self._database.read() as connection,
                connection.stream(places.where(*asked, batches.c.id.in_(portion))) as read,
            ):
                async for chunk in read.partitions(_CHUNK):
                    for job, seq, remote_id in chunk:
                        if (job, seq) not in but and (not objects or remote_id in objects):
                            left[job].append(seq)
        query = SELECT_ITEM.where(*asked).order_by(items.c.seq)
        found: list[Item] = []
        for job, seqs in left.items():
            for numbers in chunks(seqs):
                async with self._database.read() as connection:
                    rows = await connection.execute(query.where(items.c.job == job, items.c.seq.in_(numbers)))
                    found += [item_of(row) for row in rows]
        return found

    async def in_portions(
        self, of: Sequence[BatchId], stages: Collection[Stage], size: int
    ) -> AsyncIterator[tuple[Item, ...]]:
        """The open items of these batches in one of these stages with their requests, so many at a time.

        Each portion as it is when it is read: what is found meanwhile may be in a later one.
        """
        query = (
            SELECT_ITEM.add_columns(items.c.request)
            .join_from(batches, items, IN_BATCH)
            .where(OPEN_ITEM, items.c.stage.in_(sorted(stages)), sa.not_(items.c.superseded))
            .order_by(items.c.job, items.c.seq)
            .limit(size)
        )
        for portion in chunks(list(of)):
            last = ("", 0)
            while True:
                behind = sa.tuple_(items.c.job, items.c.seq) > last
                async with self._database.read() as connection:
                    rows = await connection.execute(query.where(batches.c.id.in_(portion), behind))
                    found = tuple(item_of(row, with_request=True) for row in rows)
                if not found:
                    break
                yield found
                last = (found[-1].job, found[-1].seq)

    async def to_abort(
        self, account: str, kinds: Collection[str], *, limit: int, asked_before: Micros = 0, now: Micros = LATEST
    ) -> list[tuple[Batch, Item]]:
        """What became of items of cancelled jobs, and was not asked to stop since `asked_before`; with their batches.

        `kinds`: those of which something can be stopped. What was found ends with the item that it was found under.
        """
        values: dict[str, Any] = {"account": account, "kinds": sorted(kinds), "most": limit}
        values |= {"asked_before": asked_before, "now": now}
        async with self._database.read() as connection:
            found = [item_of(row) for row in (await connection.execute(_TO_ABORT, values)).all()]
            wanted = {(item.job, item.batch or 0) for item in found}
            if not wanted:
                return []
            here = places(sorted(wanted))
            same = sa.and_(batches.c.job == here.c.job, batches.c.number == here.c.number)
            of = SELECT_BATCH.join(here, same).where(LIVE_BATCH)
            by_place = {(row.job, row.number): batch_of(row) for row in await connection.execute(of)}
        return [(by_place[item.job, item.batch], item) for item in found if (item.job, item.batch) in by_place]
