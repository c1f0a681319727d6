"""What people ask for: cancel, pause, resume, retry, adopt.

Each function is the inside of one transaction; `advance.py` tells what each is for.
"""

from collections.abc import AsyncIterator, Sequence

import sqlalchemy as sa

from orchestrator.domain.lifecycle import BatchEvent
from orchestrator.domain.model import Batch, BatchState, Item, ItemState, JobId, JobState, Receipt, Stage
from orchestrator.domain.plan import BATCH_BYTES, Cutter
from orchestrator.domain.submission import Resend
from orchestrator.store.blocked import call_off, start_over, stop_following
from orchestrator.store.consequences import failed_among_asked
from orchestrator.store.dependents import Verdict, judge, wait_again
from orchestrator.store.errors import ControlRefusedError
from orchestrator.store.ledger import Ledger, chunks
from orchestrator.store.outcomes import set_job, withdraw
from orchestrator.store.planning import Origin, send_again
from orchestrator.store.rows import COUNTERS, SELECT_BATCH_TO_SEND, SELECT_ITEM, Row, batch_of, item_of
from orchestrator.store.schema import (
    FOUND_ITEM,
    LIVE_BATCH,
    LIVE_JOB,
    REAL_JOB,
    batches,
    controls,
    items,
    jobs,
    literal,
)
from orchestrator.store.submitting import track

_RETRIED = frozenset({ItemState.FAILED, ItemState.ABORTED, ItemState.PARTIAL, ItemState.CANCELLED})
"""What `retry` without further words sends again."""
_FAILED = COUNTERS[ItemState.FAILED] + COUNTERS[ItemState.ABORTED]


async def job_named(ledger: Ledger, name: str) -> Row | None:
    query = sa.select(jobs).where(jobs.c.folded == name.casefold(), REAL_JOB)
    return (await ledger.connection.execute(query)).one_or_none()


async def repeated(ledger: Ledger, token: str | None, what: str) -> bool:
    """Whether this very control was carried out before; from now on it was."""
    if token is None:
        return False
    if (await ledger.connection.execute(sa.select(controls).where(controls.c.token == token))).first():
        return True
    await ledger.connection.execute(sa.insert(controls).values(token=token, at=ledger.now, what=what))
    return False


async def ended_by_us(ledger: Ledger, job: JobId) -> int:
    """Items of the job that are cancelled or aborted."""
    columns = (COUNTERS[ItemState.CANCELLED], COUNTERS[ItemState.ABORTED])
    row = (await ledger.connection.execute(sa.select(*columns).where(jobs.c.id == job))).one()
    return sum(row)


# ---------------------------------------------------------------- cancel


async def cancel(ledger: Ledger, row: Row) -> None:
    job = JobId(row.id)
    if JobState(row.state).settled or row.cancelled_at is not None:
        return
    await ledger.connection.execute(
        sa.update(jobs).where(jobs.c.id == job).values(cancelled_at=ledger.now, paused=None, stopped=None)
    )
    ledger.event(job, "cancel")
    for batch in await _in_state(ledger, job, BatchState.BLOCKED):
        await call_off(ledger, batch)
    if row.follow_only:
        for batch in await _in_state(ledger, job, BatchState.TRACKING):
            await stop_following(ledger, batch)
    ledger.touched_jobs[job] = None


async def _in_state(ledger: Ledger, job: JobId, state: BatchState) -> list[Batch]:
    query = SELECT_BATCH_TO_SEND.where(batches.c.job == job, LIVE_BATCH, batches.c.state == literal(state)).order_by(
        batches.c.number
    )
    return [batch_of(row, to_send=True) for row in await ledger.connection.execute(query)]


# ---------------------------------------------------------------- pause and resume


async def pause(ledger: Ledger, among: Sequence[sa.ColumnElement[bool]], reason: str) -> None:
    """Jobs already paused keep their reason; what is on the platform is looked at as before."""
    where = (LIVE_JOB, jobs.c.cancelled_at.is_(None), jobs.c.paused.is_(None), *among)
    for job in await _hold(ledger, where, reason):
        ledger.event(job, "pause", detail=reason)


async def resume(ledger: Ledger, among: Sequence[sa.ColumnElement[bool]]) -> None:
    for job in await _hold(ledger, (LIVE_JOB, jobs.c.paused.is_not(None), *among), None):
        ledger.event(job, "resume")


async def _hold(ledger: Ledger, where: Sequence[sa.ColumnElement[bool]], reason: str | None) -> list[JobId]:
    """Write why these jobs are paused, or that they no longer are; returns which they are."""
    found = (await ledger.connection.execute(sa.select(jobs.c.id).where(*where))).scalars()
    held = [JobId(job) for job in sorted(found)]
    await ledger.connection.execute(sa.update(jobs).where(*where).values(paused=reason))
    ledger.touched_jobs |= dict.fromkeys(held)
    return held


async def go_on(ledger: Ledger, row: Row) -> None:
    """A job that stopped after too many failures goes on; those that it has do not count again."""
    if row.stopped is None:
        return
    await _forgive(ledger, JobId(row.id))
    ledger.event(JobId(row.id), "resume", detail=row.stopped)
    ledger.touched_jobs[JobId(row.id)] = None


async def _forgive(ledger: Ledger, job: JobId) -> None:
    failed = sa.case((jobs.c.found == 0, _FAILED), else_=failed_among_asked(jobs.c.id))
    await ledger.connection.execute(sa.update(jobs).where(jobs.c.id == job).values(stopped=None, stop_base=failed))


# ---------------------------------------------------------------- retry


async def retry(ledger: Ledger, row: Row, keys: Sequence[str], state: ItemState | None) -> tuple[int, int]:
    """How many items and how many blocked batches go out again."""
    _may_retry(row)
    job = JobId(row.id)
    await _known_keys(ledger, row, keys)
    blocked = [] if keys or state else await _in_state(ledger, job, BatchState.BLOCKED)
    skipped = row.state == JobState.SKIPPED and not keys and state is None
    chosen = await _chosen(ledger, job, keys, state)
    if not (blocked or skipped or chosen):
        return 0, 0
    if JobState(row.state).settled:
        await _reopen(ledger, row)
    for batch in blocked:
        await start_over(ledger, batch)
    again = await _all_again(ledger, row, chosen)
    await ledger.flush()
    await _forgive(ledger, job)
    ledger.event(job, "retry", detail=f"{again} items, {len(blocked)} blocked batches")
    ledger.touched_jobs[job] = None
    return again, len(blocked)


def _may_retry(row: Row) -> None:
    if row.pruned_at is not None:
        raise ControlRefusedError(f"{row.name} settled so long ago that its items are gone: drop it under a new name")
    if row.cancelled_at is not None and not JobState(row.state).settled:
        raise ControlRefusedError(f"{row.name} is still being cancelled: retry it when it has settled")


async def _known_keys(ledger: Ledger, row: Row, keys: Sequence[str]) -> None:
    """Raises ControlRefusedError where one is not there, or has succeeded: sent again, it would be paid for twice."""
    found: dict[str, str] = {}
    for portion in chunks(sorted(set(keys))):
        query = sa.select(items.c.key, items.c.state, items.c.parent)
        for each in await ledger.connection.execute(query.where(items.c.job == row.id, items.c.key.in_(portion))):
            if each.parent is not None:
                raise ControlRefusedError(
                    f"{row.name}: {each.key} was found on the platform, and not asked for: retry the item it belongs to"
                )
            found[each.key] = each.state
    if unknown := set(keys) - found.keys():
        raise ControlRefusedError(f"{row.name} has no item {', '.join(sorted(unknown)[:10])}")
    if done := [key for key, state in found.items() if state == ItemState.SUCCEEDED]:
        raise ControlRefusedError(f"{row.name}: {', '.join(done[:10])} succeeded: to do it again, drop it as a new job")


async def _chosen(ledger: Ledger, job: JobId, keys: Sequence[str], state: ItemState | None) -> list[int]:
    """The numbers of the items that go out again, in order."""
    wanted = _RETRIED & {state} if state else _RETRIED
    query = sa.select(items.c.seq).where(items.c.job == job, items.c.state.in_(sorted(wanted)), sa.not_(FOUND_ITEM))
    found: list[int] = []
    for portion in chunks(sorted(set(keys))) if keys else [None]:
        named = query if portion is None else query.where(items.c.key.in_(portion))
        found += (await ledger.connection.execute(named)).scalars()
    return sorted(found)


async def _all_again(ledger: Ledger, row: Row, chosen: Sequence[int]) -> int:
    """Plan new batches for the chosen items, a batch at a time: a job may have very many."""
    origin = Origin(JobId(row.id), row.name, row.account, Stage(row.first_stage), follow_only=row.follow_only)
    async for seqs in _cut(ledger, origin.job, chosen, row.batch_size):
        await send_again(ledger, origin, [item async for item in _numbered(ledger, origin.job, seqs)])
        await ledger.flush()
    return len(chosen)


async def _cut(ledger: Ledger, job: JobId, chosen: Sequence[int], size: int) -> AsyncIterator[list[int]]:
    """The numbers by batch: as at intake, so many items and so many bytes at most."""
    cutter, batch = Cutter(size, BATCH_BYTES), list[int]()
    query = sa.select(items.c.seq, sa.func.length(items.c.request)).where(items.c.job == job).order_by(items.c.seq)
    for portion in chunks(chosen):
        for seq, length in (await ledger.connection.execute(query.where(items.c.seq.in_(portion)))).all():
            before = cutter.batches
            if cutter.add(length or 0) > before and batch:
                yield batch
                batch = []
            batch.append(seq)
    if batch:
        yield batch


async def _numbered(ledger: Ledger, job: JobId, seqs: Sequence[int]) -> AsyncIterator[Item]:
    query = SELECT_ITEM.where(items.c.job == job).order_by(items.c.seq)
    for portion in chunks(seqs):
        for row in await ledger.connection.execute(query.where(items.c.seq.in_(portion))):
            yield item_of(row)


async def _reopen(ledger: Ledger, row: Row) -> None:
    await withdraw(ledger, [JobId(row.id)])
    # A person who retries a skipped job wants it done although what it waited for did not end well.
    ((_, verdict, _),) = await judge(ledger, [row])
    state = JobState.WAITING if verdict is Verdict.WAIT else JobState.QUEUED
    await set_job(ledger, row, state, round=row.round + 1, settled_at=None, cancelled_at=None)
    await wait_again(ledger, [row.folded])


# ---------------------------------------------------------------- adopt


async def adopt(ledger: Ledger, row: Row, number: int, remote_id: str) -> None:
    query = SELECT_BATCH_TO_SEND.where(batches.c.job == row.id, batches.c.number == number)
    found = (await ledger.connection.execute(query)).one_or_none()
    if found is None:
        raise ControlRefusedError(f"{row.name} has no batch {number}")
    batch = batch_of(found, to_send=True)
    if batch.resend is Resend.FOLLOW_ONLY:
        raise ControlRefusedError(
            f"nothing of {row.name} was sent: its items name what is followed, `retry` begins anew"
        )
    if batch.state not in {BatchState.UNCONFIRMED, BatchState.BLOCKED}:
        raise ControlRefusedError(
            f"batch {number} of {row.name} is {batch.state}: only a blocked or an unconfirmed one can be adopted"
        )
    taken = sa.select(jobs.c.name, batches.c.number).join_from(batches, jobs)
    taken = taken.where(batches.c.account == batch.account, batches.c.remote_id == remote_id, batches.c.id != batch.id)
    other = (await ledger.connection.execute(taken)).first()
    if other is not None:
        raise ControlRefusedError(f"{remote_id} is batch {other.number} of {other.name} already")
    await track(ledger, batch, BatchEvent.ADOPT, Receipt(remote_id))
