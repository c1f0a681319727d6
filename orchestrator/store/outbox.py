"""The results of settled jobs that are still to be written. Notices are in the same table, see `notices.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import JobId
from orchestrator.store.database.engine import Database
from orchestrator.store.schema import jobs, outbox

RESULT = "result"
"""The kind of a row of the outbox that is a result."""
_IS_RESULT = outbox.c.kind == RESULT

# Executed after every change: to build a statement takes longer than to execute it.
_DUE = (
    sa.select(outbox.c.id, outbox.c.tries, jobs.c.name.label("job_name"))
    .join_from(outbox, jobs)
    .where(_IS_RESULT, outbox.c.due_at <= sa.bindparam("now"))
    .order_by(outbox.c.due_at, outbox.c.id)
    .limit(sa.bindparam("most"))
)
_NEXT_DUE = sa.select(sa.func.min(outbox.c.due_at)).where(_IS_RESULT)


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivery."""

    id: str
    job_name: str
    tries: int
    """Attempts that failed."""


class Outbox:
    """Deliveries, from the transaction that caused them until they are done."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, now: Micros, limit: int = 100) -> Sequence[Entry]:
        """What is to be delivered now, the oldest first."""
        async with self._database.read() as connection:
            rows = await connection.execute(_DUE, {"now": now, "most": limit})
            return [Entry(id=row.id, job_name=row.job_name, tries=row.tries) for row in rows]

    async def done(self, entry: Entry) -> None:
        """Record a delivery. Idempotent."""
        async with self._database.write() as connection:
            await connection.execute(sa.delete(outbox).where(outbox.c.id == entry.id))

    async def failed(self, entry: Entry, error: str, *, due_at: Micros) -> None:
        """Record a failed delivery; it is due again at `due_at`."""
        async with self._database.write() as connection:
            await connection.execute(
                sa.update(outbox)
                .where(outbox.c.id == entry.id)
                .values(tries=outbox.c.tries + 1, last_error=error, due_at=due_at)
            )

    async def pending(self, tries: int) -> bool:
        """Whether any delivery is open that failed fewer than `tries` times."""
        query = sa.select(outbox.c.id).where(_IS_RESULT, outbox.c.tries < tries).limit(1)
        async with self._database.read() as connection:
            return (await connection.execute(query)).first() is not None

    async def of_jobs(self, among: Sequence[JobId]) -> set[JobId]:
        """Those of these jobs whose result is not delivered yet."""
        query = sa.select(outbox.c.job).where(_IS_RESULT, outbox.c.job.in_(among))
        async with self._database.read() as connection:
            return {JobId(job) for job in (await connection.execute(query)).scalars()}

    async def failing(self, tries: int) -> Mapping[str, str]:
        """The jobs whose delivery failed `tries` times or more: name → the last error."""
        failing = (_IS_RESULT, outbox.c.tries >= tries)
        query = sa.select(jobs.c.name, outbox.c.last_error).join_from(outbox, jobs).where(*failing)
        async with self._database.read() as connection:
            return {row.name: row.last_error or "" for row in await connection.execute(query.order_by(jobs.c.name))}

    async def next_due(self) -> Micros | None:
        """When the next delivery is due; None when there is none."""
        async with self._database.read() as connection:
            due: Micros | None = (await connection.execute(_NEXT_DUE)).scalar_one()
            return due
