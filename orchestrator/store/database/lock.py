"""One daemon a database: a lock on a file of the state directory, and on the PostgreSQL server where there is one."""

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from orchestrator.clock import Clock, SystemClock
from orchestrator.durable import private_file, private_folder
from orchestrator.store.database.engine import lone_connection, parse, several_connections, sqlite_path
from orchestrator.store.database.lock_proof import ELSEWHERE, Fence, check_sessions, refuse_shared, unlock
from orchestrator.store.errors import LockedError, LockLostError, StoreUnavailableError

LOCK = "lock"
"""The name of the file that the one daemon of a state holds. It is never deleted."""
_WATCH_INTERVAL = 5.0
_PROBE = 0.05
_ANSWERS_WITHIN = 10.0
UNPROVED = 60.0
"""Seconds without a new connection that proves the lock, after which it counts as lost."""

# Our name among the advisory locks of a database.
_TRY_LOCK = sa.text("SELECT pg_try_advisory_lock(hashtext('orchestrator'), hashtext('daemon'))")
_STILL_THERE = sa.text("SELECT 1")


async def check_pooler(url: str) -> None:
    """Check whether a lock can be held through the database's address.

    Raises:
        PoolerError: it leads to a pooler in transaction mode.
        StoreUnavailableError: the server does not answer.
    """
    parsed = parse(url)
    if sqlite_path(parsed) is None:
        await check_sessions(lone_connection(parsed), several_connections(parsed))


class DaemonLock:
    """Held for as long as the daemon runs; the system gives it back whatever becomes of the process.

    The file is never deleted: a lock on a deleted file would exclude no other process.
    """

    def __init__(self, state_directory: Path, url: str | None = None) -> None:
        self._path = state_directory / LOCK
        self._url = parse(url) if url is not None else None
        self._file: int | None = None
        self._connection: AsyncConnection | None = None
        self.fence: Fence | None = None
        """Proves the lock to other connections, while a PostgreSQL server holds it."""

    async def __aenter__(self) -> Self:
        """Take it.

        Raises:
            LockedError: another daemon has it.
            OSError: the file cannot be opened.
            PoolerError: the server is behind a pooler in transaction mode.
            StoreUnavailableError: the server does not answer.
        """
        try:
            self._lock_file()
        except LockedError:
            await SystemClock().sleep(_PROBE)  # a command may be probing the lock at this moment
            self._lock_file()
        try:
            await self._lock_server()
        except BaseException:
            await self._give_back()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._give_back()

    async def watch(self, clock: Clock) -> None:
        """Run beside the daemon; never returns.

        Raises:
            LockLostError: the server no longer holds the lock for us, so another daemon may start: stop at once.
        """
        if self._connection is None or self.fence is None or self._url is None:
            await anyio.sleep_forever()
            return
        others, proved_at = several_connections(self._url), clock.monotonic()
        while True:
            await self._rest(self.fence, clock)
            if self.fence.lost.is_set():
                raise LockLostError(self.fence.reason)
            try:
                with anyio.fail_after(_ANSWERS_WITHIN, shield=True):
                    await self._connection.execute(_STILL_THERE)
            except (SQLAlchemyError, TimeoutError) as error:
                raise LockLostError("the lock on the PostgreSQL server is lost: another daemon may start") from error
            began = clock.monotonic()
            match await self._held_at_address(self.fence, others):
                case True:
                    proved_at = began
                case False:
                    raise LockLostError(ELSEWHERE)
                case None if clock.monotonic() - proved_at > UNPROVED:
                    raise LockLostError(
                        f"for {UNPROVED:g} s no new connection to the PostgreSQL server could be made, so whether its "
                        "address still leads to the server that holds the lock is not known"
                    )

    async def _rest(self, fence: Fence, clock: Clock) -> None:
        """Wait for the next check, or for a transaction that finds the lock lost."""
        async with anyio.create_task_group() as group:

            async def found() -> None:
                await fence.lost.wait()
                group.cancel_scope.cancel()

            group.start_soon(found)
            await clock.sleep(_WATCH_INTERVAL)
            group.cancel_scope.cancel()

    async def _held_at_address(self, fence: Fence, others: AsyncEngine) -> bool | None:
        """Whether a new connection finds the lock where it leads; None where none could be made.

        After a fail-over the session may live on, on a server to which no client connects any more.
        """
        try:
            with anyio.fail_after(_ANSWERS_WITHIN, shield=True):
                async with others.connect() as connection:
                    return await fence.held_at(connection)
        except (SQLAlchemyError, TimeoutError):
            return None

    def _lock_file(self) -> None:
        private_folder(self._path.parent)
        private_file(self._path, make=True)  # a user who may open it could hold it, and exclude the daemon
        handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise LockedError(f"another daemon (process {holder}) holds {self._path.parent}") from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._file = handle

    async def _lock_server(self) -> None:
        if self._url is None or sqlite_path(self._url) is not None:
            return
        with anyio.CancelScope(shield=True):
            try:
                session = self._connection = await lone_connection(self._url).connect()
                await refuse_shared(session)
                if not (await session.execute(_TRY_LOCK)).scalar_one():
                    raise LockedError("another daemon holds this PostgreSQL database")
                self.fence = Fence()
                await self.fence.settle(session)
                await self.fence.establish(session, several_connections(self._url))
            except SQLAlchemyError as error:
                raise StoreUnavailableError(f"the PostgreSQL server cannot be used: {error}") from error

    async def _give_back(self) -> None:
        with anyio.CancelScope(shield=True):
            if self._connection is not None:
                with contextlib.suppress(SQLAlchemyError):  # of a session that is lost
                    await unlock(self._connection)
                await self._connection.close()
                self._connection = None
        if self._file is not None:
            os.close(self._file)
            self._file = None
