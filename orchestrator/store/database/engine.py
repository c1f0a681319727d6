"""Transactions of the database: `read()` and `write()`. The only code that distinguishes SQLite from PostgreSQL.

A transaction is shielded from cancellation: cancelling a task in the middle of a database call would leave a connection
that waits for a lock that is never taken, and exclude every other writer. So a transaction contains database calls
only. Waiting for the write lock happens outside the shield and can be cancelled.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import quote

import anyio
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from orchestrator.store.database.lock_proof import Fence
from orchestrator.store.database.sqlite_cursor import Connection, connect
from orchestrator.store.errors import DamagedError, StoreError, StoreUnavailableError

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number that the database counts up. SQLite does so for INTEGER alone, which has 64 bits there."""

Timed = Callable[[str], AbstractContextManager[object]]
"""Measures the time of what runs inside."""

_READERS = 4
_WAITS = "5000"  # milliseconds that SQLite waits for a lock held by another process

_WRITER_PRAGMAS = (
    f"PRAGMA busy_timeout={_WAITS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",  # a commit that announces a submission survives a power loss
    "PRAGMA foreign_keys=ON",
    "PRAGMA journal_size_limit=67108864",
)
# Two processes that write or checkpoint can meet SQLite's WAL-reset bug (present to 3.51.2): readers do neither.
_READER_PRAGMAS = (
    f"PRAGMA busy_timeout={_WAITS}",
    "PRAGMA query_only=ON",
    "PRAGMA wal_autocheckpoint=0",
    "PRAGMA cache_size=-256",  # KiB: few pages are read twice, and the system keeps those
)

# Rows in all, then rows alike in the first column of the index, in the first two…
_EXPECTED = (
    ("items", "items", "1000000 10000 1"),
    ("items", "sqlite_autoindex_items_2", "1000000 10000 1"),
    ("batches", "sqlite_autoindex_batches_2", "10000 100 1"),
    ("batches", "batches_lineage", "10000 100 1"),
)

# Statements kept prepared for each connection. Some hold a page's numbers, and would be kept for nothing: a hundred of
# them take ten megabytes.
_SQLITE_CONNECT = {"isolation_level": None, "cached_statements": 16}

# A server that is gone is noticed within half a minute, as a database call cannot be interrupted.
_POSTGRES_CONNECT = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "orchestrator",
}


def parse(url: str) -> sa.URL:
    """The URL with the driver in use; raises StoreError for a database that is not supported."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise StoreError("database: neither sqlite:///FILE nor postgresql://HOST/NAME") from None
    match parsed.get_backend_name():
        case "sqlite" if parsed.database and parsed.database != ":memory:":
            return parsed.set(drivername="sqlite+aiosqlite")
        case "sqlite":
            raise StoreError("database: sqlite:/// needs the path of a file")
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise StoreError(f"database: {other} is not supported; use sqlite:///FILE or postgresql://HOST/NAME")


def sqlite_path(url: sa.URL) -> Path | None:
    """The file of an SQLite database; None for a server."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        return None
    return Path(url.database).absolute()


def sync_engine(url: sa.URL) -> sa.Engine:
    """A blocking engine with one connection and transactional DDL, for migrations."""
    if sqlite_path(url) is None:
        return sa.create_engine(url, poolclass=sa.NullPool, connect_args=_POSTGRES_CONNECT)
    engine = sa.create_engine(
        url.set(drivername="sqlite+pysqlite"), poolclass=sa.NullPool, connect_args=_SQLITE_CONNECT
    )
    _prepare(engine, _WRITER_PRAGMAS)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def lone_connection(url: sa.URL) -> AsyncEngine:
    """Connections outside any pool and any transaction, for a lock that lives as long as its session."""
    return create_async_engine(
        url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=dict(_POSTGRES_CONNECT)
    )


def several_connections(url: sa.URL) -> AsyncEngine:
    """Connections outside any pool, each in a transaction."""
    return create_async_engine(url, poolclass=sa.NullPool, connect_args=dict(_POSTGRES_CONNECT))


def alone(connection: sa.Connection) -> None:
    """No other process migrates until this transaction ends. On SQLite its BEGIN IMMEDIATE has seen to that."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('orchestrator'), hashtext('schema'))")


def advise(connection: sa.Connection) -> None:
    """Give SQLite's planner statistics; without them it assumes ten items a job, and reads them all.

    Fixed figures, not ANALYZE: the same plans on the first day and after a year.
    """
    if connection.dialect.name != "sqlite":
        return
    connection.exec_driver_sql("ANALYZE sqlite_schema")  # creates the table sqlite_stat1
    connection.exec_driver_sql("DELETE FROM sqlite_stat1")
    for table, index, rows in _EXPECTED:
        connection.exec_driver_sql("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", (table, index, rows))


def insertion(connection: AsyncConnection, table: sa.Table, columns: Sequence[str], rows: int) -> str:
    """The text of an INSERT of so many rows at once, whose values follow each other row by row.

    For many rows of few columns: SQLite sets a statement up again for every row of an executemany, CHECKs and all, and
    SQLAlchemy each row's parameters. That is more work than to store the row.
    """
    quoted = connection.dialect.identifier_preparer
    names = ", ".join(quoted.format_column(table.c[column]) for column in columns)
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    row = f"({', '.join([mark] * len(columns))})"
    return f"INSERT INTO {quoted.format_table(table)} ({names}) VALUES {', '.join([row] * rows)}"  # noqa: S608 - no values


class Database:
    """One writer connection and a few readers."""

    def __init__(self, *, writer: AsyncEngine | None, readers: AsyncEngine, fence: Fence | None = None) -> None:
        self._writer = writer
        self._readers = readers
        self._fence = fence
        self.timed: Timed = _untimed
        """Called with `read` or `write` for each transaction; the context is left when the transaction ends."""
        self._turn = anyio.Lock()
        self._seats = anyio.Semaphore(_READERS)
        self._held: ContextVar[AsyncConnection | None] = ContextVar("held", default=None)
        """The connection of the snapshot that this task reads from."""
        self.writes = 0
        """Transactions that may have changed something: while it stays the same, what was read is still true.

        Those that the database failed count too: where the answer to a commit was lost, the change was made.
        """

    @classmethod
    def connect(cls, url: sa.URL, *, read_only: bool, fence: Fence | None = None) -> Self:
        """Prepare the engines; connections are made when they are first needed.

        With a `fence`, each writing transaction and each new reader on a PostgreSQL server proves the daemon's lock.
        """
        path = sqlite_path(url)
        if path is None:
            readers = _postgres_readers(url)
            if fence is not None:
                fence.guard(readers)
            return cls(writer=None if read_only else _postgres_writer(url), readers=readers, fence=fence)
        return cls(writer=None if read_only else _sqlite_writer(path), readers=_sqlite_readers(path))

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection that sees one state of the database for as long as it is held; in a snapshot, that of it."""
        if (held := self._held.get()) is not None:
            yield held
            return
        async with self._seats:
            with anyio.CancelScope(shield=True), self.timed("read"):
                try:
                    async with self._readers.begin() as connection:
                        yield connection
                except DBAPIError as error:
                    await self._explain(self._readers, error)
                    raise

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[None]:
        """Inside, all that this task reads is of one moment, in one transaction.

        Cancellation waits for its end, so nothing but reads belongs inside; and no tasks are started there, as they
        would share the connection.
        """
        async with self.read() as connection:
            before = self._held.set(connection)
            try:
                yield
            finally:
                self._held.reset(before)

    @asynccontextmanager
    async def write(self, *, durable: bool = True) -> AsyncIterator[AsyncConnection]:
        """The writer's connection in a transaction: committed at the end, rolled back on any exception.

        Without `durable` a power failure may undo it, until another transaction is committed. On SQLite that saves a
        sync of the disk.
        """
        if self._writer is None:
            raise StoreError("the database was opened for reading only")
        async with self._turn:
            with anyio.CancelScope(shield=True), self.timed("write"):
                try:
                    async with self._writer.begin() as connection:
                        if self._fence is not None:
                            await self._fence.prove(connection)
                        if not durable and connection.dialect.name == "sqlite":
                            _sqlite(connection.sync_connection).relax()
                        yield connection
                    self.writes += 1
                except DBAPIError as error:
                    self.writes += 1
                    await self._explain(self._writer, error)
                    raise

    async def aclose(self) -> None:
        """Close all connections; the writer last, so that it tidies up SQLite's log."""
        with anyio.CancelScope(shield=True):
            await self._readers.dispose()
            if self._writer is not None:
                await self._writer.dispose()

    async def _explain(self, engine: AsyncEngine, error: DBAPIError) -> None:
        """Raise the StoreError for a driver's error; return if the error is a bug of the program."""
        explained = explain(error)
        if isinstance(explained, StoreUnavailableError):
            await engine.dispose()  # what is left of a connection after an I/O error is not to be trusted
        if explained is not None:
            raise explained from error


def _untimed(_operation: str) -> AbstractContextManager[object]:
    return nullcontext()


def explain(error: DBAPIError) -> StoreError | None:
    """The StoreError for an error of the environment; None for a bug of the program."""
    if isinstance(error, IntegrityError):
        return None
    name = getattr(error.orig, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return DamagedError(f"the database is damaged ({error.orig}); stop the daemon and restore a backup")
    # SQLITE_ERROR is a fault in a statement, though the driver calls it operational.
    away = isinstance(error, OperationalError | InterfaceError) and name != "SQLITE_ERROR"
    if away or name.startswith("SQLITE_READONLY") or getattr(error.orig, "sqlstate", None) == "25006":
        first_line = str(error.orig).strip().partition("\n")[0]
        return StoreUnavailableError(f"the database cannot be used for the moment: {first_line}")
    return None


def _sqlite_writer(path: Path) -> AsyncEngine:
    engine = create_async_engine(
        sa.URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=1,
        max_overflow=0,
        pool_reset_on_return=None,  # each transaction has ended by then
        connect_args=_SQLITE_CONNECT | {"async_creator_fn": connect},
    )
    _prepare(engine.sync_engine, _WRITER_PRAGMAS)
    event.listen(engine.sync_engine, "begin", lambda connection: _sqlite(connection).begin("BEGIN IMMEDIATE"))
    return engine


def _sqlite_readers(path: Path) -> AsyncEngine:
    # mode=ro: never makes a file, and never checkpoints when it is the last to close.
    engine = create_async_engine(
        sa.URL.create("sqlite+aiosqlite", database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"}),
        pool_size=_READERS,
        max_overflow=0,
        pool_reset_on_return=None,
        connect_args=_SQLITE_CONNECT | {"async_creator_fn": connect},
    )
    _prepare(engine.sync_engine, _READER_PRAGMAS)
    event.listen(engine.sync_engine, "begin", lambda connection: _sqlite(connection).begin("BEGIN"))
    return engine


def _postgres_writer(url: sa.URL) -> AsyncEngine:
    return create_async_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args=_POSTGRES_CONNECT)


def _postgres_readers(url: sa.URL) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=_READERS,
        max_overflow=0,
        pool_pre_ping=True,
        isolation_level="REPEATABLE READ",
        execution_options={"postgresql_readonly": True},
        connect_args=_POSTGRES_CONNECT,
    )


def _prepare(engine: sa.Engine, pragmas: tuple[str, ...]) -> None:
    """Set each new connection up. Transactions are opened by us: the driver's own way opens them too late."""

    def connected(connection: Any, _record: object) -> None:  # noqa: ANN401 - a DBAPI connection has no type of its own
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()

    event.listen(engine, "connect", connected)


def _sqlite(connection: sa.Connection | None) -> Connection:
    """The driver's connection to an SQLite database."""
    return cast("Connection", cast("sa.Connection", connection).connection.driver_connection)
