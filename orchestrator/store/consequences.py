"""What follows from a change, in the same transaction: batches and jobs settle, others start, a person is asked.

Everything here is derived from what the rows say, so it does not matter which change led to it, nor how often it runs.
"""

import sqlalchemy as sa

from orchestrator.domain.identity import echo_lineage
from orchestrator.domain.lifecycle import BatchEvent, next_batch_state, outcome_of
from orchestrator.domain.model import (
    Batch,
    BatchId,
    BatchState,
    Item,
    ItemState,
    JobId,
    JobState,
    Needs,
    RetryPolicy,
)
from orchestrator.domain.resending import may_be_an_echo
from orchestrator.store.dependents import let_dependents_know
from orchestrator.store.ledger import NOTHING_TO_SEND, Ledger
from orchestrator.store.outcomes import set_job
from orchestrator.store.planning import Origin, items_of, send_again
from orchestrator.store.rows import Row, counts_of, retry_of
from orchestrator.store.schema import LIVE_BATCH, batches, items, jobs, literal

_JOB = sa.select(jobs)
_TWICE = 2


async def conclude(ledger: Ledger) -> None:
    """Bring the touched batches and jobs to rest, and write all that the ledger gathered."""
    await ledger.flush()
    for batch in tuple(ledger.touched_batches):
        await _settle_batch(ledger, batch)
    await ledger.flush()
    done: set[JobId] = set()
    while pending := [job for job in ledger.touched_jobs if job not in done]:
        for job in pending:
            done.add(job)
            await _bring_to_rest(ledger, job)
    await ledger.flush()


# ---------------------------------------------------------------- batches


async def _settle_batch(ledger: Ledger, batch_id: BatchId) -> None:
    query = sa.select(batches.c.state, batches.c.open, batches.c.status_final, batches.c.worded)
    row = (await ledger.connection.execute(query.where(batches.c.id == batch_id))).one()
    if row.open:
        return
    if row.state == BatchState.BLOCKED:
        # The platform told the end of every item after all: nobody needs to look at it any more.
        await ledger.move(await ledger.batch(batch_id), BatchEvent.REOPEN, detail=None)
        await settle(ledger, await ledger.batch(batch_id))
    elif row.state == BatchState.TRACKING and (row.status_final or row.worded):
        await settle(ledger, await ledger.batch(batch_id))


async def settle(ledger: Ledger, batch: Batch) -> None:
    """A tracked batch whose items are all final is done; its job may ask for another attempt at some of them."""
    await ledger.move(batch, BatchEvent.SETTLE, note=batch.status)
    policy = retry_of((await _job(ledger, batch.job)).retry)
    if batch.cancelled or (policy is None and batch.sends < _TWICE):
        return
    held = await items_of(ledger, batch)
    unsure = [item for item in held if may_be_an_echo(item, batch)]
    if unsure:
        await send_again(ledger, Origin.of(batch), unsure, echo_lineage, counts=False)
    again = [item for item in held if policy is not None and _asks_again(policy, item) and item not in unsure]
    if again:
        await send_again(ledger, Origin.of(batch), again)


def _asks_again(policy: RetryPolicy, item: Item) -> bool:
    return item.state.final and item.status in policy.on and item.attempts < policy.attempts


# ---------------------------------------------------------------- jobs


async def _job(ledger: Ledger, job: JobId) -> Row:
    return (await ledger.connection.execute(_JOB.where(jobs.c.id == job))).one()


async def _bring_to_rest(ledger: Ledger, job: JobId) -> None:
    row = await _job(ledger, job)
    if JobState(row.state).settled or row.state == JobState.LOADING:
        return
    if row.cancelled_at is not None:
        await _abandon_planned(ledger, job)
        await ledger.flush()
        row = await _job(ledger, job)
    states = await _states_of_live_batches(ledger, job)
    if not states:
        counts = counts_of(row)
        await set_job(ledger, row, outcome_of(counts, cancelled=row.cancelled_at is not None))
        await let_dependents_know(ledger, row.folded)
        return
    stopped = _why_stopped(row) if BatchState.PLANNED in states else None
    if stopped is not None:
        await ledger.connection.execute(sa.update(jobs).where(jobs.c.id == job).values(stopped=stopped))
        row = await _job(ledger, job)
    needs, detail = await _needs(ledger, row, states)
    if (needs, detail) != (row.needs, row.detail):
        await set_job(ledger, row, JobState(row.state), needs=needs, detail=detail)


async def _states_of_live_batches(ledger: Ledger, job: JobId) -> set[BatchState]:
    query = sa.select(batches.c.state).where(batches.c.job == job, LIVE_BATCH).distinct()
    return {BatchState(state) for state in (await ledger.connection.execute(query)).scalars()}


def _why_stopped(row: Row) -> str | None:
    """The reason to submit no more of a job; None when there is none, or it was given before."""
    if row.stop_after_failed is None or row.stopped is not None:
        return None
    counts = counts_of(row)
    failed = counts.get(ItemState.FAILED, 0) + counts.get(ItemState.ABORTED, 0)
    if failed - row.stop_base < row.stop_after_failed:
        return None
    return f"{failed} items failed or were aborted: nothing more is submitted until `resume`"


async def _needs(ledger: Ledger, row: Row, states: set[BatchState]) -> tuple[Needs | None, str | None]:
    """Why a person is asked; what keeps a job from being submitted comes first."""
    if row.paused is not None:
        return Needs.PAUSED, row.paused
    if row.stopped is not None:
        return Needs.STOPPED, row.stopped
    if BatchState.BLOCKED in states:
        return Needs.BLOCKED, await _why_blocked(ledger, row.id)
    waiting = counts_of(row).get(ItemState.ATTENTION, 0)
    if waiting:
        return Needs.ATTENTION, f"the platform waits for a person: {waiting} item{'s' if waiting > 1 else ''}"
    return None, None


async def _why_blocked(ledger: Ledger, job: str) -> str:
    query = (
        sa.select(batches.c.number, batches.c.detail)
        .where(batches.c.job == job, LIVE_BATCH, batches.c.state == literal(BatchState.BLOCKED))
        .order_by(batches.c.number)
    )
    rows = (await ledger.connection.execute(query)).all()
    more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
    return f"batch {rows[0].number}: {rows[0].detail}{more}"


# ---------------------------------------------------------------- what a cancelled job no longer sends


async def _abandon_planned(ledger: Ledger, job: JobId) -> None:
    """Nothing of a planned batch is on the platform: its items end here, never sent."""
    of_job = (batches.c.job == job, LIVE_BATCH, batches.c.state == literal(BatchState.PLANNED))
    planned = (await ledger.connection.execute(sa.select(batches.c.id, batches.c.number).where(*of_job))).all()
    if not planned:
        return
    after = next_batch_state(BatchState.PLANNED, BatchEvent.ABANDON)
    ended = await ledger.connection.execute(
        sa.update(items)
        .where(
            items.c.job == job,
            items.c.state == ItemState.PENDING,
            items.c.batch.in_(sa.select(batches.c.number).where(*of_job)),
        )
        .values(state=ItemState.CANCELLED, status=None, finished_at=ledger.now)
    )
    await ledger.connection.execute(
        sa.update(batches)
        .where(*of_job)
        .values(state=after, open=0, creating=0, settled_at=ledger.now, **NOTHING_TO_SEND)
    )
    ledger.count_job(job, ItemState.PENDING, ItemState.CANCELLED, ended.rowcount)
    for row in planned:
        ledger.event(job, BatchEvent.ABANDON, batch=row.number, old=BatchState.PLANNED, new=after)
        ledger.settled_batches.append(BatchId(row.id))
