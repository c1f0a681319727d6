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


@pytest.mark.parametrize(("values", "places"), [(0, 0), (1, 8), (8, 8), (9, 16)])
def test_lists_have_places_in_steps(values, places):
    """So that a few statements serve lists of every length; what is left over is no id."""
    ids = [f"id{number}" for number in range(values)]
    filled = placed("busy", ids)
    assert [mark.key for mark in marks("busy", places_for(ids))] == list(filled)
    assert (len(filled), [value for value in filled.values() if value]) == (places, ids)
