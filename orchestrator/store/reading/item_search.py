"""Pages of one job's items for people: filtered by state and status, searched by key, found items with their parent.

The rows of a job lie together in the order of their numbers, and what a filter asks of them stands at their beginning.
So a page is read in that order, and ends with its last row: at most all rows of the job are read (50 ms for 100,000).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.domain.model import Item, ItemState, JobId
from orchestrator.store.chunks import chunks
from orchestrator.store.database.engine import Database
from orchestrator.store.reading.contains import contains
from orchestrator.store.reading.rows import SELECT_ITEM, item_of
from orchestrator.store.schema import items

SHOWN_OF_PARENT = 5
"""Found items that are listed with their parent; the others are a page of their own."""


@dataclass(frozen=True, slots=True)
class ItemFilter:
    """Which items of a job are listed. Without any condition: those asked for, with the found ones below them."""

    text: str = ""
    """Occurs in the key, without regard to case."""
    state: ItemState | None = None
    status: str | None = None
    """The platform's status, exactly."""
    parent: int | None = None
    """Only the items found under the item of this number."""

    @property
    def flat(self) -> bool:
        """Whether found items are listed like others."""
        return bool(self.text) or self.state is not None or self.status is not None or self.parent is not None


@dataclass(frozen=True, slots=True)
class ItemsFound:
    """One page, in order."""

    items: Sequence[Item]
    under: Mapping[int, Sequence[Item]]
    """The first few found items of each parent on the page, by its number."""
    parents: Mapping[int, str]
    """Keys of the parents of found items on the page, by number."""
    next: int | None
    """The following page begins after this number; None on the last page."""


NOTHING = ItemsFound((), {}, {}, None)
"""A page without items."""


class ItemSearch:
    """Questions of the page of one job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, job: JobId, wanted: ItemFilter, *, after: int, limit: int) -> ItemsFound:
        """At most `limit` items behind the number `after`."""
        conditions = [*_conditions(wanted), items.c.seq > after]
        read = await self._read(job, conditions, limit=limit + 1)
        found = read[:limit]
        under = {} if wanted.flat else await self._under(job, [item.seq for item in found if item.found])
        parents = await self._keys(job, {item.parent for item in found if item.parent is not None})
        return ItemsFound(found, under, parents, found[-1].seq if len(read) > limit else None)

    async def number_of(self, job: JobId, key: str) -> int | None:
        """The number of the item with this key; None if the job has none."""
        query = sa.select(items.c.seq).where(items.c.job == job, items.c.key == key)
        async with self._database.read() as connection:
            number: int | None = (await connection.execute(query)).scalar_one_or_none()
        return number

    async def _read(self, job: JobId, conditions: Sequence[sa.ColumnElement[bool]], *, limit: int) -> list[Item]:
        query = (
            SELECT_ITEM.where(items.c.job == job, sa.not_(items.c.superseded), *conditions)
            .order_by(items.c.seq)
            .limit(limit)
        )
        async with self._database.read() as connection:
            return [item_of(row) for row in (await connection.execute(query)).all()]

    async def _under(self, job: JobId, parents: Sequence[int]) -> Mapping[int, Sequence[Item]]:
        if not parents:
            return {}
        place = sa.func.row_number().over(partition_by=items.c.parent, order_by=items.c.seq).label("place")
        ranked = sa.select(items.c.seq, place).where(
            items.c.job == job, items.c.parent.in_(parents), items.c.parent.is_not(None), sa.not_(items.c.superseded)
        )
        few = ranked.subquery()
        query = sa.select(few.c.seq).where(few.c.place <= SHOWN_OF_PARENT)
        async with self._database.read() as connection:
            numbers = (await connection.execute(query)).scalars().all()
        under: defaultdict[int, list[Item]] = defaultdict(list)
        for portion in chunks(sorted(numbers)):
            for item in await self._read(job, [items.c.seq.in_(portion)], limit=len(portion)):
                if item.parent is not None:
                    under[item.parent].append(item)
        return under

    async def _keys(self, job: JobId, numbers: set[int]) -> Mapping[int, str]:
        if not numbers:
            return {}
        query = sa.select(items.c.seq, items.c.key).where(items.c.job == job, items.c.seq.in_(sorted(numbers)))
        async with self._database.read() as connection:
            return {row.seq: row.key for row in await connection.execute(query)}


def _conditions(wanted: ItemFilter) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.text:
        conditions.append(contains(items.c.key, wanted.text))
    if wanted.state is not None:
        conditions.append(items.c.state == wanted.state)
    if wanted.status is not None:
        conditions.append(items.c.status == wanted.status)
    if wanted.parent is not None:
        conditions += [items.c.parent == wanted.parent, items.c.parent.is_not(None)]
    elif not wanted.flat:
        conditions.append(items.c.parent.is_(None))
    return conditions
