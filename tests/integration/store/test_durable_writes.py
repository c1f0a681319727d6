"""Which transactions of an SQLite database are synced to the disk at their end."""

import pytest
import sqlalchemy as sa

from orchestrator.domain.model import JobSpec, NewItem
from orchestrator.store.store import Store

NORMAL, FULL = 1, 2


@pytest.fixture
async def levels(tmp_path, monkeypatch):
    """A store, and the level of each of its writing transactions."""
    async with Store.opened(f"sqlite:///{tmp_path}/orchestrator.db", state_directory=tmp_path) as store:
        await store.memory.instance("one")
        seen = []

        def begun(connection, cursor, statement, *_):
            if not seen or seen[-1][0] is not connection.get_transaction():
                cursor.execute("PRAGMA synchronous")
                seen.append((connection.get_transaction(), cursor.fetchone()[0]))

        sa.event.listen(store._database._writer.sync_engine, "before_cursor_execute", begun)
        yield store, seen


async def test_only_the_commit_that_makes_jobs_real_is_synced(levels):
    """It syncs what was loaded before it too, and nobody misses that if the power fails earlier."""
    store, seen = levels
    spec = JobSpec(name="a", kind="ica.data_linking", account="ica", project="p", digest="d", batch_size=10)
    job = await store.jobs.load(spec, 1)
    await store.jobs.add_items(job, [NewItem(1, "fil.1", b"{}")])
    await store.jobs.commit([job], 2)
    await store.advance.cancel("a", now=3)
    assert [level for _, level in seen] == [NORMAL, NORMAL, FULL, FULL]
