"""Writes what a page of observations changed, and nothing else; see `weighing.py` for what it means."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.clock import SECOND
from orchestrator.domain.lifecycle import BatchEvent
from orchestrator.domain.model import CREATION, BatchSeen, ItemState
from orchestrator.store.changes import Ended, Place
from orchestrator.store.found import add
from orchestrator.store.ledger import Ledger, Standing
from orchestrator.store.memory import remember
from orchestrator.store.schema import batches, items
from orchestrator.store.weighing import ItemChange, KnownBatch, Weighed

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
        facts=sa.func.coalesce(sa.bindparam("to_facts", type_=sa.Text), items.c.facts),
    )
)

_WRITE_WORD = (
    sa.update(batches)
    .where(batches.c.id == sa.bindparam("in_batch"))
    .values(
        status=sa.bindparam("to_status"),
        status_final=sa.bindparam("to_final"),
        worded=sa.bindparam("to_worded"),
        detail=sa.func.coalesce(sa.bindparam("to_detail", type_=sa.Text), batches.c.detail),
    )
)


async def apply(ledger: Ledger, weighed: Weighed) -> Sequence[Place]:
    """Write what changed, and nothing else; returns the places of the items that were found."""
    for batch_id in weighed.shown_again:
        note = "the platform shows it again"
        await ledger.move(await ledger.batch(batch_id), BatchEvent.REOPEN, note=note, detail=None)
    await write_changes(ledger, list(weighed.changes.values()))
    places = await add(ledger, list(weighed.found.values()))
    ledger.touched_batches |= weighed.touched
    await _write_words(ledger, weighed.words)
    for account, learnt in weighed.learnt:
        await remember(ledger.connection, account, learnt.name, learnt.value)
    return places


async def write_changes(ledger: Ledger, changes: Sequence[ItemChange]) -> None:
    """Write items that changed, with their events and counts."""
    if not changes:
        return
    await ledger.connection.execute(_WRITE, [_as_written(change, ledger.now) for change in changes])
    for change in changes:
        before, after = change.before, change.after
        number = before.batch or 0
        old, new = Standing.of(before), Standing.of(after)
        if old != new:
            ledger.count(before.job, number, old, new)
        if (before.state, before.status) != (after.state, after.status):
            told = " ".join(part for part in (after.status, after.detail) if part) or None
            ledger.event(
                before.job, "item", batch=number, seq=before.seq, old=before.state, new=after.state, detail=told
            )


def ended_in(weighed: Weighed, now: int) -> tuple[Ended, ...]:
    """The items that came to an end of their own, with what they took. What was never created took nothing."""
    return tuple(
        Ended(change.before.job, change.before.batch or 0, max(0, (change.finished_at or now) - since) / SECOND)
        for change in weighed.changes.values()
        if change.after.state in _OWN_ENDS
        and change.after.stage != CREATION
        and not change.before.state.final
        and (since := change.before.submitted_at) is not None
    )


def _as_written(change: ItemChange, now: int) -> dict[str, Any]:
    before, after = change.before, change.after
    leaves = before.state is ItemState.PENDING and after.state is not ItemState.PENDING
    return {
        "in_job": before.job,
        "at_seq": before.seq,
        "to_stage": after.stage,
        "to_state": after.state,
        "to_status": after.status,
        "to_remote_id": after.remote_id,
        "to_detail": after.detail,
        "to_facts": change.facts,
        "to_submitted_at": before.submitted_at or (now if leaves else None),
        "to_finished_at": (change.finished_at or now) if after.state.final else None,
    }


async def _write_words(ledger: Ledger, words: Sequence[tuple[KnownBatch, BatchSeen]]) -> None:
    rows = []
    for batch, seen in words:
        status = batch.status if seen.status is None or (batch.status_final and not seen.final) else seen.status
        rows.append(
            {"in_batch": batch.id, "to_status": status, "to_detail": seen.detail}
            | {"to_final": batch.status_final or seen.final or seen.status is None}
            | {"to_worded": batch.worded or batch.open == 0}
        )
        if status != batch.status:
            ledger.event(batch.job, "status", batch=batch.number, old=batch.status, new=status, detail=seen.detail)
        ledger.touched_batches[batch.id] = None
    if rows:
        await ledger.connection.execute(_WRITE_WORD, rows)
