"""What follows from a change, in the same transaction: batches and jobs settle, others start, the operator is asked.

Everything here is derived from the rows, so it does not matter which change led to it, nor how often it runs. One
statement handles many jobs: a control may touch ten thousand.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from orchestrator.domain.identity import echo_lineage
from orchestrator.domain.lifecycle import BatchEvent, cancelling, is_given_up, next_batch_state, outcome_of
from orchestrator.domain.lost_responses import may_be_echo
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
from orchestrator.store.chunks import chunks
from orchestrator.store.reading.rows import SELECT_BATCH, Row, batch_of, counts_of, retry_of
from orchestrator.store.schema import FOUND_ITEM, LIVE_BATCH, LIVE_JOB, batches, items, jobs, literal
from orchestrator.store.writing.jobs.dependents import wake_dependents
from orchestrator.store.writing.jobs.job_states import Outcome, set_jobs
from orchestrator.store.writing.planning import Origin, items_of, send_again
from orchestrator.store.writing.unit_of_work import NOTHING_TO_SEND, UnitOfWork

_TWICE = 2

_TOO_MANY_FAILED = " items failed or were aborted: nothing more is submitted until `resume`"
_STOP = sa.update(jobs).where(jobs.c.id == sa.bindparam("in_job")).values(stopped=sa.bindparam("reason"))

# Executed with every change: to build a statement takes longer than to execute it.
_AMONG: sa.BindParameter[str] = sa.bindparam("among", expanding=True)
_ENDED = SELECT_BATCH.where(
    batches.c.id.in_(_AMONG),
    batches.c.open == 0,
    sa.or_(
        batches.c.state == literal(BatchState.BLOCKED),
        sa.and_(
            batches.c.state == literal(BatchState.TRACKING),
            sa.or_(
                batches.c.status_final, batches.c.worded, batches.c.id.in_(sa.bindparam("reopened", expanding=True))
            ),
        ),
    ),
)
_POLICIES = sa.select(jobs.c.id, jobs.c.retry).where(jobs.c.id.in_(_AMONG), jobs.c.retry.is_not(None))
_LIVE_JOBS = sa.select(jobs).where(jobs.c.id.in_(_AMONG), LIVE_JOB)
_STATES = sa.select(batches.c.job, batches.c.state).where(batches.c.job.in_(_AMONG), LIVE_BATCH).distinct()


async def settle(unit: UnitOfWork) -> None:
    """Settle the touched batches and jobs, and write all that the unit of work gathered."""
    await unit.flush()
    await _settle_batches(unit, list(unit.touched_batches))
    await unit.flush()
    done: set[JobId] = set()
    while pending := [job for job in unit.touched_jobs if job not in done]:
        done.update(pending)
        await _settle_jobs(unit, pending)
    await unit.flush()


# ---------------------------------------------------------------- batches


async def _settle_batches(unit: UnitOfWork, touched: Sequence[BatchId]) -> None:
    """Settle those that have no open item, and nothing else to wait for."""
    ended = await _at_their_end(unit, touched)
    shown_again = [batch for batch in ended if batch.state is BatchState.BLOCKED]
    for batch in shown_again:
        # The platform reported the end of every item after all: it no longer needs an operator.
        await unit.move(batch, BatchEvent.REOPEN, detail=None)
    if shown_again:
        ended = await _at_their_end(unit, touched, reopened=[batch.id for batch in shown_again])
    await unit.settle(ended)
    policies = await _policies(unit, {batch.job for batch in ended})
    for batch in ended:
        await _try_again(unit, batch, policies.get(batch.job))


async def _at_their_end(unit: UnitOfWork, among: Sequence[BatchId], *, reopened: Sequence[BatchId] = ()) -> list[Batch]:
    found: dict[str, Batch] = {}
    for portion in chunks(among):
        rows = await unit.connection.execute(_ENDED, {"among": portion, "reopened": reopened})
        found |= {row.id: batch_of(row) for row in rows}
    return [found[batch] for batch in among if batch in found]


async def _policies(unit: UnitOfWork, among: Collection[JobId]) -> dict[JobId, RetryPolicy]:
    """The retry policies of these jobs; those without one are left out."""
    found: dict[JobId, RetryPolicy] = {}
    for portion in chunks(sorted(among)):
        for job, text in await unit.connection.execute(_POLICIES, {"among": portion}):
            if (policy := retry_of(text)) is not None:
                found[JobId(job)] = policy
    return found


async def _try_again(unit: UnitOfWork, batch: Batch, policy: RetryPolicy | None) -> None:
    """Plan another attempt at the items for which the job of a settled batch asks for one."""
    if batch.cancelled or (policy is None and batch.sends < _TWICE):
        return
    held = [item for item in await items_of(unit, batch) if item.parent is None]
    unsure = [item for item in held if may_be_echo(item, batch)]
    if unsure:
        await send_again(unit, Origin.of(batch), unsure, echo_lineage, counts=False)
    again = [item for item in held if policy is not None and _asks_again(policy, item) and item not in unsure]
    if again:
        await send_again(unit, Origin.of(batch), again)


def _asks_again(policy: RetryPolicy, item: Item) -> bool:
    return item.state.final and not is_given_up(item) and item.status in policy.on and item.attempts < policy.attempts


# ---------------------------------------------------------------- jobs


async def _jobs(unit: UnitOfWork, among: Sequence[JobId]) -> list[Row]:
    """Those of these jobs that are neither being loaded nor settled, in their order."""
    found: dict[str, Row] = {}
    for portion in chunks(among):
        found |= {row.id: row for row in await unit.connection.execute(_LIVE_JOBS, {"among": portion})}
    return [found[job] for job in among if job in found]


async def _settle_jobs(unit: UnitOfWork, touched: Sequence[JobId]) -> None:
    rows = await _jobs(unit, touched)
    cancelled = [JobId(row.id) for row in rows if row.cancelled_at is not None]
    if cancelled:
        for job in cancelled:
            await _abandon_planned(unit, job)
        await unit.flush()
        rows = await _jobs(unit, touched)
    states = await _states_of_live_batches(unit, [row.id for row in rows])
    over = [row for row in rows if not states[row.id] and not _unplanned(row)]
    live = await _stop_where_due(unit, [row for row in rows if states[row.id] or _unplanned(row)], states)
    await set_jobs(unit, await _asking(unit, live, states))
    outcomes = [(row, outcome_of(counts_of(row), cancelled=row.cancelled_at is not None)) for row in over]
    await set_jobs(unit, [Outcome(row, state) for row, state in outcomes])
    await wake_dependents(unit, [row.folded for row in over])


def _unplanned(row: Row) -> bool:
    """Whether it has no batch because the rows that it is made of are still to come."""
    return row.blocked is not None and row.cancelled_at is None


_States = defaultdict[str, set[BatchState]]


async def _states_of_live_batches(unit: UnitOfWork, among: Sequence[str]) -> _States:
    found: _States = defaultdict(set)
    for portion in chunks(among):
        for job, state in await unit.connection.execute(_STATES, {"among": portion}):
            found[job].add(BatchState(state))
    return found


async def _stop_where_due(unit: UnitOfWork, rows: Sequence[Row], states: _States) -> Sequence[Row]:
    """Stop the jobs of which too much failed while there is more to submit; returns the rows as they are then."""
    may_stop = [row for row in rows if BatchState.PLANNED in states[row.id] and _may_stop(row)]
    reasons = {row.id: _why_stopped(row, await _failed(unit, row)) for row in may_stop}
    stopped = [{"in_job": job, "reason": reason} for job, reason in reasons.items() if reason is not None]
    if not stopped:
        return rows
    await unit.connection.execute(_STOP, stopped)
    return await _jobs(unit, [JobId(row.id) for row in rows])


def _may_stop(row: Row) -> bool:
    return row.stop_after_failed is not None and row.stopped is None


async def _failed(unit: UnitOfWork, row: Row) -> int:
    """Items that were asked for and failed or were aborted; the job counts what was found in the place of some."""
    if row.found:
        return int((await unit.connection.execute(sa.select(failed_among_asked(row.id)))).scalar_one())
    counts = counts_of(row)
    return counts.get(ItemState.FAILED, 0) + counts.get(ItemState.ABORTED, 0)


def failed_among_asked(job: str | sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    """How many items of a job were asked for and failed or were aborted."""
    failed = items.c.state.in_([ItemState.FAILED, ItemState.ABORTED])
    query = sa.select(sa.func.count()).where(items.c.job == job, failed, sa.not_(FOUND_ITEM))
    return query.correlate(jobs).scalar_subquery()


def _why_stopped(row: Row, failed: int) -> str | None:
    """The reason to submit no more of a job, when so much failed; None when there is none."""
    if failed - row.stop_base < row.stop_after_failed:
        return None
    return f"{failed}{_TOO_MANY_FAILED}"


async def _asking(unit: UnitOfWork, rows: Sequence[Row], states: _States) -> list[Outcome]:
    """The jobs whose `needs` or detail have to change."""
    blocked = await _why_blocked(unit, [row.id for row in rows if BatchState.BLOCKED in states[row.id]])
    found = []
    for row in rows:
        needs, detail = _needs(row, blocked.get(row.id))
        if (needs, detail) != (row.needs, row.detail):
            found.append(Outcome(row, JobState(row.state), needs, detail))
    return found


def _why_still_stopped(row: Row) -> str:
    """The reason with the current number of failures, where the job counts them."""
    if row.stop_after_failed is None or row.found or not row.stopped.endswith(_TOO_MANY_FAILED):
        return str(row.stopped)
    counts = counts_of(row)
    failed = counts.get(ItemState.FAILED, 0) + counts.get(ItemState.ABORTED, 0)
    return _why_stopped(row, failed) or row.stopped


def _needs(row: Row, blocked: str | None) -> tuple[Needs | None, str | None]:
    """Why the operator is needed; what keeps a job from being submitted comes first."""
    if row.cancelled_at is not None:
        return None, cancelling(sum(count for state, count in counts_of(row).items() if not state.final))
    if row.paused is not None:
        return Needs.PAUSED, row.paused
    if row.stopped is not None:
        return Needs.STOPPED, _why_still_stopped(row)
    if reason := blocked or row.blocked:
        return Needs.BLOCKED, reason
    waiting = counts_of(row).get(ItemState.ATTENTION, 0)
    if waiting:
        return Needs.ATTENTION, f"the platform waits for someone to act: {waiting} item{'s' if waiting > 1 else ''}"
    return None, None


async def _why_blocked(unit: UnitOfWork, among: Sequence[str]) -> dict[str, str]:
    """For each of these jobs its first blocked batch, and how many more there are."""
    is_blocked = (LIVE_BATCH, batches.c.state == literal(BatchState.BLOCKED))
    of_job = (sa.func.min(batches.c.number).label("number"), sa.func.count().label("count"))
    reasons: dict[str, str] = {}
    for portion in chunks(among):
        first = sa.select(batches.c.job, *of_job).where(batches.c.job.in_(portion), *is_blocked)
        group = first.group_by(batches.c.job).subquery()
        here = sa.and_(batches.c.job == group.c.job, batches.c.number == group.c.number)
        query = sa.select(group, batches.c.detail).join_from(group, batches, here)
        for row in await unit.connection.execute(query):
            job, number, count, detail = row
            more = f" (and {count - 1} more)" if count > 1 else ""
            reasons[job] = f"batch {number}: {detail}{more}"
    return reasons


# ---------------------------------------------------------------- what a cancelled job no longer sends


async def _abandon_planned(unit: UnitOfWork, job: JobId) -> None:
    """Nothing of a planned batch is on the platform: its items end here, never sent."""
    of_job = (batches.c.job == job, LIVE_BATCH, batches.c.state == literal(BatchState.PLANNED))
    planned = (await unit.connection.execute(sa.select(batches.c.id, batches.c.number).where(*of_job))).all()
    if not planned:
        return
    after = next_batch_state(BatchState.PLANNED, BatchEvent.ABANDON)
    ended = await unit.connection.execute(
        sa.update(items)
        .where(
            items.c.job == job,
            items.c.state == ItemState.PENDING,
            items.c.batch.in_(sa.select(batches.c.number).where(*of_job)),
        )
        .values(state=ItemState.CANCELLED, status=None, finished_at=unit.now)
    )
    await unit.connection.execute(
        sa.update(batches)
        .where(*of_job)
        .values(state=after, open=0, creating=0, settled_at=unit.now, **NOTHING_TO_SEND)
    )
    unit.count_job(job, ItemState.PENDING, ItemState.CANCELLED, ended.rowcount)
    for row in planned:
        unit.event(job, BatchEvent.ABANDON, batch=row.number, old=BatchState.PLANNED, new=after)
        unit.settled_batches.append(BatchId(row.id))
