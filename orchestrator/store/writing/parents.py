"""Parents end after the items that were found under them, and some of them end as those did."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.domain.lifecycle import outcome_of_children
from orchestrator.domain.model import ItemState, JobId
from orchestrator.store.schema import FOUND_ITEM, OPEN_ITEM, items
from orchestrator.store.writing.comparison import Comparison
from orchestrator.store.writing.unit_of_work import chunks

_Place = tuple[JobId, int]


async def hold_parents(connection: AsyncConnection, comparison: Comparison) -> None:
    """While a child of it is open, a parent runs, whatever its status; a parent may be the child of another."""
    ending = {
        place
        for place, change in comparison.changes.items()
        if change.after.state.final and not change.before.state.final
    }
    held: set[int] = set()
    while open_parents := await _with_open_children(connection, comparison, ending):
        ending -= open_parents
        for place in open_parents:
            change = comparison.changes[place]
            change.after, change.finished_at = replace(change.after, state=ItemState.RUNNING), None
            if change.after == change.before:
                held.update(id(seen) for seen in change.said)
                del comparison.changes[place]
    if held:
        comparison.effective = [each for each in comparison.effective if id(each) not in held]
    await _end_as_children_did(connection, comparison, ending)


async def _end_as_children_did(connection: AsyncConnection, comparison: Comparison, ending: Collection[_Place]) -> None:
    by_children = [place for place in ending if comparison.changes[place].said[-1].by_children]
    if not by_children:
        return
    below: defaultdict[_Place, Counter[ItemState]] = defaultdict(Counter)
    for job, portion in _portions(by_children):
        query = sa.select(items.c.parent, items.c.state, sa.func.count()).where(items.c.job == job, FOUND_ITEM)
        query = query.where(items.c.parent.in_(portion), sa.not_(items.c.superseded))
        for seq, state, count in await connection.execute(query.group_by(items.c.parent, items.c.state)):
            below[job, seq][ItemState(state)] += count
    for (job, _), change in comparison.changes.items():
        if change.before.parent is not None:
            below[job, change.before.parent].update({change.before.state: -1})
            below[job, change.before.parent].update({change.after.state: 1})
    for each in comparison.found.values():
        below[each.batch.job, each.parent].update({each.seen.state: 1})
    for place in by_children:
        change = comparison.changes[place]
        change.after = replace(change.after, state=outcome_of_children(below[place]))


async def _with_open_children(
    connection: AsyncConnection, comparison: Comparison, ending: Collection[_Place]
) -> set[_Place]:
    """Those of these that have open children, once the page is written."""
    below: Counter[_Place] = Counter()
    for job, portion in _portions(place for place in ending if comparison.changes[place].before.found):
        query = sa.select(items.c.parent, sa.func.count()).where(items.c.job == job, FOUND_ITEM, OPEN_ITEM)
        query = query.where(items.c.parent.in_(portion), sa.not_(items.c.superseded)).group_by(items.c.parent)
        for seq, count in await connection.execute(query):
            below[job, seq] += count
    for (job, _), change in comparison.changes.items():
        if change.before.parent is not None:
            below[job, change.before.parent] += change.before.state.final - change.after.state.final
    for each in comparison.found.values():
        below[each.batch.job, each.parent] += each.seen.hint or not each.seen.state.final
    return {place for place in ending if below[place]}


def _portions(places: Iterable[_Place]) -> Iterator[tuple[JobId, list[int]]]:
    for job, some in groupby(sorted(places), itemgetter(0)):
        for portion in chunks([seq for _, seq in some]):
            yield job, list(portion)
