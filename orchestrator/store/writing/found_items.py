"""Items that are found: what a platform reports below an item that was asked for becomes an item of the job by itself.

A found item is counted and followed like any other; it is never sent, and its parent ends after it. A job counts its
leaves: where items were found under an item, those are counted in its place.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import Micros
from orchestrator.domain.lifecycle import outcome_of_children
from orchestrator.domain.model import Item, ItemReport, ItemState, JobId
from orchestrator.domain.reported_limits import end_of
from orchestrator.store.changes import Place
from orchestrator.store.chunks import chunks
from orchestrator.store.reading.rows import SELECT_ITEM, item_of
from orchestrator.store.schema import FOUND_ITEM, OPEN_ITEM, batches, items
from orchestrator.store.writing.planned_changes import Comparison, Found
from orchestrator.store.writing.unit_of_work import UPDATE_ITEM, ItemPosition, UnitOfWork

_ADD = sa.insert(items)
_REVIVE = UPDATE_ITEM.values(
    batch=sa.bindparam("to_batch"),
    parent=sa.bindparam("to_parent"),
    stage=sa.bindparam("to_stage"),
    state=sa.bindparam("to_state"),
    status=sa.bindparam("to_status"),
    remote_id=sa.bindparam("to_remote_id"),
    detail=sa.bindparam("to_detail"),
    facts=sa.bindparam("to_facts"),
    submitted_at=sa.bindparam("to_submitted_at"),
    finished_at=sa.bindparam("to_finished_at"),
    superseded=False,
)
_WIDEN = (
    sa.update(batches)
    .where(batches.c.job == sa.bindparam("in_job"), batches.c.number == sa.bindparam("at_number"))
    .values(
        first_seq=sa.case(
            (batches.c.first_seq > sa.bindparam("first", type_=sa.Integer), sa.bindparam("first", type_=sa.Integer)),
            else_=batches.c.first_seq,
        ),
        last_seq=sa.case(
            (batches.c.last_seq < sa.bindparam("last", type_=sa.Integer), sa.bindparam("last", type_=sa.Integer)),
            else_=batches.c.last_seq,
        ),
    )
)
_SET_FOUND = UPDATE_ITEM.values(found=sa.bindparam("to_found"))


async def add(unit: UnitOfWork, found: Sequence[Found]) -> list[Place]:
    """Make items of what was found, and revive those that an earlier run of their parent had; returns their places."""
    by_job: defaultdict[JobId, list[Found]] = defaultdict(list)
    for each in found:
        by_job[each.batch.job].append(each)
    places: list[Place] = []
    for job, of_job in by_job.items():
        parents = await _parents(unit.connection, job, {each.parent for each in of_job})
        places += await _add_to(unit, job, [each for each in of_job if each.parent in parents], parents)
    return places


async def _add_to(unit: UnitOfWork, job: JobId, found: Sequence[Found], parents: Mapping[int, Item]) -> list[Place]:
    newest = sa.select(sa.func.max(items.c.seq)).where(items.c.job == job)
    last: int = (await unit.connection.execute(newest)).scalar_one()
    new: list[dict[str, Any]] = []
    again: list[dict[str, Any]] = []
    within: defaultdict[int, list[int]] = defaultdict(list)
    under: defaultdict[int, int] = defaultdict(int)
    for each in found:
        report = _first_report(each.seen)
        if each.superseded is None:
            last += 1
            new.append({"job": job, "seq": last, "key": each.seen.key} | _as_columns(each, report, unit.now))
        else:
            columns = _as_columns(each, report, unit.now)
            again.append({"in_job": job, "at_seq": each.superseded} | {f"to_{name}": columns[name] for name in columns})
        seq = last if each.superseded is None else each.superseded
        unit.add(job, each.batch.number, ItemPosition(report.state, report.stage, found=True))
        unit.event(job, "found", batch=each.batch.number, seq=seq, new=report.state, detail=report.status)
        unit.touched_batches[each.batch.id] = None
        within[each.batch.number].append(seq)
        under[each.parent] += 1
    for portion in chunks(new, 500):
        await unit.connection.execute(_ADD, portion)
    if again:
        await unit.connection.execute(_REVIVE, again)
    widened = [
        {"in_job": job, "at_number": number, "first": min(seqs), "last": max(seqs)} for number, seqs in within.items()
    ]
    if widened:
        await unit.connection.execute(_WIDEN, widened)
    await _count_under(unit, under, parents)
    return [(job, seq) for seqs in within.values() for seq in seqs]


async def _count_under(unit: UnitOfWork, under: Mapping[int, int], parents: Mapping[int, Item]) -> None:
    """A parent's own state counts no longer once it has children."""
    for seq, count in under.items():
        parent = parents[seq]
        unit.count_found(parent.job, found=count, parents=0 if parent.found else 1)
        if not parent.found:
            unit.uncount(parent.job, parent.state)
    rows = [
        {"in_job": parents[seq].job, "at_seq": seq, "to_found": parents[seq].found + count}
        for seq, count in under.items()
    ]
    if rows:
        await unit.connection.execute(_SET_FOUND, rows)


async def _parents(connection: AsyncConnection, job: JobId, seqs: Collection[int]) -> dict[int, Item]:
    found: dict[int, Item] = {}
    for portion in chunks(sorted(seqs)):
        query = SELECT_ITEM.where(items.c.job == job, items.c.seq.in_(portion), sa.not_(items.c.superseded))
        found |= {row.seq: item_of(row) for row in await connection.execute(query)}
    return found


def _first_report(seen: ItemReport) -> ItemReport:
    """What a first report makes of an item; one that may be stale shows that it is there, and not how it ended."""
    if seen.hint and seen.state.final:
        return msgspec.structs.replace(seen, state=ItemState.SUBMITTED, status=None, detail=None)
    return seen


def _as_columns(found: Found, report: ItemReport, now: Micros) -> dict[str, Any]:
    return {
        "batch": found.batch.number,
        "parent": found.parent,
        "stage": report.stage,
        "state": report.state,
        "status": report.status,
        "remote_id": report.remote_id,
        "detail": report.detail,
        "facts": report.facts,
        "submitted_at": None if report.state is ItemState.PENDING else now,
        "finished_at": end_of(report.finished_at, now) if report.state.final else None,
    }


# ---------------------------------------------------------------- parents

_Position = tuple[JobId, int]


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


async def _end_as_children_did(
    connection: AsyncConnection, comparison: Comparison, ending: Collection[_Position]
) -> None:
    by_children = [place for place in ending if comparison.changes[place].said[-1].by_children]
    if not by_children:
        return
    below: defaultdict[_Position, Counter[ItemState]] = defaultdict(Counter)
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
    connection: AsyncConnection, comparison: Comparison, ending: Collection[_Position]
) -> set[_Position]:
    """Those of these that have open children, once the page is written."""
    below: Counter[_Position] = Counter()
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


def _portions(places: Iterable[_Position]) -> Iterator[tuple[JobId, list[int]]]:
    for job, some in groupby(sorted(places), itemgetter(0)):
        for portion in chunks([seq for _, seq in some]):
            yield job, list(portion)
