"""From every earlier schema to the newest, and back by the copy that was made before."""

import alembic.command
import pytest
import sqlalchemy as sa

from orchestrator.store.database import revisions, upgrade
from orchestrator.store.database.engine import parse, sync_engine
from orchestrator.store.schema import REVISION, memory

EARLIER = sorted(revisions.known() - {REVISION})


def made_at(url, revision):
    """A database as the program of that revision left it, with one table filled."""
    config = revisions._config()
    engine = sync_engine(parse(url))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        alembic.command.upgrade(config, revision)
        connection.execute(memory.insert().values(account="ica", name="seen", value=revision))
    engine.dispose()


def held(url):
    """What was filled in."""
    engine = sync_engine(parse(url))
    with engine.begin() as connection:
        rows = connection.execute(sa.select(memory.c.value)).scalars().all()
    engine.dispose()
    return rows


@pytest.mark.parametrize("revision", EARLIER)
async def test_every_earlier_schema_is_upgraded_and_its_copy_is_the_way_back(revision, tmp_path):
    """The copy made before keeps the earlier schema and all that was in it, for the earlier program."""
    url, copy = f"sqlite:///{tmp_path}/orchestrator.db", tmp_path / "before-upgrade.db"
    made_at(url, revision)
    await upgrade.backup(url, copy)
    assert await upgrade.upgrade(url) == REVISION
    assert await upgrade.check(url) == []
    assert held(url) == [revision]
    assert await upgrade.current(f"sqlite:///{copy}") == revision
    assert held(f"sqlite:///{copy}") == [revision]


@pytest.mark.parametrize("revision", EARLIER)
async def test_every_earlier_schema_of_a_server_is_upgraded(revision, empty_postgres_url):
    """In one transaction, by `db upgrade`, with all that was in it."""
    made_at(empty_postgres_url, revision)
    assert await upgrade.upgrade(empty_postgres_url) == REVISION
    assert await upgrade.check(empty_postgres_url) == []
    assert held(empty_postgres_url) == [revision]


def test_there_is_an_earlier_schema_to_come_from():
    """The test above is not empty."""
    assert "0001" in EARLIER
