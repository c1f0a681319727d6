"""The schema, the soundness of the file, copies of it."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from orchestrator.domain.model import JobSpec, NewItem
from orchestrator.store.database import upgrade
from orchestrator.store.database.engine import parse, sqlite_path, sync_engine
from orchestrator.store.errors import DamagedError, SchemaError, StoreError, StoreUnavailableError
from orchestrator.store.schema import metadata
from orchestrator.store.store import Store

NEWEST = "0004"

_COLUMNS = """
    SELECT table_name, column_name, data_type, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public'"""
_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace"""
_INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"


def _shape(url: str) -> set[tuple[object, ...]]:
    """Every column, constraint and index with its exact wording. Columns that came later stand behind the others."""
    parsed = parse(url)
    with sync_engine(parsed).begin() as connection:
        if sqlite_path(parsed) is not None:
            rows = connection.exec_driver_sql(
                "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
            ).all()
            return {(kind, name, part) for kind, name, sql in rows if name != "alembic_version" for part in _parts(sql)}
        rows = [row for query in (_COLUMNS, _CONSTRAINTS, _INDEXES) for row in connection.exec_driver_sql(query)]
        return {tuple(row) for row in rows if row[0] != "alembic_version"}


def _parts(sql: str) -> list[str]:
    """What stands between the outer parentheses, piece by piece, and what stands around them."""
    words = " ".join(sql.split())
    begin, end = words.index("("), words.rindex(")")
    parts, depth = [words[:begin] + "()" + words[end + 1 :], ""], 0
    for letter in words[begin + 1 : end]:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _make_as_described(url: str) -> None:
    engine = sync_engine(parse(url))
    with engine.begin() as connection:
        metadata.create_all(connection)
    engine.dispose()


def test_migrations_make_what_the_schema_describes_on_sqlite(newest_sqlite, tmp_path):
    """Tables, columns, CHECKs and partial indexes, word for word."""
    described = f"sqlite:///{tmp_path}/described.db"
    _make_as_described(described)
    shape = _shape(described)
    assert len(shape) > 12
    assert _shape(f"sqlite:///{newest_sqlite}") == shape


def test_migrations_make_what_the_schema_describes_on_postgresql(postgres, empty_postgres_url):
    """Tables, columns, CHECKs and partial indexes, word for word."""
    _make_as_described(empty_postgres_url)
    shape = _shape(empty_postgres_url)
    assert len(shape) > 100
    assert _shape(f"{postgres}/newest") == shape


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jobs SET state = 'odd'",
        "UPDATE jobs SET needs = 'odd'",
        "UPDATE batches SET state = 'odd'",
        "UPDATE batches SET open = 3",
        "UPDATE batches SET creating = -1",
        "UPDATE items SET state = 'odd'",
        "UPDATE items SET job = 'nobody'",
        "UPDATE items SET key = 'k1'",
    ],
)
async def test_the_database_itself_refuses_nonsense(scene, statement):
    """States are known words, counters make sense, rows belong to a job."""
    await scene.add(items=2)
    with pytest.raises(IntegrityError):
        async with scene.store._database.write() as connection:
            await connection.exec_driver_sql(statement)


# ---------------------------------------------------------------- opening


async def test_a_new_sqlite_database_is_made_at_the_first_start(tmp_path):
    """With the folder for it; a second start finds it as it is."""
    url = f"sqlite:///{tmp_path}/state/orchestrator.db"
    assert await upgrade.current(url) is None
    for _ in range(2):
        async with Store.opened(url, state_directory=tmp_path / "state") as store:
            assert await store.jobs.list() == []
    assert await upgrade.current(url) == NEWEST
    assert await upgrade.check(url) == []


async def test_reading_makes_no_file(tmp_path):
    """A command beside no daemon and no database finds nothing and leaves nothing."""
    url = f"sqlite:///{tmp_path}/none.db"
    with pytest.raises(SchemaError, match="empty"):
        await Store.open(url, state_directory=tmp_path, read_only=True)
    assert list(tmp_path.iterdir()) == []


async def test_a_reader_beside_the_daemon_sees_its_commits_and_cannot_write(sqlite_url, tmp_path):
    """Another process reads the same file while the daemon writes, and never writes itself."""
    async with (
        Store.opened(sqlite_url, state_directory=tmp_path) as daemon,
        Store.opened(sqlite_url, state_directory=tmp_path, read_only=True) as reader,
    ):
        await daemon.memory.instance("one")
        job = await daemon.jobs.load(JobSpec("alpha", "k", "ica", "p", "d"), 1)
        await daemon.jobs.add_items(job, [NewItem(1, "k1", b"{}")])
        assert await reader.jobs.list() == []
        await daemon.jobs.commit([job], 2)
        assert [each.spec.name for each in await reader.jobs.list()] == ["alpha"]
        with pytest.raises(StoreError, match="reading only"):
            await reader.memory.remember("ica", "a", "b")
        with pytest.raises(StoreUnavailableError, match="readonly"):
            async with reader._database.read() as connection:
                await connection.exec_driver_sql("DELETE FROM jobs")


async def test_a_reader_leaves_the_log_of_a_dead_daemon_alone(sqlite_url, tmp_path):
    """The last to close a database usually writes its log back; a command does not, it reads it where it is."""
    dead = tmp_path / "dead"
    dead.mkdir()
    async with Store.opened(sqlite_url, state_directory=tmp_path) as daemon:
        await daemon.memory.remember("ica", "seen", "yes")
        for file in tmp_path.glob("orchestrator.db*"):
            shutil.copyfile(file, dead / file.name)
    log = dead / "orchestrator.db-wal"
    before = log.read_bytes()
    assert before
    url = f"sqlite:///{dead}/orchestrator.db"
    async with Store.opened(url, state_directory=dead, read_only=True) as reader:
        assert await reader.memory.recall("ica") == {"seen": "yes"}
    assert log.read_bytes() == before


async def test_an_old_postgresql_schema_is_refused_with_the_command(empty_postgres_url, tmp_path):
    """A server is upgraded when an operator says so, not by a start."""
    with pytest.raises(SchemaError, match="orchestrator db upgrade"):
        await Store.open(empty_postgres_url, state_directory=tmp_path)
    assert (await upgrade.check(empty_postgres_url)) != []
    assert await upgrade.upgrade(empty_postgres_url) == NEWEST
    assert await upgrade.check(empty_postgres_url) == []
    await (await Store.open(empty_postgres_url, state_directory=tmp_path)).aclose()


async def test_a_newer_schema_is_refused(url, tmp_path):
    """An older program must not work on what it does not know."""
    engine = sync_engine(parse(url))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    try:
        with pytest.raises(SchemaError, match="newer than this program"):
            await Store.open(url, state_directory=tmp_path)
        with pytest.raises(SchemaError, match="newer than this program"):
            await upgrade.upgrade(url)
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{NEWEST}'")
        engine.dispose()


async def test_the_database_of_something_else_is_left_alone(tmp_path):
    """A wrong path must not fill another program's database with our tables."""
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE recipes (id)")
        other.commit()
    with pytest.raises(SchemaError, match="recipes"):
        await Store.open(f"sqlite:///{tmp_path}/other.db", state_directory=tmp_path)
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]


@pytest.mark.parametrize("damage", ["text", "header", "middle", "rows", "cut"])
async def test_a_damaged_file_is_refused_and_left_as_it_is(damage, sqlite_url, tmp_path):
    """With the way out in the message; no start may overwrite what could still be rescued."""
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    content = _damaged(path, damage)
    with pytest.raises(DamagedError, match="backup"):
        await Store.open(sqlite_url, state_directory=tmp_path)
    assert _content(path) == content
    assert len(await upgrade.check(sqlite_url)) == 1


async def test_reading_does_not_go_through_the_whole_file_first(sqlite_url, tmp_path):
    """A command beside no daemon meets damage where it reads it; what it does not read costs it nothing."""
    _damaged(Path(sqlite_url.removeprefix("sqlite:///")), "rows")
    async with Store.opened(sqlite_url, state_directory=tmp_path, read_only=True) as reader:
        assert await reader.jobs.list() == []
        with pytest.raises(DamagedError, match="restore a backup"):
            await reader.memory.recall("ica")


@pytest.mark.parametrize("damage", ["text", "header"])
async def test_reading_what_is_no_database_is_refused(damage, sqlite_url, tmp_path):
    """With the way out in the message."""
    _damaged(Path(sqlite_url.removeprefix("sqlite:///")), damage)
    with pytest.raises(DamagedError, match="backup"):
        await Store.open(sqlite_url, state_directory=tmp_path, read_only=True)


def _damaged(path, damage):
    with closing(sqlite3.connect(path)) as connection:
        rows = [("ica", f"name-{n}", "value" * 20) for n in range(1000)]
        connection.executemany("INSERT INTO memory VALUES (?, ?, ?)", rows)
        connection.commit()
    content = bytearray(path.read_bytes())
    match damage:
        case "text":
            content = bytearray(b"these are my shopping notes, do not lose them\n")
        case "header":
            content[:16] = b"\xff" * 16
        case "middle":
            for page in range(1, len(content) // 4096):
                content[page * 4096 : page * 4096 + 200] = b"\xa5" * 200
        case "rows":  # the schema is sound, and so is every page but the last
            content[-4096:-3896] = b"\xa5" * 200
        case _:
            del content[len(content) // 2 :]
    path.write_bytes(content)
    return bytes(content)


def _content(path):
    return path.read_bytes()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "nonsense"])
async def test_an_unsupported_url_is_told(url, tmp_path):
    """With the forms that work."""
    with pytest.raises(StoreError, match="sqlite:///"):
        await Store.open(url, state_directory=tmp_path)


async def test_a_server_that_is_away_is_told_as_such(tmp_path):
    """A transient error, so that callers try again."""
    with pytest.raises(StoreUnavailableError):
        await Store.open("postgresql://postgres@127.0.0.1:1/nothing", state_directory=tmp_path)


# ---------------------------------------------------------------- the environment


async def test_a_full_disk_is_unavailable_and_passes(sqlite_url, tmp_path):
    """The call fails as a whole with one line, and the same call succeeds once there is room."""
    async with Store.opened(sqlite_url, state_directory=tmp_path) as store:
        async with store._database.write() as connection:
            pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
            await connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
        with pytest.raises(StoreUnavailableError, match="full"):
            await store.memory.remember("ica", "big", "x" * 100_000)
        assert await store.memory.recall("ica") == {}
        await store.memory.remember("ica", "big", "x" * 100_000)  # on a new connection, which has no such limit
        assert len((await store.memory.recall("ica"))["big"]) == 100_000


async def _write_while_the_server_restarts(store, url):
    engine = sync_engine(parse(url))
    async with store._database.write() as connection:
        with engine.begin() as other:
            other.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = 'newest' AND pid <> pg_backend_pid()"
            )
        engine.dispose()
        await connection.execute(sa.text("SELECT 1"))


async def test_a_broken_connection_is_unavailable_and_passes(postgres_url, tmp_path):
    """A server that restarts costs one call; the next one has a new connection."""
    async with Store.opened(postgres_url, state_directory=tmp_path) as store:
        await store.memory.remember("ica", "a", "1")
        with pytest.raises(StoreUnavailableError):
            await _write_while_the_server_restarts(store, postgres_url)
        await store.memory.remember("ica", "a", "2")
        assert await store.memory.recall("ica") == {"a": "2"}


# ---------------------------------------------------------------- copies


async def test_a_backup_is_a_database_of_its_own(sqlite_url, tmp_path):
    """Made while the daemon writes; complete, sound, and never over another file."""
    copy = tmp_path / "copy.db"
    async with Store.opened(sqlite_url, state_directory=tmp_path) as store:
        await store.memory.remember("ica", "seen", "yes")
        await upgrade.backup(sqlite_url, copy)
        await store.memory.remember("ica", "seen", "later")
        with pytest.raises(StoreError, match="exists"):
            await upgrade.backup(sqlite_url, copy)
    assert await upgrade.check(f"sqlite:///{copy}") == []
    async with Store.opened(f"sqlite:///{copy}", state_directory=tmp_path) as restored:
        assert await restored.memory.recall("ica") == {"seen": "yes"}
    assert not list(tmp_path.glob(".*.tmp"))


async def test_a_server_is_backed_up_by_its_own_means(postgres_url, tmp_path):
    """The message names them."""
    with pytest.raises(StoreError, match="pg_dump"):
        await upgrade.backup(postgres_url, tmp_path / "copy")


async def test_a_backup_of_nothing_is_told(tmp_path):
    """Rather than made."""
    with pytest.raises(StoreError, match="no database"):
        await upgrade.backup(f"sqlite:///{tmp_path}/none.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_large_jobs_are_read_by_index(sqlite_url):
    """The planner knows that a job may have very many items: it looks keys up and does not read the whole job."""
    wanted = ", ".join(f"'k{n}'" for n in range(1000))
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN SELECT * FROM items WHERE job = 'j' AND key IN ({wanted})")
        assert "key=?" in plan.fetchall()[0][3]
