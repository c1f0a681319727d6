"""The way of a batch from planned to tracking, and what becomes of one that is refused or lost.

Each function is the inside of one transaction; `advance.py` tells what each is for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.identity import halves_of
from orchestrator.domain.lifecycle import BatchEvent, IllegalTransitionError
from orchestrator.domain.model import Batch, BatchState, Item, ItemSeen, ItemState, JobState, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.store.errors import StoreError
from orchestrator.store.leaving import leave
from orchestrator.store.ledger import NOTHING_TO_SEND, Ledger, Standing
from orchestrator.store.observing import apply
from orchestrator.store.outcomes import needs_of, set_job
from orchestrator.store.planning import Origin, items_of, key_of, plan
from orchestrator.store.rows import as_text, items_in, previous_ids_as_text
from orchestrator.store.schema import LIVE_BATCH, UNSENT_BATCH, batches, items, jobs, outbox
from orchestrator.store.weighing import weigh

NEVER_SENT: Mapping[str, object] = {
    "first_sent_at": None,
    "sent_at": None,
    "sent_by": None,
    "searched_at": None,
    "in_doubt": False,
    "key_void": False,
    "resend": None,
}
"""Of a batch whose next submission has another key, or is another step: no send of it is known."""
_STEPPED = (
    sa.update(items)
    .where(items.c.job == sa.bindparam("in_job"), items.c.seq == sa.bindparam("at_seq"))
    .values(remote_id=sa.bindparam("to_id"), status=sa.bindparam("to_status"))
)
_ONE = sa.update(items).where(items.c.job == sa.bindparam("in_job"), items.c.seq == sa.bindparam("at_seq"))

# ---------------------------------------------------------------- sending


def as_chosen(batch: Batch, chosen: Batch) -> None:
    """Whether it may be sent was decided by what it was then; raises IllegalTransitionError when that is over."""
    if (batch.state, batch.key, batch.key_void) != (chosen.state, chosen.key, chosen.key_void):
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} is not what it was when it was chosen")


async def begin(ledger: Ledger, batch: Batch, submission: Submission, user: str, server_now: Micros | None) -> None:
    await _still_wanted(ledger, batch)
    stored: dict[str, object] = {}
    if batch.submission is None:
        stored = {"method": submission.method, "path": submission.path, "body": submission.body}
        stored |= {"headers": as_text(dict(submission.headers)), "pipeline": submission.pipeline}
        stored |= rule_of(submission)
    if batch.first_sent_at is None:
        stored |= {"first_sent_at": server_now or ledger.now, "sent_by": user}
    await ledger.move(batch, BatchEvent.BEGIN, note=None, sends=batch.sends + 1, sent_at=ledger.now, **stored)
    await _start_job(ledger, batch)


def rule_of(submission: Submission) -> dict[str, object]:
    """The columns that say what sending it again would do."""
    return {
        "resend": submission.resend,
        "key_life": submission.key_life,
        "search_delay": submission.search_delay,
    }


async def _still_wanted(ledger: Ledger, batch: Batch) -> None:
    """It was chosen a while ago: a credential, or a question before the first send, may have waited for the budget."""
    query = sa.select(jobs.c.paused, jobs.c.stopped, jobs.c.cancelled_at).where(jobs.c.id == batch.job)
    row = (await ledger.connection.execute(query)).one()
    held = row.paused or row.stopped or ("the job is cancelled" if row.cancelled_at is not None else None)
    if held:
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} does not go out: {held}")


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
        sends = batch.sends - 1
        await ledger.move(batch, BatchEvent.LOSE, note=detail, last_error=detail, due_at=due_at, sends=sends)
        return
    # Nothing is kept under the key: neither its age nor who sent it counts before the send that may have an effect.
    unused: dict[str, object] = {"first_sent_at": None, "sent_by": None, "sends": batch.sends - 1}
    await ledger.move(batch, BatchEvent.RELEASE, note=detail, last_error=detail, due_at=due_at, **unused)


async def lose(
    ledger: Ledger, batch: Batch, detail: str, due_at: Micros, *, key_void: bool, counts: bool = True
) -> None:
    await ledger.move(
        batch,
        BatchEvent.LOSE,
        note=detail,
        last_error=detail,
        due_at=due_at,
        in_doubt=True,
        key_void=batch.key_void or key_void,
        sends=batch.sends if counts else batch.sends - 1,
    )


async def doubt(ledger: Ledger, batch: Batch, submission: Submission, detail: str, due_at: Micros) -> None:
    # What we know of sends of our own counts for nothing: none of them did what is there.
    never: dict[str, object] = {"first_sent_at": None, "sent_by": None, "sent_at": batch.sent_at or ledger.now}
    never |= rule_of(submission)
    event = BatchEvent.LOSE if batch.state is BatchState.SUBMITTING else BatchEvent.INQUIRE
    await ledger.move(
        batch, event, note=detail, last_error=detail, due_at=due_at, in_doubt=True, key_void=True, **never
    )
    await _start_job(ledger, batch)


async def follow(ledger: Ledger, batch: Batch) -> None:
    """Nothing is sent. What was followed counts as sent: the job's content is fixed, and it has begun."""
    await _still_wanted(ledger, batch)
    await ledger.move(
        batch,
        BatchEvent.FOLLOW,
        detail=None,
        last_error=None,
        resend=Resend.FOLLOW_ONLY,
        status_final=True,
        submitted_at=ledger.now,
    )
    await _submit_pending(ledger, batch)
    await _start_job(ledger, batch)


async def proceed(ledger: Ledger, batch: Batch, receipt: Receipt) -> None:
    """Keep what the platform has of each item, which stays pending: the step that counts comes next."""
    held = {item.seq: item for item in await items_of(ledger, batch, open_only=True)}
    by_key = {item.key: item for item in held.values()}
    rows = []
    for seen in receipt.items:
        item = held.get(seen.seq or 0) or by_key.get(seen.key or "")
        if item is None or item.state is not ItemState.PENDING:
            raise StoreError(f"batch {batch.number} of {batch.job_name}: a step is reported of an item that is not its")
        rows.append({"in_job": item.job, "at_seq": item.seq, "to_id": seen.remote_id, "to_status": seen.status})
    next_step: dict[str, object] = {"step": batch.step + 1, "remote_id": receipt.remote_id or batch.remote_id}
    next_step |= {"last_error": None, "due_at": 0, **NEVER_SENT, **NOTHING_TO_SEND}
    await ledger.move(
        batch,
        BatchEvent.PROCEED,
        note=f"step {batch.step}",
        **next_step,
    )
    if rows:
        await ledger.connection.execute(_STEPPED, rows)


# ---------------------------------------------------------------- accepted


async def confirm(ledger: Ledger, batch: Batch, receipt: Receipt) -> None:
    known = batch.state in {BatchState.TRACKING, BatchState.SETTLED}
    if known and receipt.remote_id is not None and batch.remote_id == receipt.remote_id:
        return
    await track(ledger, batch, BatchEvent.CONFIRM, receipt)
    await ledger.flush()
    await apply(ledger, await weigh(ledger.connection, receipt.items))


async def track(ledger: Ledger, batch: Batch, event: BatchEvent, receipt: Receipt) -> None:
    """The batch is on the platform: from here on it is looked at."""
    await ledger.move(
        batch,
        event,
        note=receipt.remote_id,
        remote_id=receipt.remote_id or batch.remote_id,
        status=receipt.status or batch.status,
        status_final=receipt.final or batch.status_final,
        submitted_at=batch.submitted_at or ledger.now,
        detail=None,
        last_error=None,
        in_doubt=False,
        **NOTHING_TO_SEND,
    )
    await _submit_pending(ledger, batch)


async def _submit_pending(ledger: Ledger, batch: Batch) -> None:
    pending = Standing(ItemState.PENDING, batch.first_stage)
    submitted = Standing(ItemState.SUBMITTED, pending.stage)
    moved = await ledger.connection.execute(
        sa.update(items)
        .where(*items_in(batch), items.c.state == ItemState.PENDING)
        .values(state=ItemState.SUBMITTED, submitted_at=ledger.now)
    )
    ledger.count(batch.job, batch.number, pending, submitted, moved.rowcount)


async def confirm_partly(ledger: Ledger, batch: Batch, receipt: Receipt) -> None:
    there = {each.seq for each in receipt.items} | {each.key for each in receipt.items}
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
    await confirm(ledger, batch, receipt)


# ---------------------------------------------------------------- not accepted


async def searched(
    ledger: Ledger, batch: Batch, due_at: Micros, server_now: Micros | None, seen: Sequence[ItemSeen]
) -> None:
    if batch.state is not BatchState.UNCONFIRMED:
        raise IllegalTransitionError(f"a {batch.state} batch is not searched for")
    await ledger.connection.execute(
        sa.update(batches)
        .where(batches.c.id == batch.id)
        .values(searched_at=batch.searched_at or server_now or ledger.now, due_at=due_at)
    )
    told = f"{len(seen)} of {batch.items} items found" if seen else "not found on the platform"
    ledger.event(batch.job, "searched", batch=batch.number, detail=told)
    await apply(ledger, await weigh(ledger.connection, seen))


async def renew(ledger: Ledger, batch: Batch) -> None:
    """In place while nothing of it was ever seen; raises IllegalTransitionError otherwise.

    What an earlier step made of an item was never run: it is left where it is, and named among the item's earlier ids.
    """
    held = await items_of(ledger, batch)
    drafts = [item for item in held if item.state is ItemState.PENDING and item.remote_id]
    if any((item.remote_id and item not in drafts) or item.state.final for item in held) or _seen(batch, held):
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} was seen on the platform, in part")
    # Whoever has it sent again after it was blocked grants it as many requests as a new one.
    anew = batch.state is BatchState.BLOCKED
    fresh: dict[str, object] = {"attempt": batch.attempt + 1, "step": 1, "due_at": 0, "submitted_at": None}
    fresh["key"] = await key_of(ledger.connection, batch.job_name, batch.lineage, batch.attempt + 1)
    fresh |= {"remote_id": None, "status": None, "status_final": False, "worded": False}
    fresh |= {"detail": None, "last_error": None}
    fresh |= {"root": batch.number if anew else batch.root, "sends": 0 if anew else batch.sends}
    fresh |= {**NEVER_SENT, **NOTHING_TO_SEND}
    await ledger.move(batch, BatchEvent.RENEW, note=None, **fresh)
    for item in drafts:
        ids = previous_ids_as_text((*item.previous_ids, item.remote_id or ""))
        await ledger.connection.execute(_ONE.values(remote_id=None, status=None, previous_ids=ids), _places([item]))
    await make_pending(ledger, batch, held, again=1)


def _seen(batch: Batch, held: Sequence[Item]) -> bool:
    """Whether the platform told anything of an item of a batch that it never confirmed."""
    return batch.state is BatchState.UNCONFIRMED and any(item.state is not ItemState.PENDING for item in held)


async def make_pending(ledger: Ledger, batch: Batch, held: Sequence[Item], *, again: int = 0) -> None:
    """Items of a batch that was given up after its submission was confirmed are as if they had not been sent."""
    sent = [item for item in held if item.state is not ItemState.PENDING]
    if not sent:
        return
    pending = Standing(ItemState.PENDING, batch.first_stage)
    values = {"state": pending.state, "stage": pending.stage, "status": None, "detail": None, "submitted_at": None}
    await ledger.connection.execute(_ONE.values(values | {"attempts": items.c.attempts + again}), _places(sent))
    for item in sent:
        ledger.count(batch.job, batch.number, Standing.of(item), pending)


def _places(chosen: Sequence[Item]) -> list[dict[str, object]]:
    return [{"in_job": item.job, "at_seq": item.seq} for item in chosen]


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


async def end(ledger: Ledger, batch: Batch, held: Sequence[Item], state: ItemState, detail: str | None) -> None:
    """Items that the platform will tell nothing about come to their end by our word."""
    if not held:
        return
    values = {"state": state, "status": None, "detail": detail, "finished_at": ledger.now}
    await ledger.connection.execute(_ONE.values(values), _places(held))
    for item in held:
        ledger.count(item.job, batch.number, Standing.of(item), Standing.of(replace(item, state=state)))
        ledger.event(item.job, "item", batch=batch.number, seq=item.seq, old=item.state, new=state, detail=detail)


def _nothing_seen(batch: Batch, held: Sequence[Item]) -> None:
    """A refusal contradicts items that the platform has shown: such a batch is never sent in other slices."""
    if any(item.state is not ItemState.PENDING for item in held):
        raise IllegalTransitionError(f"batch {batch.number} of {batch.job_name} was refused, but seen on the platform")


async def recover(ledger: Ledger, lost: Sequence[Batch]) -> None:
    for batch in lost:
        await lose(ledger, batch, "the daemon ended while it was being sent", ledger.now, key_void=False)
    # What waited did so by the clock of a process that is gone.
    waiting = (LIVE_BATCH, UNSENT_BATCH, batches.c.due_at > ledger.now)
    await ledger.connection.execute(sa.update(batches).where(*waiting).values(due_at=ledger.now))
    failed = sa.update(outbox).where(outbox.c.tries > 0)
    await ledger.connection.execute(failed.values(due_at=ledger.now, tries=0))
