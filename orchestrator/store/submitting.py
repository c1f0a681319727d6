"""The way of a batch from planned to tracking, and what becomes of one that is refused or lost.

Each function is the inside of one transaction; `advance.py` tells what each is for.
"""

from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.identity import halves_of
from orchestrator.domain.lifecycle import BatchEvent, IllegalTransitionError, first_stage
from orchestrator.domain.model import (
    Batch,
    BatchState,
    Created,
    Item,
    ItemSeen,
    ItemState,
    JobState,
    Submission,
)
from orchestrator.store.errors import StoreError
from orchestrator.store.ledger import NOTHING_TO_SEND, Ledger, Standing
from orchestrator.store.observing import apply
from orchestrator.store.outcomes import needs_of, set_job
from orchestrator.store.planning import Origin, items_of, key_of, leave, plan, send_again
from orchestrator.store.rows import as_text, items_in
from orchestrator.store.schema import OPEN_ITEM, batches, items, jobs
from orchestrator.store.weighing import weigh

# ---------------------------------------------------------------- sending


async def begin(ledger: Ledger, batch: Batch, submission: Submission, user: str, server_now: Micros | None) -> None:
    stored: dict[str, object] = {}
    if batch.submission is None:
        stored = {"method": submission.method, "path": submission.path, "body": submission.body}
        stored["headers"] = as_text(dict(submission.headers))
    if batch.first_sent_at is None:
        stored |= {"first_sent_at": server_now or ledger.now, "sent_by": user}
    await ledger.move(batch, BatchEvent.BEGIN, note=None, sends=batch.sends + 1, sent_at=ledger.now, **stored)
    await _start_job(ledger, batch)


async def _start_job(ledger: Ledger, batch: Batch) -> None:
    row = (await ledger.connection.execute(sa.select(jobs).where(jobs.c.id == batch.job))).one()
    first = {"sent_at": row.sent_at or ledger.now, "started_at": row.started_at or ledger.now}
    if row.state == JobState.QUEUED:
        await set_job(ledger, row, JobState.RUNNING, needs=needs_of(row), detail=row.detail, **first)
    elif row.sent_at is None:
        await ledger.connection.execute(sa.update(jobs).where(jobs.c.id == batch.job).values(first))


async def release(ledger: Ledger, batch: Batch, detail: str, due_at: Micros) -> None:
    # This send had no effect; what an earlier one of the same key did is as unknown as before.
    if batch.in_doubt:
        await ledger.move(batch, BatchEvent.LOSE, note=detail, last_error=detail, due_at=due_at)
        return
    # Nothing is kept under the key: neither its age nor who sent it counts before the send that may have an effect.
    unused = {"first_sent_at": None, "sent_by": None}
    await ledger.move(batch, BatchEvent.RELEASE, note=detail, last_error=detail, due_at=due_at, **unused)


async def lose(ledger: Ledger, batch: Batch, detail: str, due_at: Micros, *, key_void: bool) -> None:
    await ledger.move(
        batch,
        BatchEvent.LOSE,
        note=detail,
        last_error=detail,
        due_at=due_at,
        in_doubt=True,
        key_void=batch.key_void or key_void,
    )


# ---------------------------------------------------------------- accepted


async def confirm(ledger: Ledger, batch: Batch, created: Created, seen: Sequence[ItemSeen]) -> None:
    known = batch.state in {BatchState.TRACKING, BatchState.SETTLED}
    if known and created.remote_id is not None and batch.remote_id == created.remote_id:
        return
    await track(ledger, batch, BatchEvent.CONFIRM, created)
    await ledger.flush()
    await apply(ledger, await weigh(ledger.connection, seen))


async def track(ledger: Ledger, batch: Batch, event: BatchEvent, created: Created) -> None:
    """The batch is on the platform: from here on it is looked at."""
    await ledger.move(
        batch,
        event,
        note=created.remote_id,
        remote_id=created.remote_id or batch.remote_id,
        status=created.status or batch.status,
        status_final=created.final or batch.status_final,
        submitted_at=batch.submitted_at or ledger.now,
        detail=None,
        last_error=None,
        in_doubt=False,
        **NOTHING_TO_SEND,
    )
    pending = Standing(ItemState.PENDING, first_stage(batch.kind))
    submitted = Standing(ItemState.SUBMITTED, pending.stage)
    moved = await ledger.connection.execute(
        sa.update(items)
        .where(*items_in(batch), items.c.state == ItemState.PENDING)
        .values(state=ItemState.SUBMITTED, submitted_at=ledger.now)
    )
    ledger.count(batch.job, batch.number, pending, submitted, moved.rowcount)


async def confirm_partly(ledger: Ledger, batch: Batch, created: Created, seen: Sequence[ItemSeen]) -> None:
    there = {each.seq for each in seen} | {each.key for each in seen}
    missing = [
        item
        for item in await items_of(ledger, batch, open_only=True)
        if item.state is ItemState.PENDING and item.seq not in there and item.key not in there
    ]
    if len(missing) == batch.items:
        raise StoreError(f"batch {batch.number} of {batch.job_name}: none of its items was found; renew it instead")
    if missing:
        await leave(ledger, missing)
        await plan(ledger, Origin.of(batch), {item.seq: item.attempts for item in missing}, root=batch.root)
    await confirm(ledger, batch, created, seen)


# ---------------------------------------------------------------- not accepted


async def searched(ledger: Ledger, batch: Batch, due_at: Micros, server_now: Micros | None) -> None:
    if batch.state is not BatchState.UNCONFIRMED:
        raise IllegalTransitionError(f"a {batch.state} batch is not searched for")
    await ledger.connection.execute(
        sa.update(batches)
        .where(batches.c.id == batch.id)
        .values(searched_at=batch.searched_at or server_now or ledger.now, due_at=due_at)
    )
    ledger.event(batch.job, "searched", batch=batch.number, detail="not found on the platform")


async def renew(ledger: Ledger, batch: Batch) -> None:
    """In place while nothing of it was ever seen; raises IllegalTransitionError otherwise."""
    held = await items_of(ledger, batch)
    if any(item.remote_id or item.state.final for item in held) or _seen(batch, held):
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} was seen on the platform, in part")
    # Whoever has it sent again after it was blocked grants it as many requests as a new one.
    anew = batch.state is BatchState.BLOCKED
    await ledger.move(
        batch,
        BatchEvent.RENEW,
        attempt=batch.attempt + 1,
        key=await key_of(ledger.connection, batch.job_name, batch.lineage, batch.attempt + 1),
        remote_id=None,
        status=None,
        status_final=False,
        worded=False,
        detail=None,
        last_error=None,
        due_at=0,
        first_sent_at=None,
        sent_at=None,
        sent_by=None,
        submitted_at=None,
        searched_at=None,
        in_doubt=False,
        key_void=False,
        root=batch.number if anew else batch.root,
        sends=0 if anew else batch.sends,
        **NOTHING_TO_SEND,
    )
    await _make_pending(ledger, batch, held)


def _seen(batch: Batch, held: Sequence[Item]) -> bool:
    """Whether the platform told anything of an item of a batch that it never confirmed."""
    return batch.state is BatchState.UNCONFIRMED and any(item.state is not ItemState.PENDING for item in held)


async def _make_pending(ledger: Ledger, batch: Batch, held: Sequence[Item]) -> None:
    """Items of a batch that was given up after its submission was confirmed are sent once more."""
    sent = [item for item in held if item.state is not ItemState.PENDING]
    if not sent:
        return
    pending = Standing(ItemState.PENDING, first_stage(batch.kind))
    await ledger.connection.execute(
        sa.update(items)
        .where(*items_in(batch), OPEN_ITEM)
        .where(items.c.state != ItemState.PENDING)
        .values(
            state=pending.state,
            stage=pending.stage,
            status=None,
            detail=None,
            submitted_at=None,
            attempts=items.c.attempts + 1,
        )
    )
    for item in sent:
        ledger.count(batch.job, batch.number, Standing(item.state, item.stage), pending)


async def split(ledger: Ledger, batch: Batch, detail: str) -> None:
    held = await items_of(ledger, batch)
    if len(held) < 2:  # noqa: PLR2004 - halves need two
        raise IllegalTransitionError(f"a batch of {len(held)} items cannot be split")
    _nothing_seen(batch, held)
    await ledger.move(
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
        await plan(ledger, Origin.of(batch), attempts, partial(_named, lineage), root=batch.root)


def _named(lineage: str, _items: Sequence[tuple[int, int]]) -> str:
    return lineage


async def refuse(ledger: Ledger, batch: Batch, detail: str) -> None:
    held = await items_of(ledger, batch)
    if len(held) != 1:
        raise IllegalTransitionError(f"a refusal of {len(held)} items does not tell which is the bad one: split it")
    _nothing_seen(batch, held)
    await ledger.move(batch, BatchEvent.REFUSE, note=detail, detail=detail, last_error=None, in_doubt=False)
    await end(ledger, batch, held, ItemState.FAILED, detail)


async def postpone(ledger: Ledger, batch: Batch, detail: str, due_at: Micros) -> None:
    if batch.state not in {BatchState.PLANNED, BatchState.UNCONFIRMED}:
        raise IllegalTransitionError(f"a {batch.state} batch does not wait for its turn")
    values = {"last_error": detail, "due_at": due_at}
    await ledger.connection.execute(sa.update(batches).where(batches.c.id == batch.id).values(values))


async def block(ledger: Ledger, batch: Batch, detail: str) -> None:
    await ledger.move(batch, BatchEvent.BLOCK, note=detail, detail=detail)
    if batch.cancelled:  # the person who is to decide has decided
        await give_up(ledger, await ledger.batch(batch.id))


async def give_up(ledger: Ledger, batch: Batch) -> None:
    """The job of a blocked batch was cancelled: what may be on the platform is told apart from what never was."""
    await ledger.move(batch, BatchEvent.ABANDON)
    held = await items_of(ledger, batch, open_only=True)
    if batch.in_doubt or batch.submitted_at is not None:
        reason = "cancelled while its outcome was unknown: it may be on the platform, look there"
        await end(ledger, batch, held, ItemState.ABORTED, reason)
    else:
        await end(ledger, batch, held, ItemState.CANCELLED, None)


async def start_over(ledger: Ledger, batch: Batch) -> None:
    """A person wants a blocked batch done again: under a new key, without the items whose outcome is known.

    Where an earlier send may have had its effect and nobody has looked for it yet, that comes first.
    """
    if batch.in_doubt and batch.searched_at is None:
        await ledger.move(batch, BatchEvent.INQUIRE, detail=None, due_at=0)
        return
    held = await items_of(ledger, batch)
    if not any(item.remote_id or item.state.final for item in held):
        await renew(ledger, batch)
        return
    await ledger.move(batch, BatchEvent.ABANDON)
    await send_again(ledger, Origin.of(batch), [item for item in held if not item.state.final])


async def end(ledger: Ledger, batch: Batch, held: Sequence[Item], state: ItemState, detail: str | None) -> None:
    """Items that the platform will tell nothing about come to their end by our word."""
    if not held:
        return
    await ledger.connection.execute(
        sa.update(items)
        .where(*items_in(batch), OPEN_ITEM)
        .values(state=state, status=None, detail=detail, finished_at=ledger.now)
    )
    for item in held:
        ledger.count(item.job, batch.number, Standing(item.state, item.stage), Standing(state, item.stage))
        ledger.event(item.job, "item", batch=batch.number, seq=item.seq, old=item.state, new=state, detail=detail)


def _nothing_seen(batch: Batch, held: Sequence[Item]) -> None:
    """A refusal contradicts items that the platform has shown: such a batch is never sent in other slices."""
    if any(item.state is not ItemState.PENDING for item in held):
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} was refused, but seen on the platform")


async def recover(ledger: Ledger, lost: Sequence[Batch]) -> None:
    for batch in lost:
        await lose(ledger, batch, "the daemon ended while it was being sent", ledger.now, key_void=False)
