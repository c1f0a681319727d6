"""Writes the state and needs of jobs, with their events, notices and, when they settle, the results to deliver.

Only the commit of new jobs (`launching.py`) writes them elsewhere.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import sqlalchemy as sa

from orchestrator.domain.model import JobId, JobState, Needs
from orchestrator.domain.webhook import Notice
from orchestrator.store.account_memory import why_paused
from orchestrator.store.changes import JobChanged
from orchestrator.store.chunks import chunks
from orchestrator.store.outbox import RESULT
from orchestrator.store.reading.rows import Row, notify_of
from orchestrator.store.schema import jobs, outbox
from orchestrator.store.writing.unit_of_work import UnitOfWork

_WITHDRAW = sa.delete(outbox).where(
    outbox.c.job == sa.bindparam("of_job"), outbox.c.round == sa.bindparam("of_round"), outbox.c.kind == RESULT
)
_QUEUE = sa.insert(outbox)
_NOTICES = {Needs.BLOCKED: Notice.BLOCKED, Needs.ATTENTION: Notice.ATTENTION, Needs.STOPPED: Notice.STOPPED}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A change of a job: its row as it was read, and what is to be written."""

    row: Row
    state: JobState
    needs: Needs | None = None
    detail: str | None = None
    more: Mapping[str, object] = field(default_factory=dict)
    """Other values to write, by column."""


async def set_job(
    unit: UnitOfWork,
    row: Row,
    state: JobState,
    *,
    needs: Needs | None = None,
    detail: str | None = None,
    **more: object,
) -> None:
    """Write the state and needs of the job in `row`, and the columns in `more`."""
    await set_jobs(unit, [Outcome(row, state, needs, detail, more)])


async def set_jobs(unit: UnitOfWork, outcomes: Sequence[Outcome]) -> None:
    """`set_job` for many at a time: there may be ten thousand, and no other writer gets its turn meanwhile."""
    opened = [each for each in outcomes if _opens(each)]
    paused = {each.row.account: await why_paused(unit.connection, each.row.account) for each in _per_account(opened)}
    by_columns: defaultdict[tuple[str, ...], list[dict[str, object]]] = defaultdict(list)
    for each in outcomes:
        job = JobId(each.row.id)
        values: dict[str, object] = {"state": each.state, "needs": each.needs, "detail": each.detail, **each.more}
        if each.state.settled:
            values |= {"settled_at": unit.now, "paused": None, "stopped": None}
        elif _opens(each):  # a pause of its account holds it back like a new job
            values["paused"] = paused[each.row.account]
            unit.touched_jobs[job] = None
        by_columns[tuple(sorted(values))].append({"in_job": job} | {f"to_{name}": values[name] for name in values})
        _record(unit, each)
    for columns, changes in by_columns.items():
        await unit.connection.execute(_update_of_job(columns), changes)
    await _queue_results(unit, [each.row for each in outcomes if each.state.settled])
    await _queue_notices(unit, [(each.row, notice) for each in outcomes if (notice := _notice_of(each)) is not None])


@cache
def _update_of_job(columns: tuple[str, ...]) -> sa.Update:
    """Set these columns of a job. There are few sets of columns, and to build it takes longer than to execute it."""
    update = sa.update(jobs).where(jobs.c.id == sa.bindparam("in_job"))
    return update.values({name: sa.bindparam(f"to_{name}") for name in columns})


def _notice_of(outcome: Outcome) -> Notice | None:
    """The notice for the webhook of the job, if it has one."""
    row = outcome.row
    if row.notify is None:
        return None
    if outcome.state.settled:
        return Notice.SETTLED
    return _NOTICES.get(outcome.needs) if outcome.needs is not None and outcome.needs != row.needs else None


def needs_of(row: Row) -> Needs | None:
    return Needs(row.needs) if row.needs else None


def _opens(outcome: Outcome) -> bool:
    return JobState(outcome.row.state).settled and not outcome.state.settled


def _per_account(outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    return list({each.row.account: each for each in outcomes}.values())


def _record(unit: UnitOfWork, outcome: Outcome) -> None:
    row, job = outcome.row, JobId(outcome.row.id)
    if outcome.state != row.state:
        unit.event(job, "job", old=row.state, new=outcome.state, detail=outcome.detail)
    elif outcome.needs != row.needs:
        unit.event(job, "needs", old=row.needs, new=outcome.needs, detail=outcome.detail)
    unit.job_changes[job] = JobChanged(
        job, row.name, row.account, outcome.state, outcome.needs, outcome.detail, needs_of(row)
    )


async def _queue_results(unit: UnitOfWork, settled: Sequence[Row]) -> None:
    """Queue the results of these jobs for delivery, once a round."""
    if not settled:
        return
    same = [{"of_job": row.id, "of_round": row.round} for row in settled]
    await unit.connection.execute(_WITHDRAW, same)
    new = [{"id": unit.new_id(), "at": unit.now, "kind": RESULT, "job": row.id} for row in settled]
    await unit.connection.execute(_QUEUE, [each | {"round": row.round} for each, row in zip(new, settled, strict=True)])


async def withdraw(unit: UnitOfWork, reopened: Sequence[JobId]) -> None:
    """Cancel the delivery of results that were not written yet, as these jobs are open again.

    Notices stay, as each says what happened and in which round.
    """
    for portion in chunks(reopened):
        await unit.connection.execute(sa.delete(outbox).where(outbox.c.job.in_(portion), outbox.c.kind == RESULT))


async def _queue_notices(unit: UnitOfWork, notices: Sequence[tuple[Row, Notice]]) -> None:
    """Queue the notices that these jobs asked for."""
    wanted = [(row, notice) for row, notice in notices if notice in _wanted_by(row)]
    before = await _notices_before(unit, sorted({row.id for row, _ in wanted}))
    rows = [
        {"id": unit.new_id(), "at": unit.now, "kind": notice, "job": row.id, "round": row.round}
        | {"ordinal": before[row.id, row.round, notice]}
        for row, notice in wanted
    ]
    if rows:
        await unit.connection.execute(_QUEUE, rows)


def _wanted_by(row: Row) -> Collection[Notice]:
    notify = notify_of(row.notify)
    return notify.on if notify is not None else ()


async def _notices_before(unit: UnitOfWork, among: Sequence[str]) -> defaultdict[tuple[str, int, str], int]:
    """The next ordinal by job, round and kind: a job may be blocked again while an earlier notice still waits."""
    found: defaultdict[tuple[str, int, str], int] = defaultdict(int)
    by = (outbox.c.job, outbox.c.round, outbox.c.kind)
    for portion in chunks(among):
        query = sa.select(*by, sa.func.max(outbox.c.ordinal)).where(outbox.c.job.in_(portion)).group_by(*by)
        for job, number, kind, last in await unit.connection.execute(query):
            found[job, number, kind] = last + 1
    return found
