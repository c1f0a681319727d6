"""Writes what a page of observations changed, and nothing else; see `compare.py` for what it means."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orchestrator.clock import SECOND
from orchestrator.domain.lifecycle import BatchEvent
from orchestrator.domain.model import CREATION, BatchReport, ItemState
from orchestrator.domain.reported_limits import end_of
from orchestrator.store.account_memory import remember
from orchestrator.store.changes import Ended, Place
from orchestrator.store.schema import batches, items
from orchestrator.store.writing.found_items import add
from orchestrator.store.writing.planned_changes import Comparison, ItemChange, KnownBatch
from orchestrator.store.writing.unit_of_work import UPDATE_ITEM, ItemPosition, UnitOfWork

_OWN_ENDS = frozenset({ItemState.SUCCEEDED, ItemState.PARTIAL, ItemState.FAILED})

_WRITE = UPDATE_ITEM.values(
    stage=sa.bindparam("to_stage"),
    state=sa.bindparam("to_state"),
    status=sa.bindparam("to_status"),
    remote_id=sa.bindparam("to_remote_id"),
    detail=sa.bindparam("to_detail"),
    submitted_at=sa.bindparam("to_submitted_at"),
    finished_at=sa.bindparam("to_finished_at"),
    facts=sa.func.coalesce(sa.bindparam("to_facts", type_=sa.Text), items.c.facts),
)

_WRITE_STATUS = (
    sa.update(batches)
    .where(batches.c.id == sa.bindparam("in_batch"))
    .values(
        status=sa.bindparam("to_status"),
        status_final=sa.bindparam("to_final"),
        worded=sa.bindparam("to_worded"),
        detail=sa.func.coalesce(sa.bindparam("to_detail", type_=sa.Text), batches.c.detail),
    )
)


async def apply(unit: UnitOfWork, comparison: Comparison) -> Sequence[Place]:
    """Write what changed, and nothing else; returns the places of the items that were found."""
    for batch_id in comparison.shown_again:
        note = "the platform shows it again"
        await unit.move(await unit.batch(batch_id), BatchEvent.REOPEN, note=note, detail=None)
    await write_changes(unit, list(comparison.changes.values()))
    places = await add(unit, list(comparison.found.values()))
    unit.touched_batches |= comparison.touched
    await _write_statuses(unit, comparison.batch_reports)
    for account, learned in comparison.learned:
        await remember(unit.connection, account, learned.name, learned.value)
    return places


async def write_changes(unit: UnitOfWork, changes: Sequence[ItemChange]) -> None:
    """Write items that changed, with their events and counts."""
    if not changes:
        return
    await unit.connection.execute(_WRITE, [_as_written(change, unit.now) for change in changes])
    for change in changes:
        before, after = change.before, change.after
        number = before.batch or 0
        old, new = ItemPosition.of(before), ItemPosition.of(after)
        if old != new:
            unit.count(before.job, number, old, new)
        if (before.state, before.status) != (after.state, after.status):
            detail = " ".join(part for part in (after.status, after.detail) if part) or None
            unit.event(
                before.job, "item", batch=number, seq=before.seq, old=before.state, new=after.state, detail=detail
            )


def ended_in(comparison: Comparison, now: int) -> tuple[Ended, ...]:
    """The items that ended by themselves, with their durations; not those that were never created."""
    return tuple(
        Ended(change.before.job, change.before.batch or 0, max(0, end_of(change.finished_at, now) - since) / SECOND)
        for change in comparison.changes.values()
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
        "to_finished_at": end_of(change.finished_at, now) if after.state.final else None,
    }


async def _write_statuses(unit: UnitOfWork, reports: Sequence[tuple[KnownBatch, BatchReport]]) -> None:
    rows = []
    for batch, seen in reports:
        status = batch.status if seen.status is None or (batch.status_final and not seen.final) else seen.status
        rows.append(
            {"in_batch": batch.id, "to_status": status, "to_detail": seen.detail}
            | {"to_final": batch.status_final or seen.final or seen.status is None}
            | {"to_worded": batch.worded or batch.open == 0}
        )
        if status != batch.status:
            unit.event(batch.job, "status", batch=batch.number, old=batch.status, new=status, detail=seen.detail)
        unit.touched_batches[batch.id] = None
    if rows:
        await unit.connection.execute(_WRITE_STATUS, rows)
