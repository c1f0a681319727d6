"""The bookkeeping of one transaction: events, counters, and the news for the caller.

A function that changes an item or a batch reports it here; `settle` (jobs/settling.py) then derives what follows for
batches and jobs, and writes it in the same transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import Micros
from orchestrator.domain.lifecycle import BatchEvent, IllegalTransitionError, next_batch_state
from orchestrator.domain.model import CREATION, Batch, BatchId, BatchState, Item, ItemState, JobId, Stage
from orchestrator.store.changes import JobChanged
from orchestrator.store.errors import StoreError
from orchestrator.store.ids import TimeOrderedIds
from orchestrator.store.reading.rows import COUNTERS, SELECT_BATCH_TO_SEND, batch_of
from orchestrator.store.schema import batches, events, items, jobs

_ADD_EVENTS = sa.insert(events)
_BATCH = SELECT_BATCH_TO_SEND.where(batches.c.id == sa.bindparam("in_batch"))

_OF_JOB = ("id",)
_OF_BATCH = ("job", "number")

UPDATE_ITEM = sa.update(items).where(items.c.job == sa.bindparam("in_job"), items.c.seq == sa.bindparam("at_seq"))
"""Changes one item, which `places_of` names."""

NOTHING_TO_SEND: Mapping[str, None] = {"method": None, "path": None, "headers": None, "body": None}

_SETTLE = (
    sa.update(batches)
    .where(batches.c.id == sa.bindparam("in_batch"))
    .values(state=BatchState.SETTLED, settled_at=sa.bindparam("at"), **NOTHING_TO_SEND)
)


@dataclass(frozen=True, slots=True)
class ItemPosition:
    """What decides how an item counts in its batch and job."""

    state: ItemState
    stage: Stage
    leaf: bool = True
    """Counted by its job: where items were found under it, those are."""
    found: bool = False
    """Not asked for: it takes no room of its own."""

    @classmethod
    def of(cls, item: Item) -> Self:
        return cls(item.state, item.stage, leaf=not item.found, found=item.parent is not None)

    @property
    def open(self) -> int:
        return 0 if self.state.final else 1

    @property
    def found_open(self) -> int:
        return self.open if self.found else 0

    @property
    def creating(self) -> int:
        return self.open if self.stage == CREATION else 0


class UnitOfWork:
    """What one transaction still has to write, and what it returns."""

    def __init__(self, connection: AsyncConnection, ids: TimeOrderedIds, now: Micros, actor: str | None = None) -> None:
        """`actor`: the user whose control this is, for its events; None for what the daemon does by itself."""
        self.connection = connection
        self.now = now
        self._actor = actor
        self.touched_batches: dict[BatchId, None] = {}
        self.touched_jobs: dict[JobId, None] = {}
        self.settled_batches: list[BatchId] = []
        self.job_changes: dict[JobId, JobChanged] = {}
        self._ids = ids
        self._events: list[dict[str, Any]] = []
        self._by_job: defaultdict[JobId, Counter[ItemState]] = defaultdict(Counter)
        self._found: defaultdict[JobId, Counter[str]] = defaultdict(Counter)
        self._by_batch: defaultdict[tuple[JobId, int], Counter[str]] = defaultdict(Counter)

    def new_id(self) -> str:
        return self._ids.make(self.now)

    def event(
        self,
        job: JobId | None,
        event: str,
        *,
        batch: int | None = None,
        seq: int | None = None,
        old: str | None = None,
        new: str | None = None,
        detail: str | None = None,
        actor: str | None = None,
    ) -> None:
        """Add a row to the history of a job; without a job, to that of an account or of the whole database."""
        self._events.append(
            {"at": self.now, "job": job, "batch": batch, "seq": seq, "actor": actor or self._actor}
            | {"event": event, "old": old, "new": new, "detail": detail}
        )

    def count(self, job: JobId, batch: int, before: ItemPosition, after: ItemPosition, items: int = 1) -> None:
        """Count items of a batch that went from one position to another."""
        self._by_job[job][before.state] -= items * before.leaf
        self._by_job[job][after.state] += items * after.leaf
        self._by_batch[job, batch]["open"] += items * (after.open - before.open)
        self._by_batch[job, batch]["creating"] += items * (after.creating - before.creating)
        self._by_batch[job, batch]["found_open"] += items * (after.found_open - before.found_open)
        self.touched_jobs[job] = None

    def add(self, job: JobId, batch: int, new: ItemPosition) -> None:
        """Count an item that was found."""
        self._by_job[job][new.state] += new.leaf
        self._by_batch[job, batch]["items"] += 1
        self._by_batch[job, batch]["open"] += new.open
        self._by_batch[job, batch]["creating"] += new.creating
        self._by_batch[job, batch]["found_open"] += new.found_open
        self.touched_jobs[job] = None

    def uncount(self, job: JobId, state: ItemState) -> None:
        """Stop counting an item in this state in its job."""
        self._by_job[job][state] -= 1
        self.touched_jobs[job] = None

    def recount(self, job: JobId, state: ItemState) -> None:
        """Count an item in this state in its job again."""
        self._by_job[job][state] += 1
        self.touched_jobs[job] = None

    def count_found(self, job: JobId, *, found: int, parents: int) -> None:
        """Count items that were found in a job, and their parents; negative numbers for those that no longer count."""
        self._found[job].update({"found": found, "parents": parents})
        self.touched_jobs[job] = None

    def count_job(self, job: JobId, before: ItemState, after: ItemState, items: int = 1) -> None:
        """Count items that changed in their job alone; the counters of their batches are written elsewhere."""
        self._by_job[job][before] -= items
        self._by_job[job][after] += items
        self.touched_jobs[job] = None

    async def batch(self, batch: BatchId) -> Batch:
        """The batch as it is now, with its submission; raises StoreError when there is none."""
        row = (await self.connection.execute(_BATCH, {"in_batch": batch})).one_or_none()
        if row is None:
            raise StoreError(f"there is no batch {batch}")
        return batch_of(row, to_send=True)

    async def move(self, batch: Batch, event: BatchEvent, *, note: str | None = None, **values: object) -> None:
        """Take a batch through its state machine and set these columns; `note` goes into its history.

        Raises:
            IllegalTransitionError: the event cannot happen to it; nothing is written.
        """
        after = next_batch_state(batch.state, event)
        if after is BatchState.SETTLED:
            values |= {"settled_at": self.now, **NOTHING_TO_SEND}
            self.settled_batches.append(batch.id)
        changes = {f"to_{name}": value for name, value in {"state": after, **values}.items()}
        update = _update_of_batch(tuple(sorted(changes)))
        moved = await self.connection.execute(update, changes | {"in_batch": batch.id, "from_state": batch.state})
        if moved.rowcount != 1:
            raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} is no longer {batch.state}")
        self.event(batch.job, event, batch=batch.number, old=batch.state, new=after, detail=note)
        self.touched_batches[batch.id] = None
        self.touched_jobs[batch.job] = None

    async def settle(self, ended: Sequence[Batch]) -> None:
        """`move` for many tracked batches whose end has come."""
        if not ended:
            return
        for batch in ended:
            after = next_batch_state(batch.state, BatchEvent.SETTLE)
            self.event(
                batch.job, BatchEvent.SETTLE, batch=batch.number, old=batch.state, new=after, detail=batch.status
            )
            self.settled_batches.append(batch.id)
            self.touched_batches[batch.id] = None
            self.touched_jobs[batch.job] = None
        rows = [{"in_batch": batch.id, "at": self.now} for batch in ended]
        await self.connection.execute(_SETTLE, rows)

    async def flush(self) -> None:
        """Write the counters and events gathered so far."""
        of_jobs = {job: _columns(self._by_job[job]) | self._found[job] for job in {*self._by_job, *self._found}}
        await self._add(jobs, _OF_JOB, {(job,): counts for job, counts in of_jobs.items()})
        await self._add(batches, _OF_BATCH, {place: dict(by_name) for place, by_name in self._by_batch.items()})
        if self._events:
            await self.connection.execute(_ADD_EVENTS, self._events)
        self._by_job.clear()
        self._found.clear()
        self._by_batch.clear()
        self._events = []

    async def _add(
        self, table: sa.Table, place: Sequence[str], counts: Mapping[tuple[object, ...], Mapping[str, int]]
    ) -> None:
        """Add to the counters of many rows: those of which the same counters change in one statement."""
        alike: defaultdict[tuple[str, ...], list[dict[str, object]]] = defaultdict(list)
        for values, by_name in counts.items():
            changes = {name: count for name, count in sorted(by_name.items()) if count}
            where = {f"in_{name}": value for name, value in zip(place, values, strict=True)}
            alike[tuple(changes)].append(where | {f"add_{name}": count for name, count in changes.items()})
        for names, rows in alike.items():
            if names:
                await self.connection.execute(_addition(table, tuple(place), names), rows)

    @property
    def jobs(self) -> tuple[JobChanged, ...]:
        """The jobs whose state or needs changed."""
        return tuple(self.job_changes.values())


# Executed with every change: to build a statement takes longer than to execute it. There are few sets of columns.


@cache
def _update_of_batch(changes: tuple[str, ...]) -> sa.Update:
    """Set the columns with these parameters, each `to_` and a name, of a batch that is still in the state it was."""
    update = sa.update(batches).where(
        batches.c.id == sa.bindparam("in_batch"), batches.c.state == sa.bindparam("from_state")
    )
    return update.values({batches.c[name.removeprefix("to_")]: sa.bindparam(name) for name in changes})


@cache
def _addition(table: sa.Table, place: tuple[str, ...], names: tuple[str, ...]) -> sa.Update:
    """Add to these counters of the row at this place."""
    update = sa.update(table).where(*(table.c[name] == sa.bindparam(f"in_{name}") for name in place))
    return update.values({name: table.c[name] + sa.bindparam(f"add_{name}", type_=sa.Integer) for name in names})


def places_of(chosen: Iterable[Item]) -> list[dict[str, object]]:
    """The parameters of `UPDATE_ITEM` for each of these items."""
    return [{"in_job": item.job, "at_seq": item.seq} for item in chosen]


def _columns(by_state: Mapping[ItemState, int]) -> dict[str, int]:
    return {COUNTERS[state].name: count for state, count in by_state.items()}
