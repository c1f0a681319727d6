"""Pages of one job's batches for people."""

from collections.abc import Collection, Sequence

from orchestrator.domain.model import Batch, BatchState, JobId
from orchestrator.store.database.engine import Database
from orchestrator.store.reading.rows import SELECT_BATCH, batch_of
from orchestrator.store.schema import batches


class BatchPages:
    """Queries for the page of one job."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, job: JobId, states: Collection[BatchState], *, after: int, limit: int) -> Sequence[Batch]:
        """At most `limit` batches behind the number `after`; in any state if no `states` are given."""
        query = SELECT_BATCH.where(batches.c.job == job, batches.c.number > after)
        if states:
            query = query.where(batches.c.state.in_(sorted(states)))
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(batches.c.number).limit(limit))
            return [batch_of(row) for row in rows.all()]
