"""What happened to a job, and who caused it: the rows of `events`, in order."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import JobId, Needs
from orchestrator.store.database.engine import Database
from orchestrator.store.schema import events, items

_CHUNK = 1000
_SCANNED = 5000
"""Events that are read to find those without an item."""

_ADOPT = "adopt"
_STEPS = ("pause", "resume", "cancel", "retry", "give_up", _ADOPT)
"""What operators do with a job."""
_HELD = sa.and_(events.c.event == "needs", events.c.new.in_([Needs.STOPPED, Needs.BLOCKED]))
"""The daemon stopped or blocked a job."""

_OF_ITEM = sa.and_(items.c.job == events.c.job, items.c.seq == events.c.seq)
_SELECT = sa.select(
    events.c.id,
    events.c.at,
    events.c.event,
    events.c.batch,
    events.c.old,
    events.c.new,
    events.c.detail,
    events.c.actor,
    items.c.key,
).join_from(events, items, _OF_ITEM, isouter=True)


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """One change of a job, a batch or an item."""

    id: int
    """Ascends with each event; a page begins behind it."""
    at: Micros
    event: str
    """What happened: `job`, `needs`, `item`, `status`, `cancel`, `pause`, or an event of a batch."""
    batch: int | None
    item: str | None
    """The key of the item; None for an event of a batch or a job."""
    old: str | None
    new: str | None
    detail: str | None
    actor: str | None
    """The id of the user who dropped the file that caused it; None where the daemon or a platform did."""


class History:
    """Queries of the events of a job. They are removed with its items when it is pruned."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, job: JobId, *, after: int = 0, limit: int = _CHUNK) -> Sequence[HistoryEvent]:
        """At most `limit` events, the oldest first, beginning behind the one with the id `after`."""
        query = _SELECT.where(events.c.job == job, events.c.id > after).order_by(events.c.id).limit(limit)
        async with self._database.read() as connection:
            return [_event_of(row) for row in await connection.execute(query)]

    async def newest(self, job: JobId, *, before: int | None = None, limit: int = _CHUNK) -> Sequence[HistoryEvent]:
        """At most `limit` events, the newest first, beginning before the one with the id `before`."""
        query = _SELECT.where(events.c.job == job).order_by(events.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(events.c.id < before)
        async with self._database.read() as connection:
            return [_event_of(row) for row in await connection.execute(query)]

    async def newest_without_items(
        self, job: JobId, *, before: int | None = None, limit: int
    ) -> tuple[Sequence[HistoryEvent], int | None]:
        """As `newest`, but what happened to the job and its batches alone; and where to continue, if there may be more.

        A job has several events for each of its items: one call reads at most `_SCANNED` of them.
        """
        place = sa.select(events.c.id, events.c.seq).where(events.c.job == job).order_by(events.c.id.desc())
        place = place.limit(_SCANNED) if before is None else place.where(events.c.id < before).limit(_SCANNED)
        async with self._database.read() as connection:
            scanned = (await connection.execute(place)).all()
            found = [row.id for row in scanned if row.seq is None]
            more, found = len(found) > limit, found[:limit]
            query = _SELECT.where(events.c.id.in_(found)).order_by(events.c.id.desc())
            read = [_event_of(row) for row in await connection.execute(query)]
        if more:
            return read, found[-1]
        return read, scanned[-1].id if len(scanned) == _SCANNED else None

    async def steps(self, job: JobId, *, limit: int) -> Sequence[HistoryEvent]:
        """At most `limit` events, the oldest first: what operators did with a job, and what stopped or blocked it."""
        of_job = sa.or_(events.c.batch.is_(None), events.c.event == _ADOPT)
        shown = sa.or_(events.c.event.in_(_STEPS), _HELD)
        query = _SELECT.where(events.c.job == job, events.c.seq.is_(None), of_job, shown)
        async with self._database.read() as connection:
            return [_event_of(row) for row in await connection.execute(query.order_by(events.c.id).limit(limit))]

    async def stream(self, job: JobId) -> AsyncIterator[Sequence[HistoryEvent]]:
        """All events, the oldest first, in chunks."""
        last = 0
        while chunk := await self.page(job, after=last):
            yield chunk
            last = chunk[-1].id


def _event_of(row: sa.Row[*tuple[object, ...]]) -> HistoryEvent:
    return HistoryEvent(
        id=row.id,
        at=row.at,
        event=row.event,
        batch=row.batch,
        item=row.key,
        old=row.old,
        new=row.new,
        detail=row.detail,
        actor=row.actor,
    )
