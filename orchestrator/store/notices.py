"""Notices for webhooks: rows of the outbox, written in the transaction that caused them.

A delivered notice is deleted, and recorded in the history of its job. One that is given up stays until its job is
pruned, and is not due any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import ItemState, JobId, JobState
from orchestrator.domain.webhook import Notice, Notify
from orchestrator.store.database.engine import Database
from orchestrator.store.outbox import RESULT
from orchestrator.store.reading.rows import Row, counts_of, labels_of, notify_of
from orchestrator.store.schema import events, jobs, one_of, outbox

NEVER: Micros = 2**62
"""When a notice that was given up is due."""

_IS_NOTICE = outbox.c.kind != RESULT
_ALIVE = outbox.c.due_at < NEVER

_COLUMNS = tuple(outbox.c[name].label(f"of_{name}") for name in ("id", "at", "kind", "round", "tries", "last_error"))
_SELECT = sa.select(*_COLUMNS, outbox.c.due_at.label("of_due_at"), jobs).join_from(outbox, jobs)

# Executed after every change: to build a statement takes longer than to execute it.
_DUE = (
    _SELECT.where(_IS_NOTICE, outbox.c.due_at <= sa.bindparam("now"))
    .order_by(outbox.c.due_at, outbox.c.id)
    .limit(sa.bindparam("most"))
)
_NEXT_DUE = sa.select(sa.func.min(outbox.c.due_at)).where(_IS_NOTICE, _ALIVE)
_LATE = sa.and_(_IS_NOTICE, _ALIVE, outbox.c.due_at > sa.bindparam("latest", type_=sa.BigInteger))
_FIRST_LATE = sa.select(outbox.c.id).where(_LATE).limit(1)


@dataclass(frozen=True, slots=True)
class PendingNotice:
    """One call of a webhook that has not succeeded yet."""

    id: str
    """The same at every attempt."""
    at: Micros
    """When the change was committed."""
    notice: Notice
    round: int
    """Of the job, at that time."""
    tries: int
    """Attempts that failed."""
    due_at: Micros | None
    """When the next attempt is due; None where there will be none."""
    last_error: str | None
    job_name: str
    kind: str
    account: str
    project: str
    labels: Mapping[str, str]
    notify: Notify | None
    counts: Mapping[ItemState, int] | None
    """Items by state; None once the job was opened again."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a notice is about, as it was committed."""

    state: JobState
    detail: str | None


class Notices:
    """The notices of all jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(
        self, now: Micros, *, limit: int = 100, after: PendingNotice | None = None
    ) -> Sequence[PendingNotice]:
        """At most `limit` notices that are to be delivered now, the oldest first; those behind `after`, if given."""
        values = {"now": now, "most": limit}
        if after is None:
            return await self._read(_DUE, values)
        behind = sa.tuple_(outbox.c.due_at, outbox.c.id) > (after.due_at, after.id)
        return await self._read(_DUE.where(behind), values)

    async def undelivered(self, job: JobId | None = None) -> Sequence[PendingNotice]:
        """All notices of a job, or of all jobs, that were not delivered: those to come and those given up."""
        of_job = () if job is None else (outbox.c.job == job,)
        return await self._read(_SELECT.where(_IS_NOTICE, *of_job).order_by(outbox.c.id))

    async def change_of(self, pending: PendingNotice) -> Change:
        """The state of the job and the reason, as they were when the notice was written.

        Read from its history, as the job may have changed since.
        """
        settled = pending.notice is Notice.SETTLED
        states = one_of(events.c.new, [state for state in JobState if state.settled is settled])
        job = _job_of(pending).scalar_subquery()
        of_job = (events.c.job == job, events.c.event == "job", events.c.at <= pending.at, states)
        of_needs = (events.c.job == job, events.c.event == "needs", events.c.new == pending.notice)
        latest = sa.select(events.c.at, events.c.new, events.c.detail).order_by(events.c.id.desc()).limit(1)
        async with self._database.read() as connection:
            query = sa.select(jobs.c.state, jobs.c.detail).where(jobs.c.id == job)
            now = (await connection.execute(query)).one()
            became = (await connection.execute(latest.where(*of_job))).one_or_none()
            needed = (await connection.execute(latest.where(*of_needs, events.c.at == pending.at))).one_or_none()
        row = became if settled else needed
        return Change(
            state=JobState(became.new if became is not None else now.state),
            detail=row.detail if row is not None and row.at == pending.at else now.detail,
        )

    async def delivered(self, pending: PendingNotice, detail: str, now: Micros) -> None:
        """Record a delivery, also in the history of the job. Idempotent."""
        await self._end(pending, detail, now, sa.delete(outbox).where(outbox.c.id == pending.id))

    async def failed(self, pending: PendingNotice, error: str, *, due_at: Micros) -> None:
        """Record a failed attempt; the next is at `due_at`."""
        async with self._database.write() as connection:
            values = {"tries": outbox.c.tries + 1, "last_error": error, "due_at": due_at}
            await connection.execute(sa.update(outbox).where(outbox.c.id == pending.id).values(values))

    async def give_up(self, pending: PendingNotice, error: str, now: Micros) -> None:
        """Record that the notice is not tried again."""
        values = {"tries": outbox.c.tries + 1, "last_error": error, "due_at": NEVER}
        update = sa.update(outbox).where(outbox.c.id == pending.id, _ALIVE).values(values)
        await self._end(pending, f"given up: {error}", now, update)

    async def bound_due(self, latest: Micros) -> None:
        """Make no notice due later than `latest`, in case the clock was ahead when it was written."""
        async with self._database.read() as connection:
            if (await connection.execute(_FIRST_LATE, {"latest": latest})).first() is None:
                return
        async with self._database.write() as connection:
            await connection.execute(sa.update(outbox).where(_LATE).values(due_at=latest), {"latest": latest})

    async def next_due(self) -> Micros | None:
        """When the next attempt is due; None when there is none."""
        async with self._database.read() as connection:
            due: Micros | None = (await connection.execute(_NEXT_DUE)).scalar_one()
            return due

    async def counts(self) -> tuple[int, int]:
        """How many notices are still to be delivered, and how many were given up."""
        given_up = sa.func.count().filter(outbox.c.due_at >= NEVER)
        query = sa.select(sa.func.count(), given_up).where(_IS_NOTICE)
        async with self._database.read() as connection:
            total, dead = (await connection.execute(query)).one()
        return total - dead, dead

    async def _read(
        self, query: sa.Select[*tuple[object, ...]], values: Mapping[str, object] | None = None
    ) -> Sequence[PendingNotice]:
        async with self._database.read() as connection:
            return [_pending_of(row) for row in await connection.execute(query, values)]

    async def _end(self, pending: PendingNotice, detail: str, now: Micros, change: sa.UpdateBase) -> None:
        async with self._database.write() as connection:
            job = (await connection.execute(_job_of(pending))).scalar_one_or_none()
            if (await connection.execute(change)).rowcount:
                event = {"at": now, "job": job, "event": "notify", "new": pending.notice, "detail": detail}
                await connection.execute(sa.insert(events).values(event))


def _job_of(pending: PendingNotice) -> sa.Select[str]:
    """The id of its job as it is now: a job that is made of rows has another one since it was planned."""
    return sa.select(outbox.c.job).where(outbox.c.id == pending.id)


def _pending_of(row: Row) -> PendingNotice:
    same_round = row.round == row.of_round and row.pruned_at is None
    return PendingNotice(
        id=row.of_id,
        at=row.of_at,
        notice=Notice(row.of_kind),
        round=row.of_round,
        tries=row.of_tries,
        due_at=row.of_due_at if row.of_due_at < NEVER else None,
        last_error=row.of_last_error,
        job_name=row.name,
        kind=row.kind,
        account=row.account,
        project=row.project,
        labels=labels_of(row.labels),
        notify=notify_of(row.notify),
        counts=counts_of(row) if same_round else None,
    )
