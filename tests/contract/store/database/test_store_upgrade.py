"""Upgrades of a database that the version before wrote: nothing is lost, and a kill leaves it as it was."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import alembic.command
import anyio
import pytest
import sqlalchemy as sa

from orchestrator.domain.model import CREATION, BatchState, ItemReport, ItemState, JobState, Stage
from orchestrator.domain.submission import Resend
from orchestrator.domain.units import HOUR
from orchestrator.store.database import revisions, upgrade
from orchestrator.store.database.engine import parse, sync_engine
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.store.schema import metadata
from orchestrator.store.store import Store

NEWEST = "0004"
BEFORE = Path(__file__).parents[3] / "fixtures" / "schema-0003.sql"
NOW = 1_700_000_100_000_000
SIX_DAYS = 6 * 24 * HOUR

KILLED = """
import os, sys, anyio
from orchestrator.store.database import upgrade

def progress(table, done, total):
    if table == sys.argv[2]:
        os._exit(9)

anyio.run(upgrade.upgrade, sys.argv[1], progress)
"""


def _load(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(BEFORE.read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    return f"sqlite:///{file}"


@pytest.fixture
def before(tmp_path):
    """An SQLite database of schema 0003, with settled and live work; its URL."""
    return _load(tmp_path / "before.db")


def _rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All that the database holds, by table."""
    engine = sync_engine(parse(url))
    with engine.begin() as connection:
        found = {}
        for table in metadata.sorted_tables:
            columns = [column for column in table.c if column.name != "id" or table.name != "events"]
            rows = connection.execute(sa.select(*columns)).all()
            found[table.name] = sorted((tuple(row) for row in rows), key=repr)
    engine.dispose()
    return found


def _raw(url: str) -> list[str]:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return list(connection.iterdump())


def _to_first_schema(url: str) -> None:
    """Take back what 0002 and 0003 added."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
        for index in ("jobs_live", "jobs_settled", "batches_lineage", "batches_family"):
            connection.execute(f"DROP INDEX {index}")
        live = "state IN ('waiting', 'queued', 'running')"
        connection.execute(f"CREATE INDEX jobs_live ON jobs (account, priority) WHERE {live}")
        connection.execute("ALTER TABLE batches DROP COLUMN pipeline")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")


@pytest.mark.parametrize("first", [False, True], ids=["0003", "0001"])
async def test_what_the_version_before_wrote_goes_on(first, before, tmp_path):
    """Settled jobs keep their counts; of live batches it is known what sending them again would do."""
    if first:
        _to_first_schema(before)
    async with Store.opened(before, state_directory=tmp_path) as store:
        jobs = {job.spec.name: job for job in await store.jobs.list()}
        assert jobs["links-done"].counts == {ItemState.SUCCEEDED: 3}
        assert jobs["run-mixed"].counts == {ItemState.SUCCEEDED: 2, ItemState.FAILED: 2}
        assert jobs["waits"].state is JobState.WAITING
        assert (jobs["links-live"].spec.first_stage, jobs["run-live"].spec.first_stage) == (Stage("link"), CREATION)
        live = await store.batches.of_job(jobs["run-live"].id)
        states = [BatchState.TRACKING, BatchState.UNCONFIRMED, BatchState.BLOCKED, BatchState.PLANNED]
        assert [batch.state for batch in live] == states
        assert {(batch.resend, batch.key_life, batch.step) for batch in live} == {(Resend.SAME_KEY, SIX_DAYS, 1)}
        (links,) = await store.batches.of_job(jobs["links-live"].id)
        assert (links.resend, links.key_life) == (Resend.HARMLESS, None)
        lost = await store.batches.get(live[1].id)
        assert lost is not None
        assert lost.submission is not None
        assert lost.submission.body == b'{"items":[]}'
        ended = ItemReport(live[0].key, Stage("analysis"), ItemState.SUCCEEDED, "SUCCEEDED", seq=1, remote_id="a11")
        await store.advance.apply_reports([ended], now=NOW, account="ica")
        again = await store.advance.retry("run-mixed", now=NOW)
        assert again is not None
        assert again.items == 2
        assert [entry.job_name for entry in await store.outbox.due(NOW)] == ["gone"]
    assert await upgrade.current(before) == NEWEST
    assert await upgrade.check(before) == []


async def test_both_databases_come_to_the_same(before, empty_postgres_url):
    """The same rows upgraded on SQLite and on PostgreSQL are equal in every column."""
    engine = sync_engine(parse(empty_postgres_url))
    with engine.begin() as connection:
        config = revisions._config()
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, "0003")
    _copy(before, engine)
    engine.dispose()
    assert await upgrade.upgrade(empty_postgres_url) == NEWEST
    assert await upgrade.upgrade(before) == NEWEST
    assert _rows(empty_postgres_url) == _rows(before)


def _copy(url: str, to: sa.Engine) -> None:
    old, new = sa.MetaData(), sa.MetaData()
    source = sync_engine(parse(url))
    with source.begin() as reading, to.begin() as writing:
        old.reflect(reading)
        new.reflect(writing)
        for table in new.sorted_tables:
            rows = [row._asdict() for row in reading.execute(sa.select(old.tables[table.name]))]
            if rows and table.name != "alembic_version":
                writing.execute(table.insert(), [_typed(table, row) for row in rows])
    source.dispose()


def _typed(table: sa.Table, row: dict[str, object]) -> dict[str, object]:
    """SQLite keeps truth as a number."""
    flags = {column.name for column in table.c if isinstance(column.type, sa.Boolean)}
    return {name: bool(value) if name in flags else value for name, value in row.items()}


@pytest.mark.parametrize("table", ["outbox", "events", "items"])
def test_killed_half_way_nothing_has_changed(table, before):
    """The upgrade is one transaction: the next start begins from what the version before wrote."""
    held = _raw(before)
    killed = subprocess.run([sys.executable, "-c", KILLED, before, table], check=False)
    assert killed.returncode == 9
    assert _raw(before) == held
    again = subprocess.run([sys.executable, "-c", KILLED, before, "none"], check=False)
    assert again.returncode == 0
    assert "'0004'" in "".join(_raw(before))


async def test_an_upgrade_reports_its_progress(before):
    """By table, with the rows that are done and all of them."""
    told: list[tuple[str, int, int]] = []
    await upgrade.upgrade(before, lambda *each: told.append(each))
    assert [table for table, _, _ in told] == ["outbox", "events", "items"]
    assert all(done == total > 0 for _, done, total in told)


def test_an_upgrade_without_room_is_refused_and_changes_nothing(before, monkeypatch):
    """It takes two and a half times the size, less the log that a killed upgrade left; the message has both figures."""
    held, file = _raw(before), Path(before.removeprefix("sqlite:///"))
    size, log = file.stat().st_size, file.with_name(f"{file.name}-wal")
    for left in (0, size):
        enough = shutil.disk_usage("/")._replace(free=round(2.5 * size) - left)
        log.write_bytes(bytes(left))
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, it=enough: it._replace(free=it.free - 1))
        with pytest.raises(StoreUnavailableError, match=r"MiB more disk space.*free: make room"):
            anyio.run(upgrade.upgrade, before)
        assert _raw(before) == held
        log.write_bytes(bytes(left))
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, it=enough: it)
        upgrade._require_room(file)
