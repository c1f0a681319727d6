"""SQLite connections whose statements take one call of the connection's thread each.

aiosqlite runs a connection in a thread of its own. Its cursors make four calls for a statement with rows: one to create
the cursor, one to execute, one to fetch and one to close. Each call wakes two threads, which takes longer than what
SQLite does in most of them. Here one call does all four, and begins the transaction if the statement is its first. A
long result is read in portions.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, Self

import aiosqlite

_PORTION = 1000
"""Rows that are fetched together with the execution of a statement."""


class Cursor:
    """What SQLAlchemy asks of the cursor of an asynchronous driver."""

    def __init__(self, connection: "Connection") -> None:
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self._connection = connection
        self._rows: list[Any] = []
        self._open: sqlite3.Cursor | None = None
        """The cursor in the connection's thread, while it has more rows."""

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, operation: str, parameters: Sequence[Any] = ()) -> Self:
        """Execute a statement and fetch the first rows. Raises sqlite3.Error."""
        await self._run(lambda cursor: cursor.execute(operation, parameters))
        return self

    async def executemany(self, operation: str, parameters: Sequence[Sequence[Any]]) -> Self:
        """Execute a statement for each of these parameters. Raises sqlite3.Error."""
        await self._run(lambda cursor: cursor.executemany(operation, parameters))
        return self

    async def fetchone(self) -> Any:  # noqa: ANN401 - a row, or None
        """The next row; None after the last."""
        return next(iter(await self.fetchmany(1)), None)

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        """The next rows, fewer than `size` only where there are no more."""
        size = self.arraysize if size is None else size
        if self._open is not None and len(self._rows) < size:
            self._rows += await self._fetch(self._open, size - len(self._rows))
        rows, self._rows = self._rows[:size], self._rows[size:]
        return rows

    async def fetchall(self) -> list[Any]:
        """All rows that are left."""
        while self._open is not None:
            self._rows += await self._fetch(self._open, _PORTION)
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """End the statement, with whatever rows it still has."""
        self._rows = []
        if (opened := self._open) is not None:
            self._open = None
            await self._connection.call(opened.close)

    async def _run(self, statement: Any) -> None:  # noqa: ANN401 - called with the cursor
        await self.close()
        self._rows = await self._connection.call(lambda: self._started(statement))

    def _started(self, statement: Any) -> list[Any]:  # noqa: ANN401
        self._connection.begin_pending()
        cursor = self._connection.open_cursor()
        try:
            statement(cursor)
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
            rows = cursor.fetchmany(_PORTION) if cursor.description else []
        except BaseException:
            cursor.close()
            raise
        return self._kept(cursor, rows, _PORTION)

    async def _fetch(self, opened: sqlite3.Cursor, size: int) -> list[Any]:
        rows: list[Any] = await self._connection.call(lambda: self._kept(opened, opened.fetchmany(size), size))
        return rows

    def _kept(self, cursor: sqlite3.Cursor, rows: list[Any], size: int) -> list[Any]:
        """Close the cursor after its last row: an unfinished statement would hold its transaction open."""
        self._open = cursor if len(rows) == size else None
        if self._open is None:
            cursor.close()
        return rows


class Connection(aiosqlite.Connection):
    """A connection with these cursors, whose transactions begin with their first statement."""

    _pending: str | None = None
    """The statement that begins a transaction, until it is executed."""
    _wanted = _level = "FULL"
    """`PRAGMA synchronous` for this transaction, and as it is."""

    def begin(self, statement: str) -> None:
        """Begin a transaction with `statement`, in the call of the first statement after it."""
        self._pending, self._wanted = statement, "FULL"

    def relax(self) -> None:
        """Let the commit of the transaction that begins return before it is on the disk.

        The next commit of another transaction syncs it too: SQLite's log is one file, written in order.
        """
        self._wanted = "NORMAL"

    def begin_pending(self) -> None:
        """In the connection's thread, before a statement. If it raises, the next statement tries again."""
        if self._pending is None:
            return
        if self._level != self._wanted:
            self._conn.execute(f"PRAGMA synchronous={self._wanted}")
            self._level = self._wanted
        self._conn.execute(self._pending)
        self._pending = None

    async def commit(self) -> None:
        """Commit; a transaction without a statement never began."""
        if self._pending is None:
            await super().commit()
        self._pending = None

    async def rollback(self) -> None:
        """Roll back; a transaction without a statement never began."""
        if self._pending is None:
            await super().rollback()
        self._pending = None

    def cursor(self) -> Cursor:  # type: ignore[override]
        """A cursor; nothing happens before it is used."""
        return Cursor(self)

    def open_cursor(self) -> sqlite3.Cursor:
        """A cursor of the driver, for use in the connection's thread."""
        return self._conn.cursor()

    async def call(self, function: Any) -> Any:  # noqa: ANN401 - returns what the function returns
        """Run a function in the connection's thread."""
        return await self._execute(function)  # type: ignore[no-untyped-call]


def connect(database: str, **options: Any) -> Connection:  # noqa: ANN401 - those of sqlite3
    """As `aiosqlite.connect`, for `async_creator_fn` of SQLAlchemy."""
    connection = Connection(lambda: sqlite3.connect(database, **options), iter_chunk_size=_PORTION)
    connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does with a connection that it makes itself
    return connection
