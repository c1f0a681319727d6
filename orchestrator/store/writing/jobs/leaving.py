"""Items that leave their batch: for another one, or for history."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.domain.model import Item, JobId
from orchestrator.store.chunks import chunks
from orchestrator.store.reading.rows import SELECT_ITEM, item_of
from orchestrator.store.schema import FOUND_ITEM, batches, items
from orchestrator.store.writing.unit_of_work import UPDATE_ITEM, ItemPosition, UnitOfWork, places_of

_SUPERSEDE = UPDATE_ITEM.values(superseded=True, found=0)
_CHILDLESS = UPDATE_ITEM.values(found=0)


async def leave(unit: UnitOfWork, gone: Sequence[Item]) -> None:
    """Subtract items that a new batch takes over from the counters of their batches."""
    by_batch: defaultdict[tuple[JobId, int], list[ItemPosition]] = defaultdict(list)
    for item in gone:
        by_batch[item.job, item.batch or 0].append(ItemPosition.of(item))
    for (job, number), positions in by_batch.items():
        await unit.connection.execute(
            sa.update(batches)
            .where(batches.c.job == job, batches.c.number == number)
            .values(
                items=batches.c["items"] - len(positions),
                open=batches.c.open - sum(each.open for each in positions),
                creating=batches.c.creating - sum(each.creating for each in positions),
                found_open=batches.c.found_open - sum(each.found_open for each in positions),
            )
        )


async def supersede(unit: UnitOfWork, parents: Sequence[Item]) -> None:
    """Turn items that were found under these into history, as their parents are done again: they no longer count."""
    gone: list[Item] = []
    level = [item for item in parents if item.found]
    for item in level:
        unit.count_found(item.job, found=0, parents=-1)
        unit.recount(item.job, item.state)
    while level:
        below = await _under(unit.connection, level)
        gone += below
        level = [item for item in below if item.found]
        for item in level:
            unit.count_found(item.job, found=0, parents=-1)
    if not gone:
        return
    await leave(unit, gone)
    for item in gone:
        unit.count_found(item.job, found=-1, parents=0)
        if not item.found:
            unit.uncount(item.job, item.state)
    await unit.connection.execute(_SUPERSEDE, places_of(gone))
    await unit.connection.execute(_CHILDLESS, places_of(item for item in parents if item.found))


async def _under(connection: AsyncConnection, parents: Iterable[Item]) -> list[Item]:
    by_job: defaultdict[JobId, list[int]] = defaultdict(list)
    for item in parents:
        by_job[item.job].append(item.seq)
    found: list[Item] = []
    for job, seqs in by_job.items():
        for portion in chunks(seqs):
            query = SELECT_ITEM.where(items.c.job == job, FOUND_ITEM, items.c.parent.in_(portion))
            rows = await connection.execute(query.where(sa.not_(items.c.superseded)))
            found += [item_of(row) for row in rows]
    return found
