"""What of a job has not ended: what holds it, what waits for a retry, and how much of it is out since when."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import Micros
from orchestrator.domain.model import BatchId, BatchState, Job, JobId, Needs
from orchestrator.store.chunks import chunks
from orchestrator.store.database.engine import Database
from orchestrator.store.reading.batches import TAKES_ROOM
from orchestrator.store.schema import LIVE_BATCH, UNSENT_BATCH, batches, events, jobs, literal, one_of

MOST_READ = 1000
"""Batches of one kind that are read for one answer."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing of a job is submitted, since when, and who caused it."""

    reason: str
    since: Micros | None
    by: str | None
    """The id of the user who dropped the file; None where the daemon did, or it is not recorded."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What holds a job back: both may at once."""

    paused: Hold | None = None
    stopped: Hold | None = None


class LiveBatch(NamedTuple):
    """A batch that has not settled. A page reads up to a thousand, and these are made four times as fast as others."""

    id: BatchId
    number: int
    open: int
    """Its items that are not final."""
    detail: str | None
    last_error: str | None
    due_at: Micros
    """Not before this time it is sent or searched for again; 0: at any time."""
    sent_at: Micros | None
    state: BatchState


@dataclass(frozen=True, slots=True)
class LiveWork:
    """The batches of a job that have not settled: at most `MOST_READ` of each kind, however many there are."""

    doubtful: Sequence[LiveBatch]
    """Blocked, unconfirmed, or being sent; by number."""
    planned: Sequence[LiveBatch]
    """By number."""
    tracked: Sequence[LiveBatch]
    """On the platform."""

    @property
    def last_error(self) -> str | None:
        """The last error of the batch with the highest number that has one."""
        read = (*self.doubtful, *self.planned, *self.tracked)
        return max(((each.number, each.last_error) for each in read if each.last_error), default=(0, None))[1]


@dataclass(frozen=True, slots=True)
class OpenGroup:
    """Open items of a job whose batches are in one state and run the same pipeline."""

    state: BatchState
    pipeline: str | None
    items: int
    """Those that count against the limits of open items."""
    youngest: Micros | None
    """When the latest of these batches was accepted."""


_DOUBTFUL = (BatchState.SUBMITTING, BatchState.UNCONFIRMED, BatchState.BLOCKED)
_SELECT_LIVE = sa.select(*(batches.c[name] for name in LiveBatch._fields if name != "state"))


class OpenWork:
    """Queries of what has not ended of a job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def live_work(self, job: Job) -> LiveWork:
        """The batches of a job that have not settled. Each question is answered by an index, and by few of its rows."""
        own, account = batches.c.job == job.id, batches.c.account == job.spec.account
        of_account = batches.c.job.concat("") == job.id  # an expression: so that SQLite uses the index of the account
        by_number = _SELECT_LIVE.order_by(batches.c.number).limit(MOST_READ)
        doubtful = by_number.add_columns(batches.c.state).where(
            account, one_of(batches.c.state, _DOUBTFUL), LIVE_BATCH, of_account
        )
        planned = by_number.where(own, UNSENT_BATCH, batches.c.state == literal(BatchState.PLANNED))
        # In no order, which would need all of them; they are few, or alike.
        tracked = _SELECT_LIVE.where(own, LIVE_BATCH, batches.c.state == literal(BatchState.TRACKING)).limit(MOST_READ)
        async with self._database.read() as connection:
            held = [LiveBatch._make((*row[:-1], BatchState(row.state))) for row in await connection.execute(doubtful)]
            next_up = [LiveBatch._make((*row, BatchState.PLANNED)) for row in await connection.execute(planned)]
            out = [LiveBatch._make((*row, BatchState.TRACKING)) for row in await connection.execute(tracked)]
        return LiveWork(doubtful=held, planned=next_up, tracked=out)

    async def holds(self, job: Job) -> Holds:
        """Why nothing of a job is submitted, where it is paused or stopped."""
        async with self._database.read() as connection:
            query = sa.select(jobs.c.paused, jobs.c.stopped).where(jobs.c.id == job.id)
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return Holds()
            paused = await _hold(connection, job, row.paused, "pause", Needs.PAUSED) if row.paused is not None else None
            stopped = (
                await _hold(connection, job, row.stopped, "stop", Needs.STOPPED) if row.stopped is not None else None
            )
            return Holds(paused, stopped)

    async def groups(self, among: Sequence[JobId]) -> Mapping[JobId, Sequence[OpenGroup]]:
        """The open items of these jobs by the state and pipeline of their batches; jobs without any are left out."""
        by = (batches.c.job, batches.c.state, batches.c.pipeline)
        query = sa.select(*by, sa.func.sum(TAKES_ROOM).label("open_items"), sa.func.max(batches.c.submitted_at))
        query = query.where(LIVE_BATCH, batches.c.open > 0).group_by(*by)
        found: defaultdict[JobId, list[OpenGroup]] = defaultdict(list)
        for portion in chunks(among):
            async with self._database.read() as connection:
                for job, state, pipeline, count, youngest in await connection.execute(
                    query.where(batches.c.job.in_(portion))
                ):
                    found[JobId(job)].append(OpenGroup(BatchState(state), pipeline, int(count), youngest))
        return found


async def _hold(connection: AsyncConnection, job: Job, reason: str | None, event: str, needs: Needs) -> Hold | None:
    """When a hold began: by the job's own event or, if its account was paused earlier, by that of the account."""
    if reason is None:
        return None
    latest = sa.select(events.c.at, events.c.actor).order_by(events.c.id.desc()).limit(1)
    sources = (
        (events.c.job == job.id, events.c.event == event, events.c.detail == reason),
        (events.c.job.is_(None), events.c.event == event, events.c.detail == reason),
        (events.c.job == job.id, events.c.event == "needs", events.c.new == needs),
    )
    for where in sources:
        row = (await connection.execute(latest.where(*where))).one_or_none()
        if row is not None:
            return Hold(reason, row.at, row.actor)
    return Hold(reason, None, None)
