"""Items that the platform does not list, batches without a final status, and aborts that were requested."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import sqlalchemy as sa

from orchestrator.domain.lifecycle import IllegalTransitionError
from orchestrator.domain.model import Batch, BatchId, BatchState, Item, ItemState, JobId
from orchestrator.store.chunks import chunks
from orchestrator.store.reading.rows import SELECT_ITEM, item_of, places
from orchestrator.store.schema import batches, items, jobs
from orchestrator.store.writing.planned_changes import ItemChange
from orchestrator.store.writing.reports import write_changes
from orchestrator.store.writing.unit_of_work import UPDATE_ITEM, UnitOfWork, places_of

_ONE = SELECT_ITEM.where(items.c.job == sa.bindparam("in_job"), items.c.seq == sa.bindparam("at_seq"))

_ABORT_SENT = UPDATE_ITEM.values(abort_sent_at=sa.bindparam("sent_at"))


async def to_attention(unit: UnitOfWork, unlisted: Sequence[Item], detail: str) -> int:
    """Set these items to `attention`, except those that changed since they were read. Returns how many changed.

    Items of a cancelled job end as `aborted`, as nothing more will be reported of them.
    """
    cancelled = await _cancelled(unit, {item.job for item in unlisted})
    changes = []
    for item in unlisted:
        found = (await unit.connection.execute(_ONE, {"in_job": item.job, "at_seq": item.seq})).one_or_none()
        if found is None:
            continue
        now = item_of(found)
        as_was = (now.state, now.batch, now.status) == (item.state, item.batch, item.status)
        if not as_was or now.state.final:
            continue
        if now.job in cancelled:
            reason = f"cancelled; {detail}, it may be on the platform"
            changes.append(ItemChange(before=now, after=replace(now, state=ItemState.ABORTED, detail=reason)))
        elif now.state is not ItemState.ATTENTION:
            changes.append(ItemChange(before=now, after=replace(now, state=ItemState.ATTENTION, detail=detail)))
    await write_changes(unit, changes)
    await _touch(unit, {(change.before.job, change.before.batch or 0) for change in changes})
    return len(changes)


async def _touch(unit: UnitOfWork, of: Collection[tuple[JobId, int]]) -> None:
    for portion in chunks(sorted(of)):
        here = places(portion)
        same = sa.and_(batches.c.job == here.c.job, batches.c.number == here.c.number)
        query = sa.select(batches.c.id).join_from(here, batches, same).order_by(batches.c.id)
        found = (await unit.connection.execute(query)).scalars()
        unit.touched_batches |= {BatchId(batch): None for batch in found}


async def _cancelled(unit: UnitOfWork, among: Collection[JobId]) -> set[JobId]:
    query = sa.select(jobs.c.id).where(jobs.c.id.in_(sorted(among)), jobs.c.cancelled_at.is_not(None))
    return {JobId(job) for job in (await unit.connection.execute(query)).scalars()}


async def settle_without_status(unit: UnitOfWork, batch: Batch) -> None:
    """Settle the batch, unless it is settled. Raises IllegalTransitionError if it has open items or is not tracked."""
    if batch.state is BatchState.SETTLED:
        return
    if batch.state is not BatchState.TRACKING or batch.open:
        raise IllegalTransitionError(f"a {batch.state} batch with {batch.open} open items cannot settle")
    await unit.connection.execute(sa.update(batches).where(batches.c.id == batch.id).values(worded=True))
    unit.touched_batches[batch.id] = None


async def mark_abort_sent(unit: UnitOfWork, asked: Sequence[Item]) -> None:
    if asked:
        rows = [place | {"sent_at": unit.now} for place in places_of(asked)]
        await unit.connection.execute(_ABORT_SENT, rows)
