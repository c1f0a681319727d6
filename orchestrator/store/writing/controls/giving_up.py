"""`give-up`: an operator ends items that the platform does not bring to an end. Nothing is aborted there.

The inside of one transaction. What the platform says of such an item later is compared as ever: a status that
contradicts is counted, not applied.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from orchestrator.domain.lifecycle import GIVEN_UP, BatchEvent
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.model import Batch, BatchState, Item, ItemState, JobId
from orchestrator.store.chunks import chunks
from orchestrator.store.errors import ControlRefusedError
from orchestrator.store.reading.rows import ITEMS_IN, SELECT_BATCH, Row, batch_of, place_of
from orchestrator.store.schema import LIVE_BATCH, OPEN_ITEM, batches, items
from orchestrator.store.writing.jobs.leaving import leave
from orchestrator.store.writing.planning import Origin, items_of, plan
from orchestrator.store.writing.unit_of_work import ItemPosition, UnitOfWork

_IN_DOUBT = frozenset({BatchState.SUBMITTING, BatchState.UNCONFIRMED})


async def give_up(unit: UnitOfWork, row: Row, keys: Sequence[str], user: str) -> int:
    """End the open items of a job, or those with these keys, as failed; returns how many.

    Raises:
        ControlRefusedError: a key that the job does not have, or a batch that is being sent at this moment.
    """
    job, detail = JobId(row.id), f"{GIVEN_UP}{user}"
    wanted = await _numbered(unit, row, keys) if keys else None
    ended = 0
    for batch in await _live(unit, job):
        held = await items_of(unit, batch, open_only=True)
        chosen = [item for item in held if wanted is None or item.seq in wanted]
        if chosen or (wanted is None and not batch.open):
            await _end(unit, batch, chosen, detail)
            await _close(unit, batch, [item for item in held if wanted is not None and item.seq not in wanted])
        ended += len(chosen)
    if ended:
        unit.event(job, "give_up", detail=f"{counted(ended, 'item')}, by {user}")
    unit.touched_jobs[job] = None
    return ended


async def _numbered(unit: UnitOfWork, row: Row, keys: Sequence[str]) -> set[int]:
    found: dict[str, int] = {}
    for portion in chunks(sorted(set(keys))):
        query = sa.select(items.c.key, items.c.seq).where(items.c.job == row.id, items.c.key.in_(portion))
        found |= {each.key: each.seq for each in await unit.connection.execute(query)}
    if unknown := set(keys) - found.keys():
        raise ControlRefusedError(f"{row.name} has no item {', '.join(sorted(unknown)[:10])}")
    return set(found.values())


async def _live(unit: UnitOfWork, job: JobId) -> list[Batch]:
    query = SELECT_BATCH.where(batches.c.job == job, LIVE_BATCH).order_by(batches.c.number)
    return [batch_of(row) for row in await unit.connection.execute(query)]


async def _end(unit: UnitOfWork, batch: Batch, chosen: Sequence[Item], detail: str) -> None:
    """The status stays as the platform said it last: it shows what was given up."""
    for portion in chunks([item.seq for item in chosen]):
        await unit.connection.execute(
            sa.update(items)
            .where(*ITEMS_IN, items.c.seq.in_(portion), OPEN_ITEM)
            .values(state=ItemState.FAILED, detail=detail, finished_at=unit.now),
            place_of(batch),
        )
    for position, count in Counter(map(ItemPosition.of, chosen)).items():
        unit.count(batch.job, batch.number, position, replace(position, state=ItemState.FAILED), count)
    unit.event(batch.job, "give_up", batch=batch.number, new=ItemState.FAILED, detail=counted(len(chosen), "item"))


async def _close(unit: UnitOfWork, batch: Batch, kept: Sequence[Item]) -> None:
    """What becomes of a batch of which only `kept` is still open."""
    if batch.state is BatchState.SUBMITTING or (kept and batch.state in _IN_DOUBT):
        raise ControlRefusedError(
            f"batch {batch.number} of {batch.job_name} is {batch.state}: whether it arrived is not known yet. Try "
            "again in a few minutes" + ("" if batch.state is BatchState.SUBMITTING else ", or give up the whole job")
        )
    await unit.flush()
    match batch.state:
        case BatchState.PLANNED:
            if kept:  # under another key: the bytes that may be stored under this one have the others in them
                await leave(unit, kept)
                await plan(unit, Origin.of(batch), {item.seq: item.attempts for item in kept}, root=batch.root)
            await unit.move(batch, BatchEvent.ABANDON)
        case BatchState.UNCONFIRMED:
            await unit.move(batch, BatchEvent.ABANDON, in_doubt=False)
        case BatchState.BLOCKED if not kept:
            await unit.move(batch, BatchEvent.ABANDON)
        case BatchState.TRACKING if not kept:
            await unit.connection.execute(sa.update(batches).where(batches.c.id == batch.id).values(worded=True))
            unit.touched_batches[batch.id] = None
        case _:
            unit.touched_batches[batch.id] = None
