"""Reads jobs, and prunes their history when it is no longer needed."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from orchestrator.clock import Micros
from orchestrator.domain.model import ItemState, Job, JobId, JobSpec, JobState, Needs, NewItem
from orchestrator.store.changes import JobChanged
from orchestrator.store.chunks import chunks
from orchestrator.store.database.engine import Database
from orchestrator.store.ids import TimeOrderedIds
from orchestrator.store.reading.earlier_work import EarlierWork
from orchestrator.store.reading.job_criteria import JobCriteria
from orchestrator.store.reading.rows import COUNTERS, SELECT_JOB, Query, job_of
from orchestrator.store.schema import LIVE_JOB, REAL_JOB, job_after, jobs
from orchestrator.store.writing.jobs.loading import Loading
from orchestrator.store.writing.jobs.pruning import Pruning

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class KnownJob:
    """What intake has to know of a job whose name is dropped again."""

    id: JobId
    name: str
    digest: str
    state: JobState
    sent: bool
    """Whether anything of it may have left."""


class Jobs:
    """Loads, reads and prunes jobs."""

    def __init__(self, database: Database, ids: TimeOrderedIds) -> None:
        self._database = database
        self.earlier = EarlierWork(database)
        self._loading = Loading(database, ids)
        self._pruning = Pruning(database)

    # ------------------------------------------------------------ loading

    async def load(self, spec: JobSpec, now: Micros) -> JobId:
        """Begin a job. Until `commit` it is invisible, and it may have the name of another."""
        (job,) = await self.load_all([spec], now)
        return job

    async def load_all(self, specs: Sequence[JobSpec], now: Micros) -> list[JobId]:
        """Begin many jobs, as `load` does one."""
        return await self._loading.load(specs, now)

    async def add_items(self, job: JobId, new: Sequence[NewItem]) -> None:
        """Add items to a job that is being loaded, in any number of calls; the same ones again change nothing.

        Raises:
            DuplicateKeyError: two items have the same key.
        """
        await self.add_all([(job, new)])

    async def add_all(self, new: Sequence[tuple[JobId, Sequence[NewItem]]]) -> None:
        """Add items to many jobs, as `add_items` does to one."""
        await self._loading.add_items(new)

    async def commit(
        self, loads: Sequence[JobId], now: Micros, *, replaces: Collection[JobId] = ()
    ) -> tuple[JobChanged, ...]:
        """Make loaded jobs real, all of them or none: planned in batches, to be started or to wait for others.

        The jobs in `replaces` are removed in the same transaction.

        Raises:
            NameTakenError: a job of the same name exists, and is not among those to be replaced.
            AlreadySentError: one of those to be replaced has been sent.
        """
        return await self._loading.commit(loads, now, replaces)

    async def abandon(self, loads: Sequence[JobId]) -> None:
        """Forget jobs that were loaded, but not committed."""
        await self._loading.abandon(loads)

    async def abandon_all_loading(self) -> int:
        """At start: forget what a process that is gone has loaded in part; returns how many jobs."""
        return await self._loading.abandon_all()

    # ------------------------------------------------------------ questions

    async def known(self, names: Collection[str]) -> dict[str, KnownJob]:
        """The jobs that have these names without regard to case, by folded name."""
        query = sa.select(jobs.c.id, jobs.c.name, jobs.c.folded, jobs.c.digest, jobs.c.state, jobs.c.sent_at)
        found: dict[str, KnownJob] = {}
        for portion in chunks(sorted({name.casefold() for name in names})):
            async with self._database.read() as connection:
                for row in await connection.execute(query.where(jobs.c.folded.in_(portion), REAL_JOB)):
                    found[row.folded] = KnownJob(
                        id=JobId(row.id),
                        name=row.name,
                        digest=row.digest,
                        state=JobState(row.state),
                        sent=row.sent_at is not None,
                    )
        return found

    async def after_of(self, names: Collection[str]) -> dict[str, tuple[str, ...]]:
        """For each known job among `names` that waits for others: their folded names, by its own folded name."""
        query = sa.select(jobs.c.folded, job_after.c.folded.label("after")).join_from(jobs, job_after)
        found: dict[str, tuple[str, ...]] = {}
        for portion in chunks(sorted({name.casefold() for name in names})):
            async with self._database.read() as connection:
                for row in await connection.execute(query.where(jobs.c.folded.in_(portion), REAL_JOB)):
                    found[row.folded] = (*found.get(row.folded, ()), row.after)
        return found

    async def get(self, name: str) -> Job | None:
        """A job by its name, without regard to case."""
        async with self._database.read() as connection:
            query = SELECT_JOB.where(jobs.c.folded == name.casefold(), REAL_JOB)
            row = (await connection.execute(query)).one_or_none()
        return job_of(row) if row is not None else None

    async def list(
        self, state: JobState | None = None, account: str | None = None, *, search: JobCriteria | None = None
    ) -> list[Job]:
        """Jobs, the newest first; all at once, so for people's lists: see `each` for any number."""
        search = search or JobCriteria(state, account)
        return [job async for chunk in self.each(search=search) for job in chunk]

    async def each(
        self, state: JobState | None = None, account: str | None = None, *, search: JobCriteria | None = None
    ) -> AsyncIterator[Sequence[Job]]:
        """Jobs, the newest first, in chunks."""
        search, before = search or JobCriteria(state, account), None
        while chunk := await self.page(search=search, before=before):
            yield chunk
            before = chunk[-1].id

    async def page(
        self,
        state: JobState | None = None,
        account: str | None = None,
        *,
        search: JobCriteria | None = None,
        before: JobId | None = None,
        limit: int = _CHUNK,
    ) -> Sequence[Job]:
        """At most `limit` jobs, the newest first, beginning with the one made before that of the id `before`."""
        search = search or JobCriteria(state, account)
        query: Query = SELECT_JOB.where(REAL_JOB, *search.conditions).order_by(jobs.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(jobs.c.id < before)
        async with self._database.read() as connection:
            return [job_of(row) for row in (await connection.execute(query)).all()]

    async def unsettled_counts(self) -> Mapping[tuple[str, JobState, Needs | None], int]:
        """How many jobs are not settled, by account, state and needs."""
        by = (jobs.c.account, jobs.c.state, jobs.c.needs)
        async with self._database.read() as connection:
            rows = await connection.execute(sa.select(*by, sa.func.count()).where(LIVE_JOB).group_by(*by))
            return {
                (account, JobState(state), Needs(needs) if needs else None): count
                for account, state, needs, count in rows
            }

    async def item_counts(self) -> Mapping[tuple[str, ItemState], int]:
        """How many items the unsettled jobs have, by account and state."""
        sums = [sa.func.sum(column).label(state) for state, column in COUNTERS.items()]
        async with self._database.read() as connection:
            rows = await connection.execute(sa.select(jobs.c.account, *sums).where(LIVE_JOB).group_by(jobs.c.account))
            return {(row[0], state): int(row[1 + place]) for row in rows for place, state in enumerate(COUNTERS)}

    # ------------------------------------------------------------ pruning

    async def prune(self, settled_before: Micros, now: Micros, limit: int = 10) -> Sequence[str]:
        """Remove items, batches and events of jobs that settled long ago; returns their names, at most `limit`.

        Name, digest, state, counts and dates are never pruned. A job whose result is not delivered yet is left alone.
        The rows go portion by portion; where a crash cuts that short, the next call removes what is left.
        """
        return await self._pruning.prune(settled_before, now, limit)
