"""Cursors of SQLite that make one call of their connection's thread, and read long results in portions."""

import sqlite3

import pytest

from orchestrator.store.database.sqlite_cursor import connect
from orchestrator.store.reading.marks import marks, placed, places_for

ROWS = 2500
NUMBERS = f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {ROWS}) SELECT x FROM n"


@pytest.fixture
async def connection():
    """A connection to a database in memory, with a table of many rows; `calls` counts those of its thread."""
    opened = await connect(":memory:", isolation_level=None)
    await opened.cursor().execute(f"CREATE TABLE numbers AS {NUMBERS}")
    run, opened.calls = opened._execute, 0

    async def counted(*given):
        opened.calls += 1
        return await run(*given)

    opened._execute = counted
    yield opened
    await opened.close()


async def test_a_statement_takes_one_call(connection):
    """With its rows, and with the cursor that is made and closed for it."""
    cursor = await connection.cursor().execute("SELECT x FROM numbers WHERE x <= ?", (3,))
    assert await cursor.fetchall() == [(1,), (2,), (3,)]
    assert [column[0] for column in cursor.description] == ["x"]
    await cursor.close()
    assert connection.calls == 1


async def test_a_long_result_is_read_to_its_end(connection):
    """All at once, or so many rows at a time; fewer only at the end."""
    cursor = await connection.cursor().execute("SELECT x FROM numbers ORDER BY x")
    assert [x for (x,) in await cursor.fetchall()] == list(range(1, ROWS + 1))
    await cursor.execute("SELECT x FROM numbers ORDER BY x")
    assert [len(await cursor.fetchmany(700)) for _ in range(5)] == [700, 700, 700, 400, 0]
    assert await cursor.fetchone() is None


async def test_a_cursor_that_is_closed_early_holds_nothing(connection):
    """The statement has ended: the table that it read can be dropped."""
    cursor = await connection.cursor().execute("SELECT x FROM numbers")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await connection.cursor().execute("DROP TABLE numbers")
    await cursor.close()
    await connection.cursor().execute("DROP TABLE numbers")


async def test_an_error_leaves_the_connection_usable(connection):
    """It is the driver's own, and the next statement works."""
    cursor = connection.cursor()
    with pytest.raises(sqlite3.OperationalError, match="syntax"):
        await cursor.execute("nonsense")
    await cursor.executemany("INSERT INTO numbers VALUES (?)", [(0,), (-1,)])
    assert cursor.rowcount == 2
    assert await (await cursor.execute("SELECT count(*) FROM numbers WHERE x < ?", (1,))).fetchone() == (2,)


async def test_a_transaction_begins_in_the_call_of_its_first_statement(connection):
    """It takes no call of its own, and lasts until the commit."""
    connection.begin("BEGIN")
    await connection.cursor().execute("INSERT INTO numbers VALUES (0)")
    assert (connection.calls, connection.in_transaction) == (1, True)
    await connection.commit()
    assert (connection.calls, connection.in_transaction) == (2, False)


@pytest.mark.parametrize("end", ["commit", "rollback"])
async def test_a_transaction_without_a_statement_takes_no_call(connection, end):
    """And what is executed after its end is not part of it."""
    connection.begin("BEGIN")
    await getattr(connection, end)()
    assert connection.calls == 0
    await connection.cursor().execute("INSERT INTO numbers VALUES (0)")
    assert not connection.in_transaction


async def test_no_statement_is_executed_before_its_transaction_has_begun(tmp_path):
    """While another connection holds the lock, each statement fails; afterwards the next one begins it."""
    first, second = [await connect(str(tmp_path / "a.db"), isolation_level=None, timeout=0) for _ in range(2)]
    await first.cursor().execute("CREATE TABLE a (x)")
    await first.cursor().execute("BEGIN IMMEDIATE")
    second.begin("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            await second.cursor().execute("SELECT x FROM a")
    await first.commit()
    await second.cursor().execute("INSERT INTO a VALUES (1)")
    assert second.in_transaction
    await second.rollback()
    assert await (await first.cursor().execute("SELECT count(*) FROM a")).fetchone() == (0,)
    await first.close()
    await second.close()


async def test_only_the_transaction_that_is_relaxed_is_not_synced(connection):
    """The next one is, and what was committed before it with it."""
    levels = []
    for relaxed in (True, False, False):
        connection.begin("BEGIN IMMEDIATE")
        if relaxed:
            connection.relax()
        levels += await (await connection.cursor().execute("PRAGMA synchronous")).fetchone()
        await connection.commit()
    assert levels == [1, 2, 2]  # NORMAL, FULL


@pytest.mark.parametrize(("values", "places"), [(0, 0), (1, 8), (8, 8), (9, 16)])
def test_lists_have_places_in_steps(values, places):
    """So that a few statements serve lists of every length; what is left over is no id."""
    ids = [f"id{number}" for number in range(values)]
    filled = placed("busy", ids)
    assert [mark.key for mark in marks("busy", places_for(ids))] == list(filled)
    assert (len(filled), [value for value in filled.values() if value]) == (places, ids)
