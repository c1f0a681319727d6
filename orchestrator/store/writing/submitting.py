"""Moves a batch from planned to tracking, and records what becomes of one that is refused or whose answer is lost.

Each function is the inside of one transaction; `advance.py` says what each is for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.identity import halves_of
from orchestrator.domain.lifecycle import BatchEvent, IllegalTransitionError
from orchestrator.domain.model import Batch, BatchState, Item, ItemReport, ItemState, JobState, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.store.errors import StoreError
from orchestrator.store.outbox import RESULT
from orchestrator.store.reading.rows import ITEMS_IN, LARGEST_BODY, as_text, place_of, previous_ids_as_text
from orchestrator.store.schema import LIVE_BATCH, UNSENT_BATCH, batches, items, jobs, outbox
from orchestrator.store.writing.compare import compare
from orchestrator.store.writing.jobs.job_states import needs_of, set_job
from orchestrator.store.writing.jobs.leaving import leave
from orchestrator.store.writing.planning import Origin, items_of, key_of, plan
from orchestrator.store.writing.reports import apply
from orchestrator.store.writing.unit_of_work import NOTHING_TO_SEND, UPDATE_ITEM, ItemPosition, UnitOfWork, places_of

NEVER_SENT: Mapping[str, object] = {
    "first_sent_at": None,
    "sent_at": None,
    "sent_by": None,
    "searched_at": None,
    "in_doubt": False,
    "key_void": False,
    "resend": None,
}
"""The columns of a batch whose next submission has another key or is another step: it was not sent yet."""
_STEPPED = UPDATE_ITEM.values(remote_id=sa.bindparam("to_id"), status=sa.bindparam("to_status"))
_SUBMIT_PENDING = (
    sa.update(items)
    .where(*ITEMS_IN, items.c.state == ItemState.PENDING)
    .values(state=ItemState.SUBMITTED, submitted_at=sa.bindparam("at"))
)
_JOB = sa.select(jobs).where(jobs.c.id == sa.bindparam("in_job"))
_HELD = sa.select(jobs.c.paused, jobs.c.stopped, jobs.c.cancelled_at).where(jobs.c.id == sa.bindparam("in_job"))

# ---------------------------------------------------------------- sending


def as_chosen(batch: Batch, chosen: Batch) -> None:
    """Raise IllegalTransitionError when a batch has changed since it was chosen to be sent."""
    if (batch.state, batch.key, batch.key_void) != (chosen.state, chosen.key, chosen.key_void):
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} is not what it was when it was chosen")


async def begin(unit: UnitOfWork, batch: Batch, submission: Submission, user: str, server_now: Micros | None) -> None:
    await _still_wanted(unit, batch)
    stored: dict[str, object] = {}
    if batch.submission is None:
        stored = {"method": submission.method, "path": submission.path, "body": submission.body}
        stored |= {"headers": as_text(dict(submission.headers)), "pipeline": submission.pipeline}
        stored |= _rule_of(submission)
    if batch.first_sent_at is None:
        stored |= {"first_sent_at": server_now or unit.now, "sent_by": user}
    await unit.move(batch, BatchEvent.BEGIN, note=None, sends=batch.sends + 1, sent_at=unit.now, **stored)
    await _start_job(unit, batch)


def _rule_of(submission: Submission) -> dict[str, object]:
    """The columns that say what sending it again would do."""
    return {
        "resend": submission.resend,
        "key_life": submission.key_life,
        "search_delay": submission.search_delay,
    }


async def _still_wanted(unit: UnitOfWork, batch: Batch) -> None:
    """Raise IllegalTransitionError if its job was held since the batch was chosen, which may be minutes ago."""
    row = (await unit.connection.execute(_HELD, {"in_job": batch.job})).one()
    held = row.paused or row.stopped or ("the job is cancelled" if row.cancelled_at is not None else None)
    if held:
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} does not go out: {held}")


async def _start_job(unit: UnitOfWork, batch: Batch) -> None:
    row = (await unit.connection.execute(_JOB, {"in_job": batch.job})).one()
    first = {"sent_at": row.sent_at or unit.now, "started_at": row.started_at or unit.now}
    if row.state == JobState.QUEUED:
        await set_job(unit, row, JobState.RUNNING, needs=needs_of(row), detail=row.detail, **first)
    elif row.sent_at is None:
        await unit.connection.execute(sa.update(jobs).where(jobs.c.id == batch.job).values(first))


async def release(unit: UnitOfWork, batch: Batch, detail: str, due_at: Micros) -> None:
    # This send had no effect; whether an earlier one of the same key had is still unknown.
    if batch.in_doubt:
        sends = batch.sends - 1
        await unit.move(batch, BatchEvent.LOSE, note=detail, last_error=detail, due_at=due_at, sends=sends)
        return
    # The platform stored nothing under the key, so neither its age nor its user counts yet.
    unused: dict[str, object] = {"first_sent_at": None, "sent_by": None, "sends": batch.sends - 1}
    await unit.move(batch, BatchEvent.RELEASE, note=detail, last_error=detail, due_at=due_at, **unused)


async def lose(
    unit: UnitOfWork, batch: Batch, detail: str, due_at: Micros, *, key_void: bool, counts: bool = True
) -> None:
    await unit.move(
        batch,
        BatchEvent.LOSE,
        note=detail,
        last_error=detail,
        due_at=due_at,
        in_doubt=True,
        key_void=batch.key_void or key_void,
        sends=batch.sends if counts else batch.sends - 1,
    )


async def mark_unconfirmed(unit: UnitOfWork, batch: Batch, submission: Submission, detail: str, due_at: Micros) -> None:
    # The sends of this database do not count: none of them created what is there.
    never: dict[str, object] = {"first_sent_at": None, "sent_by": None, "sent_at": batch.sent_at or unit.now}
    never |= _rule_of(submission)
    event = BatchEvent.LOSE if batch.state is BatchState.SUBMITTING else BatchEvent.INQUIRE
    await unit.move(batch, event, note=detail, last_error=detail, due_at=due_at, in_doubt=True, key_void=True, **never)
    await _start_job(unit, batch)


async def follow(unit: UnitOfWork, batch: Batch) -> None:
    """A followed batch counts as sent: the job's content is fixed, and it has begun."""
    await _still_wanted(unit, batch)
    await unit.move(
        batch,
        BatchEvent.FOLLOW,
        detail=None,
        last_error=None,
        resend=Resend.FOLLOW_ONLY,
        status_final=True,
        submitted_at=unit.now,
    )
    await _submit_pending(unit, batch)
    await _start_job(unit, batch)


async def proceed(unit: UnitOfWork, batch: Batch, receipt: Receipt) -> None:
    """Keep what the platform reports of each item, which stays pending until the last step."""
    held = {item.seq: item for item in await items_of(unit, batch, open_only=True)}
    by_key = {item.key: item for item in held.values()}
    rows = []
    for seen in receipt.items:
        item = held.get(seen.seq or 0) or by_key.get(seen.key or "")
        if item is None or item.state is not ItemState.PENDING:
            raise StoreError(f"batch {batch.number} of {batch.job_name}: a step is reported of an item that is not its")
        rows.append({"in_job": item.job, "at_seq": item.seq, "to_id": seen.remote_id, "to_status": seen.status})
    next_step: dict[str, object] = {"step": batch.step + 1, "remote_id": receipt.remote_id or batch.remote_id}
    next_step |= {"last_error": None, "due_at": 0, **NEVER_SENT, **NOTHING_TO_SEND}
    await unit.move(
        batch,
        BatchEvent.PROCEED,
        note=f"step {batch.step}",
        **next_step,
    )
    if rows:
        await unit.connection.execute(_STEPPED, rows)


# ---------------------------------------------------------------- accepted


async def confirm(unit: UnitOfWork, batch: Batch, receipt: Receipt) -> None:
    known = batch.state in {BatchState.TRACKING, BatchState.SETTLED}
    if known and receipt.remote_id is not None and batch.remote_id == receipt.remote_id:
        return
    await track(unit, batch, BatchEvent.CONFIRM, receipt)
    await unit.flush()
    await apply(unit, await compare(unit.connection, receipt.items))


async def track(unit: UnitOfWork, batch: Batch, event: BatchEvent, receipt: Receipt) -> None:
    """The batch is on the platform: from here on it is polled."""
    await unit.move(
        batch,
        event,
        note=receipt.remote_id,
        remote_id=receipt.remote_id or batch.remote_id,
        status=receipt.status or batch.status,
        status_final=receipt.final or batch.status_final,
        submitted_at=batch.submitted_at or unit.now,
        detail=None,
        last_error=None,
        in_doubt=False,
        **NOTHING_TO_SEND,
    )
    await _submit_pending(unit, batch)


async def _submit_pending(unit: UnitOfWork, batch: Batch) -> None:
    pending = ItemPosition(ItemState.PENDING, batch.first_stage)
    submitted = ItemPosition(ItemState.SUBMITTED, pending.stage)
    moved = await unit.connection.execute(_SUBMIT_PENDING, place_of(batch) | {"at": unit.now})
    unit.count(batch.job, batch.number, pending, submitted, moved.rowcount)


async def confirm_partly(unit: UnitOfWork, batch: Batch, receipt: Receipt) -> None:
    there = {each.seq for each in receipt.items} | {each.key for each in receipt.items}
    missing = [
        item
        for item in await items_of(unit, batch, open_only=True)
        if item.state is ItemState.PENDING and item.seq not in there and item.key not in there
    ]
    if len(missing) == batch.items:
        raise StoreError(f"batch {batch.number} of {batch.job_name}: none of its items was found; renew it instead")
    if missing:
        await leave(unit, missing)
        await plan(unit, Origin.of(batch), {item.seq: item.attempts for item in missing}, root=batch.root)
    await confirm(unit, batch, receipt)


# ---------------------------------------------------------------- not accepted


async def searched(
    unit: UnitOfWork, batch: Batch, due_at: Micros, server_now: Micros | None, seen: Sequence[ItemReport]
) -> None:
    if batch.state is not BatchState.UNCONFIRMED:
        raise IllegalTransitionError(f"a {batch.state} batch is not searched for")
    await unit.connection.execute(
        sa.update(batches)
        .where(batches.c.id == batch.id)
        .values(searched_at=batch.searched_at or server_now or unit.now, due_at=due_at)
    )
    result = f"{len(seen)} of {batch.items} items found" if seen else "not found on the platform"
    unit.event(batch.job, "searched", batch=batch.number, detail=result)
    await apply(unit, await compare(unit.connection, seen))


async def renew(unit: UnitOfWork, batch: Batch) -> None:
    """Give the batch a new key. Raises IllegalTransitionError if the platform has reported any of it.

    What an earlier step created for an item was never run: it stays, and its id is among the item's earlier ids.
    """
    held = await items_of(unit, batch)
    drafts = [item for item in held if item.state is ItemState.PENDING and item.remote_id]
    if any((item.remote_id and item not in drafts) or item.state.final for item in held) or _seen(batch, held):
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} was seen on the platform, in part")
    # A retry of a blocked batch may take as many requests as a new one.
    anew = batch.state is BatchState.BLOCKED
    fresh: dict[str, object] = {"attempt": batch.attempt + 1, "step": 1, "due_at": 0, "submitted_at": None}
    fresh["key"] = await key_of(unit.connection, batch.job_name, batch.lineage, batch.attempt + 1)
    fresh |= {"remote_id": None, "status": None, "status_final": False, "worded": False}
    fresh |= {"detail": None, "last_error": None}
    fresh |= {"root": batch.number if anew else batch.root, "sends": 0 if anew else batch.sends}
    fresh |= {**NEVER_SENT, **NOTHING_TO_SEND}
    await unit.move(batch, BatchEvent.RENEW, note=None, **fresh)
    for item in drafts:
        ids = previous_ids_as_text((*item.previous_ids, item.remote_id or ""))
        await unit.connection.execute(
            UPDATE_ITEM.values(remote_id=None, status=None, previous_ids=ids), places_of([item])
        )
    await make_pending(unit, batch, held, again=1)


def _seen(batch: Batch, held: Sequence[Item]) -> bool:
    """Whether the platform reported an item of a batch that it never confirmed."""
    return batch.state is BatchState.UNCONFIRMED and any(item.state is not ItemState.PENDING for item in held)


async def make_pending(unit: UnitOfWork, batch: Batch, held: Sequence[Item], *, again: int = 0) -> None:
    """Set items that were submitted back to pending, as their batch was given up."""
    sent = [item for item in held if item.state is not ItemState.PENDING]
    if not sent:
        return
    pending = ItemPosition(ItemState.PENDING, batch.first_stage)
    values = {"state": pending.state, "stage": pending.stage, "status": None, "detail": None, "submitted_at": None}
    await unit.connection.execute(UPDATE_ITEM.values(values | {"attempts": items.c.attempts + again}), places_of(sent))
    for item in sent:
        unit.count(batch.job, batch.number, ItemPosition.of(item), pending)


async def split(unit: UnitOfWork, batch: Batch, detail: str) -> None:
    held = await items_of(unit, batch)
    if len(held) < 2:  # noqa: PLR2004 - halves need two
        raise IllegalTransitionError(f"a batch of {len(held)} items cannot be split")
    _nothing_reported(batch, held)
    await unit.move(
        batch,
        BatchEvent.SPLIT,
        note=detail,
        detail=detail,
        last_error=None,
        in_doubt=False,
        items=0,
        open=0,
        creating=0,
    )
    middle = (len(held) + 1) // 2
    for half, lineage in zip((held[:middle], held[middle:]), halves_of(batch.lineage), strict=True):
        attempts = {item.seq: item.attempts for item in half}
        await plan(unit, Origin.of(batch), attempts, partial(_named, lineage), root=batch.root)


def _named(lineage: str, _items: Sequence[tuple[int, int]]) -> str:
    return lineage


async def refuse(unit: UnitOfWork, batch: Batch, detail: str) -> None:
    held = await items_of(unit, batch)
    if len(held) != 1:
        raise IllegalTransitionError(f"a refusal of {len(held)} items does not say which one is bad: split it")
    _nothing_reported(batch, held)
    await unit.move(batch, BatchEvent.REFUSE, note=detail, detail=detail, last_error=None, in_doubt=False)
    await end(unit, batch, held, ItemState.FAILED, detail)


async def postpone(unit: UnitOfWork, batch: Batch, detail: str, due_at: Micros) -> None:
    if batch.state not in {BatchState.PLANNED, BatchState.UNCONFIRMED}:
        raise IllegalTransitionError(f"a {batch.state} batch does not wait for its turn")
    values = {"last_error": detail, "due_at": due_at}
    await unit.connection.execute(sa.update(batches).where(batches.c.id == batch.id).values(values))


async def end(unit: UnitOfWork, batch: Batch, held: Sequence[Item], state: ItemState, detail: str | None) -> None:
    """End items of which the platform will report nothing more."""
    if not held:
        return
    values = {"state": state, "status": None, "detail": detail, "finished_at": unit.now}
    await unit.connection.execute(UPDATE_ITEM.values(values), places_of(held))
    for item in held:
        unit.count(item.job, batch.number, ItemPosition.of(item), ItemPosition.of(replace(item, state=state)))
        unit.event(item.job, "item", batch=batch.number, seq=item.seq, old=item.state, new=state, detail=detail)


def _nothing_reported(batch: Batch, held: Sequence[Item]) -> None:
    """Raise IllegalTransitionError if the platform has reported an item: such a batch is not sent in other parts."""
    if any(item.state is not ItemState.PENDING for item in held):
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} was refused, but seen on the platform")


async def recover(unit: UnitOfWork, lost: Sequence[Batch]) -> None:
    # An earlier version stored bodies of any size; each change of such a row would read it into memory.
    too_large = (LIVE_BATCH, sa.func.length(batches.c.body) > LARGEST_BODY)
    await unit.connection.execute(sa.update(batches).where(*too_large).values(body=None))
    for batch in lost:
        await lose(unit, batch, "the daemon ended while it was being sent", unit.now, key_void=False)
    # Due times of an earlier process are not comparable with the clock of this one.
    waiting = (LIVE_BATCH, UNSENT_BATCH, batches.c.due_at > unit.now)
    await unit.connection.execute(sa.update(batches).where(*waiting).values(due_at=unit.now))
    failed = sa.update(outbox).where(outbox.c.tries > 0, outbox.c.kind == RESULT)
    await unit.connection.execute(failed.values(due_at=unit.now, tries=0))
