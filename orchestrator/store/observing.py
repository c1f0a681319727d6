"""Writes what a page of observations changed, and nothing else; see `weighing.py` for what it means."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.clock import SECOND
from orchestrator.domain.lifecycle import BatchEvent
from orchestrator.domain.model import BatchId, BatchSeen, ItemState, Stage
from orchestrator.store.changes import Ended
from orchestrator.store.ledger import Ledger, Standing
from orchestrator.store.memory import remember
from orchestrator.store.schema import batches, items
from orchestrator.store.weighing import KnownBatch, Turn, Weighed

_OWN_ENDS = frozenset({ItemState.SUCCEEDED, ItemState.PARTIAL, ItemState.FAILED})

_WRITE = (
    sa.update(items)
    .where(items.c.job == sa.bindparam("in_job"), items.c.seq == sa.bindparam("at_seq"))
    .values(
        stage=sa.bindparam("to_stage"),
        state=sa.bindparam("to_state"),
        status=sa.bindparam("to_status"),
        remote_id=sa.bindparam("to_remote_id"),
        detail=sa.bindparam("to_detail"),
        submitted_at=sa.bindparam("to_submitted_at"),
        finished_at=sa.bindparam("to_finished_at"),
    )
)


async def apply(ledger: Ledger, weighed: Weighed) -> None:
    """Write what changed, and nothing else."""
    for batch_id in weighed.shown_again:
        note = "the platform shows it again"
        await ledger.move(await ledger.batch(batch_id), BatchEvent.REOPEN, note=note, detail=None)
    await write_turns(ledger, list(weighed.turns.values()))
    for batch, seen in weighed.words:
        await _write_word(ledger, batch, seen)
    for account, learnt in weighed.learnt:
        await remember(ledger.connection, account, learnt.name, learnt.value)


async def write_turns(ledger: Ledger, turns: Sequence[Turn]) -> None:
    """Write items that changed, with their events and counts."""
    if not turns:
        return
    await ledger.connection.execute(_WRITE, [_as_written(turn, ledger.now) for turn in turns])
    touched = set()
    for turn in turns:
        before, after = turn.before, turn.after
        number = before.batch or 0
        touched.add((before.job, number))
        old, new = Standing(before.state, before.stage), Standing(after.state, after.stage)
        if old != new:
            ledger.count(before.job, number, old, new)
        if (before.state, before.status) != (after.state, after.status):
            told = " ".join(part for part in (after.status, after.detail) if part) or None
            ledger.event(
                before.job, "item", batch=number, seq=before.seq, old=before.state, new=after.state, detail=told
            )
    for job, number in touched:
        query = sa.select(batches.c.id).where(batches.c.job == job, batches.c.number == number)
        ledger.touched_batches[BatchId((await ledger.connection.execute(query)).scalar_one())] = None


def ended_in(weighed: Weighed, now: int) -> tuple[Ended, ...]:
    """The items that came to an end of their own, with what they took. What was never created took nothing."""
    return tuple(
        Ended(turn.before.job, turn.before.batch or 0, max(0, (turn.finished_at or now) - since) / SECOND)
        for turn in weighed.turns.values()
        if turn.after.state in _OWN_ENDS
        and turn.after.stage is not Stage.CREATION
        and not turn.before.state.final
        and (since := turn.before.submitted_at) is not None
    )


def _as_written(turn: Turn, now: int) -> dict[str, Any]:
    before, after = turn.before, turn.after
    leaves = before.state is ItemState.PENDING and after.state is not ItemState.PENDING
    return {
        "in_job": before.job,
        "at_seq": before.seq,
        "to_stage": after.stage,
        "to_state": after.state,
        "to_status": after.status,
        "to_remote_id": after.remote_id,
        "to_detail": after.detail,
        "to_submitted_at": before.submitted_at or (now if leaves else None),
        "to_finished_at": (turn.finished_at or now) if after.state.final else None,
    }


async def _write_word(ledger: Ledger, batch: KnownBatch, seen: BatchSeen) -> None:
    final = batch.status_final or seen.final or seen.status is None
    status = batch.status if seen.status is None or (batch.status_final and not seen.final) else seen.status
    told = {"detail": seen.detail} if seen.detail is not None else {}
    await ledger.connection.execute(
        sa.update(batches)
        .where(batches.c.id == batch.id)
        .values(status=status, status_final=final, worded=batch.worded or batch.open == 0, **told)
    )
    if status != batch.status:
        ledger.event(batch.job, "status", batch=batch.number, old=batch.status, new=status, detail=seen.detail)
    ledger.touched_batches[batch.id] = None
