"""One daemon a database: a lock on a file of the state directory, and on the PostgreSQL server where there is one."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.clock import Clock, SystemClock
from orchestrator.durable import private_file, private_folder
from orchestrator.settings.state import LOCK
from orchestrator.store.engine import lone_connection, parse, sqlite_path
from orchestrator.store.errors import LockedError, LockLostError, StoreUnavailableError

_WATCH_INTERVAL = 5.0
_PROBE = 0.05
_ANSWERS_WITHIN = 10.0

# Our name among the advisory locks of a database.
_TRY_LOCK = sa.text("SELECT pg_try_advisory_lock(hashtext('orchestrator'), hashtext('daemon'))")
_STILL_THERE = sa.text("SELECT 1")


class DaemonLock:
    """Held for as long as the daemon runs; the system gives it back whatever becomes of the process.

    The file is never deleted: a lock on a file that is gone would keep nobody out.
    """

    def __init__(self, state_directory: Path, url: str | None = None) -> None:
        self._path = state_directory / LOCK
        self._url = parse(url) if url is not None else None
        self._file: int | None = None
        self._connection: AsyncConnection | None = None

    async def __aenter__(self) -> Self:
        """Take it.

        Raises:
            LockedError: another daemon has it.
            OSError: the file cannot be opened.
            StoreUnavailableError: the server does not answer.
        """
        try:
            self._lock_file()
        except LockedError:
            await SystemClock().sleep(_PROBE)  # a command may just have looked whether somebody holds it
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
        if self._connection is None:
            await anyio.sleep_forever()
            return
        while True:
            await clock.sleep(_WATCH_INTERVAL)
            try:
                # The lock lives as long as its session: that the session answers is all there is to know.
                with anyio.fail_after(_ANSWERS_WITHIN, shield=True):
                    await self._connection.execute(_STILL_THERE)
            except (SQLAlchemyError, TimeoutError) as error:
                raise LockLostError("the lock on the PostgreSQL server is lost: another daemon may start") from error

    def _lock_file(self) -> None:
        private_folder(self._path.parent)
        private_file(self._path, make=True)  # whoever may open it could hold it, and keep the daemon out
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
                self._connection = await lone_connection(self._url).connect()
                mine = (await self._connection.execute(_TRY_LOCK)).scalar_one()
            except SQLAlchemyError as error:
                raise StoreUnavailableError(f"the PostgreSQL server cannot be used: {error}") from error
        if not mine:
            raise LockedError("another daemon holds this PostgreSQL database")

    async def _give_back(self) -> None:
        with anyio.CancelScope(shield=True):
            if self._connection is not None:
                await self._connection.close()
                self._connection = None
        if self._file is not None:
            os.close(self._file)
            self._file = None
