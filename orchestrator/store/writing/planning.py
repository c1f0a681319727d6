"""Batches that are planned after their job was committed: halves, retries, items that were not found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.domain.identity import batch_key, retry_lineage
from orchestrator.domain.model import Batch, BatchId, BatchState, Item, ItemState, JobId, Stage
from orchestrator.domain.submission import Resend
from orchestrator.store.account_memory import instance_of
from orchestrator.store.reading.items import ITEMS_OF_BATCH
from orchestrator.store.reading.rows import item_of, place_of, previous_ids_as_text
from orchestrator.store.schema import OPEN_ITEM, batches
from orchestrator.store.writing.jobs.leaving import leave, supersede
from orchestrator.store.writing.unit_of_work import UPDATE_ITEM, ItemPosition, UnitOfWork

_MOVE = UPDATE_ITEM.values(batch=sa.bindparam("to_batch"))
_SEND_AGAIN = UPDATE_ITEM.values(
    stage=sa.bindparam("to_stage"),
    state=ItemState.PENDING,
    attempts=sa.bindparam("to_attempts"),
    previous_ids=sa.bindparam("to_previous_ids"),
    status=None,
    remote_id=None,
    detail=None,
    submitted_at=None,
    finished_at=None,
    abort_sent_at=None,
)

_OPEN_OF_BATCH = ITEMS_OF_BATCH.where(OPEN_ITEM)
_UNSENT = frozenset({ItemState.CANCELLED, ItemState.PENDING})

Lineage = Callable[[Sequence[tuple[int, int]]], str]
"""From the items of a new batch, each with its number and attempt, to its lineage."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a new batch takes over from the job it belongs to."""

    job: JobId
    name: str
    account: str
    first_stage: Stage
    follow_only: bool = False

    @classmethod
    def of(cls, batch: Batch) -> Self:
        return cls(
            batch.job, batch.job_name, batch.account, batch.first_stage, follow_only=batch.resend is Resend.FOLLOW_ONLY
        )


async def key_of(connection: AsyncConnection, job_name: str, lineage: str, attempt: int) -> str:
    return batch_key(await instance_of(connection), job_name, lineage, attempt)


async def plan(
    unit: UnitOfWork,
    origin: Origin,
    attempts: Mapping[int, int],
    lineage: Lineage = retry_lineage,
    *,
    root: int | None = None,
) -> int:
    """Give pending items, by their number with their attempt, to a new planned batch; returns its number.

    The counters of the batches that they come from are not read: see `leave`.
    """
    newest = sa.select(sa.func.max(batches.c.number)).where(batches.c.job == origin.job)
    number: int = (await unit.connection.execute(newest)).scalar_one() + 1
    seqs, name = list(attempts), lineage(list(attempts.items()))
    # The same items may form a batch again, after an unsuccessful one: as another attempt, under another key.
    namesakes = sa.select(sa.func.max(batches.c.attempt)).where(batches.c.job == origin.job, batches.c.lineage == name)
    last: int | None = (await unit.connection.execute(namesakes)).scalar_one()
    attempt = 0 if last is None else last + 1
    batch = BatchId(unit.new_id())
    await unit.connection.execute(
        sa.insert(batches).values(
            id=batch,
            job=origin.job,
            account=origin.account,
            number=number,
            lineage=name,
            attempt=attempt,
            key=await key_of(unit.connection, origin.name, name, attempt),
            state=BatchState.PLANNED,
            items=len(seqs),
            open=len(seqs),
            creating=len(seqs) * _pending(origin).creating,
            first_seq=min(seqs),
            last_seq=max(seqs),
            root=root or number,
            resend=Resend.FOLLOW_ONLY if origin.follow_only else None,
        )
    )
    moves = [{"in_job": origin.job, "at_seq": seq, "to_batch": number} for seq in seqs]
    await unit.connection.execute(_MOVE, moves)
    unit.event(origin.job, "plan", batch=number, new=BatchState.PLANNED, detail=f"{len(seqs)} items, {name}")
    unit.touched_jobs[origin.job] = None
    return number


async def send_again(
    unit: UnitOfWork, origin: Origin, chosen: Sequence[Item], lineage: Lineage = retry_lineage, *, counts: bool = True
) -> None:
    """Take these items out of their batches, make them pending again, and plan one new batch for them.

    `counts`: it is another attempt, where they had been sent.
    """
    await supersede(unit, chosen)
    attempts = {item.seq: item.attempts + (counts and item.state not in _UNSENT) for item in chosen}
    await leave(unit, chosen)
    number = await plan(unit, origin, attempts, lineage)
    stage = _pending(origin).stage
    rows = []
    for item in chosen:
        ids = (*item.previous_ids, item.remote_id) if item.remote_id else item.previous_ids
        rows.append(
            {"in_job": item.job, "at_seq": item.seq, "to_stage": stage}
            | {"to_attempts": attempts[item.seq], "to_previous_ids": previous_ids_as_text(ids)}
        )
        unit.count_job(item.job, item.state, ItemState.PENDING)
        unit.event(
            item.job, "again", batch=number, seq=item.seq, old=item.state, new=ItemState.PENDING, detail=item.detail
        )
    await unit.connection.execute(_SEND_AGAIN, rows)


async def items_of(unit: UnitOfWork, batch: Batch, *, open_only: bool = False) -> list[Item]:
    """The items of a batch in order, without their requests."""
    query = _OPEN_OF_BATCH if open_only else ITEMS_OF_BATCH
    return [item_of(row) for row in await unit.connection.execute(query, place_of(batch))]


def _pending(origin: Origin) -> ItemPosition:
    return ItemPosition(ItemState.PENDING, origin.first_stage)
