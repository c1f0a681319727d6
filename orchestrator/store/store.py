"""The store as the rest of the program sees it."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import sqlalchemy as sa

from orchestrator.domain.model import BatchState, ItemState
from orchestrator.store.account_memory import Memory
from orchestrator.store.changes import Controlled, JobChanged, Moved, Observed
from orchestrator.store.database import upgrade
from orchestrator.store.database.engine import Database, Timed, parse
from orchestrator.store.database.lock_proof import Fence
from orchestrator.store.ids import TimeOrderedIds
from orchestrator.store.notices import Notices
from orchestrator.store.outbox import Entry, Outbox
from orchestrator.store.reading.batch_pages import BatchPages
from orchestrator.store.reading.batches import MAY_FIND_OUT, Batches
from orchestrator.store.reading.history import History
from orchestrator.store.reading.item_search import ItemSearch
from orchestrator.store.reading.items import Items
from orchestrator.store.reading.job_search import JobSearch
from orchestrator.store.reading.jobs import Jobs, KnownJob
from orchestrator.store.reading.open_work import OpenWork
from orchestrator.store.reading.standstill import Standstill
from orchestrator.store.schema import IN_BATCH, LIVE_BATCH, OPEN_ITEM, TO_BE_PLANNED, batches, items, jobs, literal
from orchestrator.store.writing.advance import Advance
from orchestrator.store.writing.jobs.planned_rows import PlannedRows
from orchestrator.store.writing.refusals import Refusals

__all__ = ["Controlled", "Entry", "JobChanged", "KnownJob", "Moved", "Observed", "Store"]

_MOST: Final = 2**63 - 1
"""More items than there are, and a time after all others: the largest number that a database holds."""
_NO_LIMITS: Final[Mapping[str, int]] = MappingProxyType({})


class Store:
    """One open database."""

    def __init__(self, database: Database) -> None:
        ids = TimeOrderedIds()
        self._database = database
        self.advance = Advance(database, ids)
        self.jobs = Jobs(database, ids)
        self.batches = Batches(database)
        self.items = Items(database)
        self.job_search = JobSearch(database)
        self.item_search = ItemSearch(database)
        self.batch_pages = BatchPages(database)
        self.history = History(database)
        self.open_work = OpenWork(database)
        self.outbox = Outbox(database)
        self.notices = Notices(database)
        self.memory = Memory(database)
        self.refusals = Refusals(database)
        self.planned_rows = PlannedRows(database, ids)
        self.standstill = Standstill(database)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        state_directory: Path,
        read_only: bool = False,
        progress: upgrade.Progress = upgrade.unreported,
        fence: Fence | None = None,
    ) -> Self:
        """Open the database, and bring an SQLite one up to date; a process that writes holds the `DaemonLock`.

        `fence` is that lock's: with it, every writing transaction on a PostgreSQL server proves the lock.

        Raises:
            SchemaError: older (PostgreSQL is upgraded by a command, not by a start) or newer than the program.
            DamagedError: the file is no sound database; it is left as it is.
            StoreUnavailableError: the file or server cannot be used for the moment.
        """
        parsed = parse(url)
        await upgrade.prepare(
            parsed,
            state_directory=state_directory,
            read_only=read_only,
            progress=progress,
        )
        return cls(Database.connect(parsed, read_only=read_only, fence=fence))

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        url: str,
        *,
        state_directory: Path,
        read_only: bool = False,
        progress: upgrade.Progress = upgrade.unreported,
        fence: Fence | None = None,
    ) -> AsyncIterator[Self]:
        """`open` for the length of a block."""
        store = await cls.open(
            url,
            state_directory=state_directory,
            read_only=read_only,
            progress=progress,
            fence=fence,
        )
        try:
            yield store
        finally:
            await store.aclose()

    def time_with(self, timed: Timed) -> None:
        """Have the time of each transaction taken; `timed` gets `read` or `write`."""
        self._database.timed = timed

    def snapshot(self) -> AbstractAsyncContextManager[None]:
        """Inside, all that this task reads is of one moment, in one transaction. It starts no tasks, and only reads."""
        return self._database.snapshot()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._database.aclose()

    @property
    def writes(self) -> int:
        """How often something was written since the start: while it stays the same, what was read is still so."""
        return self._database.writes

    async def moving(self, besides: Collection[str] = (), open_items: Mapping[str, int] = _NO_LIMITS) -> bool:
        """Whether anything may still change without an operator: something to send, to reconcile, or to poll.

        What happens on the accounts in `besides` does not count. `open_items`: how many items an account may have on
        the platform; what waits there for room that only an operator can free is not sent.
        """
        state = batches.c.state
        waits_for_no_one = sa.or_(items.c.state != literal(ItemState.ATTENTION), jobs.c.cancelled_at.is_not(None))
        something_to_report = sa.exists().where(IN_BATCH, OPEN_ITEM, waits_for_no_one)
        query = (
            sa.select(batches.c.id)
            .join_from(batches, jobs)
            .where(
                LIVE_BATCH,
                batches.c.account.not_in(besides),
                sa.or_(
                    state == literal(BatchState.SUBMITTING),
                    sa.and_(state == literal(BatchState.UNCONFIRMED), MAY_FIND_OUT),
                    sa.and_(state == literal(BatchState.TRACKING), sa.or_(batches.c.open == 0, something_to_report)),
                ),
            )
            .limit(1)
        )
        to_plan = sa.select(jobs.c.id).where(TO_BE_PLANNED).limit(1)
        # Of one moment: a batch that is sent between two queries would be missing in both.
        async with self._database.snapshot(), self._database.read() as connection:
            for each in (query, to_plan):
                if (await connection.execute(each)).first() is not None:
                    return True
            planned = LIVE_BATCH, state == literal(BatchState.PLANNED), batches.c.account.not_in(besides)
            found = await connection.execute(sa.select(batches.c.account).where(*planned).distinct())
            for account in found.scalars().all():
                room = open_items.get(account, _MOST) - await self.batches.open_items(account)
                if await self.batches.next(account, room=room, now=_MOST) is not None:
                    return True
        return False

    async def writable(self) -> None:
        """Write a transaction that changes nothing that counts; raises StoreUnavailableError when that fails."""
        await self.memory.remember("", "probe", "written")
