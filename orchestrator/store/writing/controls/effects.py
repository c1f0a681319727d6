"""The effects of the controls cancel, pause, resume, retry and adopt.

Each function is the inside of one transaction; `actions.py` says what each is for.
"""

from collections.abc import AsyncIterator, Sequence

import sqlalchemy as sa

from orchestrator.domain.lifecycle import ADOPTABLE_STATES, RETRIED_STATES, BatchEvent
from orchestrator.domain.messages.counting import counted
from orchestrator.domain.model import Batch, BatchState, Item, ItemState, JobId, JobState, Receipt, Stage
from orchestrator.domain.queue_file.estimate import Cutter
from orchestrator.domain.submission import Resend
from orchestrator.store.chunks import chunks
from orchestrator.store.errors import ControlRefusedError
from orchestrator.store.reading.rows import (
    COUNTERS,
    SELECT_BATCH,
    SELECT_ITEM,
    Row,
    batch_of,
    counts_of,
    item_of,
)
from orchestrator.store.schema import (
    FOUND_ITEM,
    LIVE_BATCH,
    LIVE_JOB,
    NOT_PLANNED,
    REAL_JOB,
    batches,
    controls,
    items,
    jobs,
    literal,
)
from orchestrator.store.writing.blocking import call_off, start_over, stop_following
from orchestrator.store.writing.jobs.dependents import Verdict, judge, wait_again
from orchestrator.store.writing.jobs.job_states import set_job, withdraw
from orchestrator.store.writing.jobs.settling import failed_among_asked
from orchestrator.store.writing.planning import Origin, send_again
from orchestrator.store.writing.submitting import track
from orchestrator.store.writing.unit_of_work import UnitOfWork

_FAILED = COUNTERS[ItemState.FAILED] + COUNTERS[ItemState.ABORTED]


async def job_named(unit: UnitOfWork, name: str) -> Row | None:
    query = sa.select(jobs).where(jobs.c.folded == name.casefold(), REAL_JOB)
    return (await unit.connection.execute(query)).one_or_none()


async def repeated(unit: UnitOfWork, token: str | None, what: str) -> bool:
    """Whether the control of this token was carried out before; records that it is carried out now."""
    if token is None:
        return False
    if (await unit.connection.execute(sa.select(controls).where(controls.c.token == token))).first():
        return True
    await unit.connection.execute(sa.insert(controls).values(token=token, at=unit.now, what=what))
    return False


async def keep_outcome(unit: UnitOfWork, token: str | None, what: str, outcome: str) -> None:
    """Store the outcome for the command that waits for this control."""
    if token is not None:
        text = f"{what}: {outcome}"
        await unit.connection.execute(sa.update(controls).where(controls.c.token == token).values(what=text))


async def ended_by_us(unit: UnitOfWork, job: JobId) -> int:
    """Items of the job that are cancelled or aborted."""
    columns = (COUNTERS[ItemState.CANCELLED], COUNTERS[ItemState.ABORTED])
    row = (await unit.connection.execute(sa.select(*columns).where(jobs.c.id == job))).one()
    return sum(row)


# ---------------------------------------------------------------- cancel


async def cancel(unit: UnitOfWork, row: Row) -> None:
    job = JobId(row.id)
    if JobState(row.state).settled or row.cancelled_at is not None:
        return
    await unit.connection.execute(
        sa.update(jobs).where(jobs.c.id == job).values(cancelled_at=unit.now, paused=None, stopped=None)
    )
    unit.event(job, "cancel")
    for batch in await _in_state(unit, job, BatchState.BLOCKED):
        await call_off(unit, batch)
    if row.follow_only:
        for batch in await _in_state(unit, job, BatchState.TRACKING):
            await stop_following(unit, batch)
    unit.touched_jobs[job] = None


async def _in_state(unit: UnitOfWork, job: JobId, state: BatchState) -> list[Batch]:
    query = SELECT_BATCH.where(batches.c.job == job, LIVE_BATCH, batches.c.state == literal(state))
    return [batch_of(row) for row in await unit.connection.execute(query.order_by(batches.c.number))]


# ---------------------------------------------------------------- pause and resume


async def pause(unit: UnitOfWork, among: Sequence[sa.ColumnElement[bool]], reason: str) -> int:
    """Jobs already paused keep their reason; what is on the platform is polled as before."""
    where = (LIVE_JOB, jobs.c.cancelled_at.is_(None), jobs.c.paused.is_(None), *among)
    held = await _hold(unit, where, reason)
    for job in held:
        unit.event(job, "pause", detail=reason)
    return len(held)


async def resume(unit: UnitOfWork, among: Sequence[sa.ColumnElement[bool]]) -> int:
    held = await _hold(unit, (LIVE_JOB, jobs.c.paused.is_not(None), *among), None)
    for job in held:
        unit.event(job, "resume")
    return len(held)


async def _hold(unit: UnitOfWork, where: Sequence[sa.ColumnElement[bool]], reason: str | None) -> list[JobId]:
    """Write why these jobs are paused, or that they no longer are; returns which they are."""
    found = (await unit.connection.execute(sa.select(jobs.c.id).where(*where))).scalars()
    held = [JobId(job) for job in sorted(found)]
    await unit.connection.execute(sa.update(jobs).where(*where).values(paused=reason))
    unit.touched_jobs |= dict.fromkeys(held)
    return held


async def go_on(unit: UnitOfWork, row: Row) -> int:
    """A job that stopped after too many failures continues; the failures so far do not count again."""
    if row.stopped is None:
        return 0
    await _forgive(unit, JobId(row.id))
    unit.event(JobId(row.id), "resume", detail=row.stopped)
    unit.touched_jobs[JobId(row.id)] = None
    return 1


async def _forgive(unit: UnitOfWork, job: JobId) -> None:
    failed = sa.case((jobs.c.found == 0, _FAILED), else_=failed_among_asked(jobs.c.id))
    await unit.connection.execute(sa.update(jobs).where(jobs.c.id == job).values(stopped=None, stop_base=failed))


# ---------------------------------------------------------------- retry


async def retry(
    unit: UnitOfWork, row: Row, keys: Sequence[str], state: ItemState | None, batch_bytes: int
) -> tuple[int, int, bool]:
    """How many items and blocked batches go out again, and whether anything changed.

    New batches take at most `batch_bytes` of items.
    """
    _may_retry(row)
    job = JobId(row.id)
    await _known_keys(unit, row, keys)
    blocked = [] if keys or state else await _in_state(unit, job, BatchState.BLOCKED)
    skipped = row.state == JobState.SKIPPED and not keys and state is None
    chosen = await _chosen(unit, job, keys, state)
    anew = not (keys or state or chosen) and _is_planned_anew(row)
    if not (blocked or skipped or chosen or anew):
        return 0, 0, False
    if anew:
        await unit.connection.execute(sa.update(jobs).where(jobs.c.id == job).values(blocked=NOT_PLANNED))
    if JobState(row.state).settled:
        await _reopen(unit, row)
    for batch in blocked:
        await start_over(unit, batch)
    again = await _all_again(unit, row, chosen, batch_bytes)
    await unit.flush()
    await _forgive(unit, job)
    parts = ((again, "item"), (len(blocked), "blocked batch"))
    unit.event(job, "retry", detail=", ".join(counted(count, noun) for count, noun in parts if count) or None)
    unit.touched_jobs[job] = None
    return again, len(blocked), True


def _is_planned_anew(row: Row) -> bool:
    """Whether it is a job made of rows that has no items: it could not be planned, was not, or there were no rows."""
    return row.source is not None and not counts_of(row) and bool(row.blocked or JobState(row.state).settled)


def _may_retry(row: Row) -> None:
    if row.pruned_at is not None:
        raise ControlRefusedError(f"{row.name} settled so long ago that its items are gone: drop it under a new name")
    if row.cancelled_at is not None and not JobState(row.state).settled:
        raise ControlRefusedError(f"{row.name} is still being cancelled: retry it when it has settled")


async def _known_keys(unit: UnitOfWork, row: Row, keys: Sequence[str]) -> None:
    """Raises ControlRefusedError where one is not there, or has succeeded: sent again, it would be paid for twice."""
    found: dict[str, str] = {}
    for portion in chunks(sorted(set(keys))):
        query = sa.select(items.c.key, items.c.state, items.c.parent)
        for each in await unit.connection.execute(query.where(items.c.job == row.id, items.c.key.in_(portion))):
            if each.parent is not None:
                raise ControlRefusedError(
                    f"{row.name}: {each.key} was found on the platform, and not asked for: retry the item it belongs to"
                )
            found[each.key] = each.state
    if unknown := set(keys) - found.keys():
        raise ControlRefusedError(f"{row.name} has no item {', '.join(sorted(unknown)[:10])}")
    if done := [key for key, state in found.items() if state == ItemState.SUCCEEDED]:
        raise ControlRefusedError(f"{row.name}: {', '.join(done[:10])} succeeded: to do it again, drop it as a new job")


async def _chosen(unit: UnitOfWork, job: JobId, keys: Sequence[str], state: ItemState | None) -> list[int]:
    """The numbers of the items that go out again, in order."""
    wanted = [each for each in RETRIED_STATES if state in (None, each)]
    query = sa.select(items.c.seq).where(items.c.job == job, items.c.state.in_(sorted(wanted)), sa.not_(FOUND_ITEM))
    found: list[int] = []
    for portion in chunks(sorted(set(keys))) if keys else [None]:
        named = query if portion is None else query.where(items.c.key.in_(portion))
        found += (await unit.connection.execute(named)).scalars()
    return sorted(found)


async def _all_again(unit: UnitOfWork, row: Row, chosen: Sequence[int], batch_bytes: int) -> int:
    """Plan new batches for the chosen items, a batch at a time: a job may have very many."""
    origin = Origin(JobId(row.id), row.name, row.account, Stage(row.first_stage), follow_only=row.follow_only)
    async for seqs in _cut(unit, origin.job, chosen, Cutter(row.batch_size, batch_bytes)):
        await send_again(unit, origin, [item async for item in _numbered(unit, origin.job, seqs)])
        await unit.flush()
    return len(chosen)


async def _cut(unit: UnitOfWork, job: JobId, chosen: Sequence[int], cutter: Cutter) -> AsyncIterator[list[int]]:
    """The numbers by batch: as at intake, so many items and so many bytes at most."""
    batch: list[int] = []
    query = sa.select(items.c.seq, sa.func.length(items.c.request)).where(items.c.job == job).order_by(items.c.seq)
    for portion in chunks(chosen):
        for seq, length in (await unit.connection.execute(query.where(items.c.seq.in_(portion)))).all():
            before = cutter.batches
            if cutter.add(length or 0) > before and batch:
                yield batch
                batch = []
            batch.append(seq)
    if batch:
        yield batch


async def _numbered(unit: UnitOfWork, job: JobId, seqs: Sequence[int]) -> AsyncIterator[Item]:
    query = SELECT_ITEM.where(items.c.job == job).order_by(items.c.seq)
    for portion in chunks(seqs):
        for row in await unit.connection.execute(query.where(items.c.seq.in_(portion))):
            yield item_of(row)


async def _reopen(unit: UnitOfWork, row: Row) -> None:
    await withdraw(unit, [JobId(row.id)])
    # An operator who retries a skipped job wants it done although its dependencies did not end as accepted.
    ((_, verdict, _),) = await judge(unit, [row])
    state = JobState.WAITING if verdict is Verdict.WAIT else JobState.QUEUED
    await set_job(unit, row, state, round=row.round + 1, settled_at=None, cancelled_at=None)
    await wait_again(unit, [row.folded])


# ---------------------------------------------------------------- adopt


async def adopt(unit: UnitOfWork, row: Row, number: int, remote_id: str) -> None:
    query = SELECT_BATCH.where(batches.c.job == row.id, batches.c.number == number)
    found = (await unit.connection.execute(query)).one_or_none()
    if found is None:
        raise ControlRefusedError(f"{row.name} has no batch {number}")
    batch = batch_of(found)
    if batch.resend is Resend.FOLLOW_ONLY:
        raise ControlRefusedError(
            f"nothing of {row.name} was sent: its items name what is followed, `retry` begins anew"
        )
    if batch.state not in ADOPTABLE_STATES:
        raise ControlRefusedError(
            f"batch {number} of {row.name} is {batch.state}: only a blocked or an unconfirmed one can be adopted"
        )
    taken = sa.select(jobs.c.name, batches.c.number).join_from(batches, jobs)
    taken = taken.where(batches.c.account == batch.account, batches.c.remote_id == remote_id, batches.c.id != batch.id)
    other = (await unit.connection.execute(taken)).first()
    if other is not None:
        raise ControlRefusedError(f"{remote_id} is batch {other.number} of {other.name} already")
    await track(unit, batch, BatchEvent.ADOPT, Receipt(remote_id))
