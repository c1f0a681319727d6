"""Compares what the platform reported with the database. What changes is decided here and written by `reports.py`.

A page is compared on a read connection first: most pages change nothing, so that nothing is written and no writer
waits. What would change something is compared again inside the transaction that writes it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.domain.lifecycle import Change, Contradiction, Same, decide
from orchestrator.domain.model import (
    BatchKey,
    BatchReport,
    BatchState,
    ItemReport,
    JobId,
    Learned,
    Observation,
)
from orchestrator.domain.reported_limits import bounded
from orchestrator.store.chunks import chunks
from orchestrator.store.reading.rows import SELECT_ITEM, Row, item_of, previous_ids_of
from orchestrator.store.schema import batches, items, jobs, memory
from orchestrator.store.writing.found_items import hold_parents
from orchestrator.store.writing.planned_changes import Comparison, Found, ItemChange, KnownBatch

_COLUMNS = (
    batches.c.id,
    batches.c.job,
    batches.c.number,
    batches.c.key,
    batches.c.account,
    batches.c.state,
    batches.c.open,
    batches.c.remote_id,
    batches.c.status,
    batches.c.status_final,
    batches.c.worded,
    batches.c.detail,
    jobs.c.first_stage,
)
_KNOWN = sa.select(*_COLUMNS).join_from(batches, jobs)
_BATCHES = _KNOWN.where(batches.c.key.in_(sa.bindparam("keys", expanding=True)))
_NUMBERED = _KNOWN.where(
    batches.c.job == sa.bindparam("in_job"), batches.c.number.in_(sa.bindparam("numbers", expanding=True))
)

_IN_JOB = SELECT_ITEM.where(items.c.job == sa.bindparam("in_job"))
_REPORTED = slice(4, 9)
"""The columns of an item that a report sets: stage, state, status, remote id, detail."""
_BY_RANGE = _IN_JOB.where(items.c.seq.between(sa.bindparam("first"), sa.bindparam("last")))
# Numbers from the database, so literals are safe: binding a thousand parameters takes longer than the query.
_BY_SEQ = _IN_JOB.where(items.c.seq.in_(sa.bindparam("seqs", expanding=True, literal_execute=True)))
_BY_KEY = _IN_JOB.where(items.c.key.in_(sa.bindparam("keys", expanding=True)))

_NOT_OUT = frozenset({BatchState.PLANNED, BatchState.SUBMITTING})
"""Reports of such a batch are not applied: the answer to its submission comes first."""


_CLOSED = _NOT_OUT | {BatchState.SETTLED}
"""Nothing in such a batch is followed."""


async def compare(
    connection: AsyncConnection, observations: Sequence[Observation], account: str | None = None
) -> Comparison:
    """Compare observations with the rows, in their order; reads only. Long texts of what would change are cut."""
    comparison = Comparison()
    known = await _batches(connection, {each.batch for each in observations if not isinstance(each, Learned)})
    rows = _Rows()
    await rows.read(connection, observations, known)
    homes = await _homes(connection, observations, known, rows)
    for each in observations:
        if isinstance(each, ItemReport):
            batch = known.get(each.batch)
            if each.to_job:
                _compare_addressed(comparison, batch, homes, rows, each)
            else:
                _compare_item(comparison, batch, rows, each)
        elif isinstance(each, BatchReport) and each.batch in known:
            _compare_batch(comparison, known[each.batch], bounded(each))
    await hold_parents(connection, comparison)
    await _compare_learned(connection, comparison, observations, account or _account_of(known.values()))
    return comparison


# ---------------------------------------------------------------- reading


async def _batches(connection: AsyncConnection, keys: Iterable[BatchKey]) -> dict[BatchKey, KnownBatch]:
    found: dict[BatchKey, KnownBatch] = {}
    for portion in chunks(sorted(keys)):
        for row in (await connection.execute(_BATCHES, {"keys": portion})).all():
            batch = KnownBatch(*cast("tuple[Any, ...]", row))
            found[batch.key] = batch
    return found


_Homes = dict[tuple[JobId, int], KnownBatch]


async def _homes(
    connection: AsyncConnection,
    observations: Sequence[Observation],
    known: Mapping[BatchKey, KnownBatch],
    rows: "_Rows",
) -> _Homes:
    """The batches that hold the items which reports to whole jobs concern, by job and number."""
    homes = {(batch.job, batch.number): batch for batch in known.values()}
    wanted: defaultdict[JobId, set[int]] = defaultdict(set)
    for each in observations:
        if isinstance(each, ItemReport) and each.to_job and each.batch in known:
            job = known[each.batch].job
            for row in (rows.find(job, each), rows.parent_of(job, each)):
                if row is not None and (job, row.batch) not in homes:
                    wanted[job].add(row.batch)
    for job, numbers in wanted.items():
        for portion in chunks(sorted(numbers)):
            for row in (await connection.execute(_NUMBERED, {"in_job": job, "numbers": portion})).all():
                homes[job, row.number] = KnownBatch(*cast("tuple[Any, ...]", row))
    return homes


def _account_of(known: Iterable[KnownBatch]) -> str | None:
    return next((row.account for row in known), None)


class _Rows:
    """The items that a page names."""

    def __init__(self) -> None:
        self._by_seq: defaultdict[str, dict[int, Row]] = defaultdict(dict)
        self._by_key: defaultdict[str, dict[str, Row]] = defaultdict(dict)

    async def read(
        self, connection: AsyncConnection, observations: Sequence[Observation], known: Mapping[BatchKey, KnownBatch]
    ) -> None:
        seqs: defaultdict[str, set[int]] = defaultdict(set)
        keys: defaultdict[str, set[str]] = defaultdict(set)
        for each in observations:
            if not isinstance(each, ItemReport) or (batch := known.get(each.batch)) is None:
                continue
            if each.seq is not None:
                seqs[batch.job].add(each.seq)
            elif each.key is not None:
                keys[batch.job].add(each.key)
            if each.parent_key is not None:
                keys[batch.job].add(each.parent_key)
        for job, of_job in seqs.items():
            for numbers in chunks(sorted(of_job)):
                self._by_seq[job].update((row.seq, row) for row in await _numbered(connection, job, numbers))
        for job, named in keys.items():
            for names in chunks(sorted(named)):
                found = await connection.execute(_BY_KEY, {"in_job": job, "keys": names})
                self._by_key[job].update((row.key, row) for row in found.all())

    def find(self, job: str, seen: ItemReport) -> Row | None:
        """The row that the report is about; None if `seq` and `key` do not name the same one."""
        if seen.seq is None:
            return self._by_key[job].get(seen.key or "")
        row = self._by_seq[job].get(seen.seq)
        return row if row is None or seen.key is None or row.key == seen.key else None

    def parent_of(self, job: str, seen: ItemReport) -> Row | None:
        """The row of the item that it names as its parent by the key."""
        return self._by_key[job].get(seen.parent_key) if seen.parent_key is not None else None


async def _numbered(connection: AsyncConnection, job: str, seqs: Sequence[int]) -> Sequence[Row]:
    """The items of these ascending numbers; a few more where they lie close, for a range reads fastest."""
    first, last = seqs[0], seqs[-1]
    if last - first < 2 * len(seqs):
        return (await connection.execute(_BY_RANGE, {"in_job": job, "first": first, "last": last})).all()
    return (await connection.execute(_BY_SEQ, {"in_job": job, "seqs": seqs})).all()


# ---------------------------------------------------------------- deciding


def _compare_addressed(
    comparison: Comparison, batch: KnownBatch | None, homes: _Homes, rows: _Rows, seen: ItemReport
) -> None:
    """A report to a whole job concerns the batch that has its item, or else the one that has its parent."""
    if batch is None:
        return
    row, above = rows.find(batch.job, seen), rows.parent_of(batch.job, seen)
    home: KnownBatch | None = batch if seen.parent is not None else None
    if row is not None and not row.superseded:
        home = homes.get((batch.job, row.batch))
    elif above is not None and not above.superseded:
        home = homes.get((batch.job, above.batch))
        seen = msgspec.structs.replace(seen, parent=above.seq)
    elif seen.parent_key is not None:
        home = None
    if home is not None and home.state not in _CLOSED:
        _compare_item(comparison, home, rows, seen)


def _compare_item(comparison: Comparison, batch: KnownBatch | None, rows: _Rows, seen: ItemReport) -> None:
    row = rows.find(batch.job, seen) if batch is not None else None
    if batch is None or row is None or row.superseded or row.batch != batch.number:
        _compare_outside(comparison, batch, row, bounded(seen))
        return
    place = (batch.job, row.seq)
    comparison.matched.append(place)
    if batch.state in _NOT_OUT:
        return
    shown_again = batch.state == BatchState.BLOCKED and batch.remote_id and seen.stage == batch.first_stage
    if not shown_again and place not in comparison.changes and _is_unchanged(row, seen):
        return
    seen = bounded(seen)  # a report that equals its row is as short as that
    if shown_again:
        comparison.shown_again[batch.id] = None
        comparison.effective.append(seen)
    _change(comparison, batch, row, seen)


def _compare_outside(comparison: Comparison, batch: KnownBatch | None, row: Row | None, seen: ItemReport) -> None:
    """The report is about none of the batch's items."""
    if batch is not None and seen.parent is not None and (row is None or row.superseded):
        _compare_found(comparison, batch, row, seen)
    elif row is None:
        comparison.unknown_objects.append(seen)
    elif row.superseded or seen.parent is not None:
        pass
    elif seen.remote_id and seen.remote_id not in previous_ids_of(row.previous_ids):
        # The item is in another batch by now. Its earlier objects are known; any other is reported.
        comparison.unknown_objects.append(seen)


def _compare_found(comparison: Comparison, batch: KnownBatch, row: Row | None, seen: ItemReport) -> None:
    """What is reported below an item becomes an item, while its batch is followed.

    What was found before is history once its parent is done again, until the new run finds it too.
    """
    if seen.key is None or (row is None and batch.state == BatchState.SETTLED):
        comparison.unknown_objects.append(seen)
    elif batch.state == BatchState.TRACKING and (row is None or row.batch != batch.number):
        comparison.found[batch.job, seen.key] = Found(batch, seen, row.seq if row is not None else None)
        comparison.effective.append(seen)
        if not seen.known_status and seen.status is not None:
            comparison.unknown_statuses.append(seen.status)


def _is_unchanged(row: Row, seen: ItemReport) -> bool:
    """Whether the report equals the row: a fast path, as most of the thousand rows of a page are unchanged."""
    held = row[_REPORTED]
    return bool(held == (seen.stage, seen.state, seen.status, seen.remote_id or held[3], seen.detail))


def _change(comparison: Comparison, batch: KnownBatch, row: Row, seen: ItemReport) -> None:
    place = (batch.job, row.seq)
    changed = comparison.changes.get(place)
    item = changed.after if changed else item_of(row)
    match decide(item, seen):
        case Same():
            pass
        case Contradiction():
            comparison.contradictions.append(seen)
        case Change() as change:
            after = replace(
                item,
                stage=change.stage,
                state=change.state,
                status=change.status,
                remote_id=change.remote_id,
                detail=change.detail,
            )
            changed = changed or ItemChange(before=item, after=after)
            changed.after, changed.finished_at = after, seen.finished_at
            changed.facts = seen.facts or changed.facts
            changed.said.append(seen)
            comparison.changes[place] = changed
            comparison.touched[batch.id] = None
            comparison.effective.append(seen)
            if not seen.known_status and seen.status is not None:
                comparison.unknown_statuses.append(seen.status)


# ---------------------------------------------------------------- batches


def _compare_batch(comparison: Comparison, batch: KnownBatch, seen: BatchReport) -> None:
    if batch.state in _NOT_OUT or batch.state == BatchState.SETTLED:
        return
    final = seen.final or seen.status is None
    stale = batch.status_final and not final
    new_status = not stale and (
        (seen.status is not None and seen.status != batch.status)
        or final != batch.status_final
        or (seen.detail is not None and seen.detail != batch.detail)
    )
    final_status = batch.state == BatchState.TRACKING and batch.open == 0 and not batch.worded
    if batch.state == BatchState.BLOCKED and batch.remote_id:
        comparison.shown_again[batch.id] = None
    if new_status or final_status or batch.id in comparison.shown_again:
        comparison.batch_reports.append((batch, seen))
        comparison.effective.append(seen)


async def _compare_learned(
    connection: AsyncConnection, comparison: Comparison, observations: Sequence[Observation], account: str | None
) -> None:
    learned = [each for each in observations if isinstance(each, Learned)]
    if not learned:
        return
    if account is None:
        raise ValueError("something was learned about an account, and no account is given")
    query = sa.select(memory.c.name, memory.c.value).where(memory.c.account == account)
    known = {row.name: row.value for row in await connection.execute(query)}
    for each in learned:
        if known.get(each.name) != each.value:
            comparison.learned.append((account, each))
            comparison.effective.append(each)
