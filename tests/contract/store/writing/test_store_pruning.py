"""What is over goes, portion by portion, and nothing of it is left behind."""

import json

import anyio.to_thread
import pytest
import sqlalchemy as sa
from commands import Desk

from orchestrator.domain.model import ItemState, JobState
from orchestrator.store.errors import ControlRefusedError
from orchestrator.store.schema import batches, events, items, jobs
from orchestrator.store.writing.jobs import pruning

AFTER_ALL = 9_000_000_000_000_000


async def _settled(scene, name="alpha", count=2):
    """A job that settled, and whose result is delivered."""
    await scene.add(name, items=count)
    job = await scene.finish(name)
    for entry in await scene.store.outbox.due(scene.now):
        await scene.store.outbox.done(entry)
    return job


async def _rows(scene):
    """How many items, events and batches there are."""
    async with scene.store._database.read() as connection:
        counts = [await connection.execute(sa.select(sa.func.count()).select_from(t)) for t in (items, events, batches)]
        return [count.scalar_one() for count in counts]


async def test_nothing_to_prune_writes_nothing(scene):
    """Whoever watches `writes` for news is not woken."""
    await scene.add("young", items=1)
    writes = scene.store.writes
    assert await scene.store.jobs.prune(AFTER_ALL, scene.tick()) == []
    assert scene.store.writes == writes


async def test_a_large_job_goes_in_portions(scene, monkeypatch):
    """No transaction takes more than a portion of rows, so that others write in between."""
    monkeypatch.setattr(pruning, "_PORTION", 3)
    await _settled(scene, count=10)
    rows, writes = sum(await _rows(scene)), scene.store.writes
    assert await scene.store.jobs.prune(AFTER_ALL, scene.tick()) == ["alpha"]
    assert scene.store.writes - writes >= rows / 3
    assert await _rows(scene) == [0, 0, 0]
    assert await scene.store.jobs.prune(AFTER_ALL, scene.tick()) == []


async def test_small_jobs_go_together(scene):
    """Ten of them take two transactions, not thirty."""
    for number in range(10):
        await _settled(scene, f"job-{number}")
    writes = scene.store.writes
    assert len(await scene.store.jobs.prune(AFTER_ALL, scene.tick())) == 10
    assert scene.store.writes - writes == 2
    assert await _rows(scene) == [0, 0, 0]


class _PowerCutError(Exception):
    """Ends the pruning where it stands."""


async def test_what_a_crash_left_goes_with_the_next_call(scene, monkeypatch):
    """The job is pruned from the first moment on; its rows go although nothing else is to be pruned."""
    monkeypatch.setattr(pruning, "_PORTION", 3)
    await _settled(scene, count=10)
    delete, done = pruning._delete, []

    async def cut(*given, **more):
        done.append(given)
        if len(done) > 2:
            raise _PowerCutError
        return await delete(*given, **more)

    monkeypatch.setattr(pruning, "_delete", cut)
    with pytest.raises(_PowerCutError):
        await scene.store.jobs.prune(AFTER_ALL, scene.tick())
    assert (await _rows(scene))[0] == 4
    with pytest.raises(ControlRefusedError, match="gone"):
        await scene.store.advance.retry("alpha", now=scene.tick())
    monkeypatch.setattr(pruning, "_delete", delete)
    assert await scene.store.jobs.prune(AFTER_ALL, scene.tick()) == []
    assert await _rows(scene) == [0, 0, 0]
    writes = scene.store.writes
    assert await scene.store.jobs.prune(AFTER_ALL, scene.tick()) == []
    assert scene.store.writes == writes


async def test_others_keep_their_rows(scene):
    """Of a job that is not over, not old enough, or not delivered yet, nothing goes."""
    settled = await _settled(scene, "old")
    await scene.add("undelivered", items=2)
    await scene.finish("undelivered")
    await scene.add("running", items=2)
    await scene.track()
    assert await scene.store.jobs.prune(settled.settled_at, scene.tick()) == []
    assert await scene.store.jobs.prune(AFTER_ALL, scene.tick()) == ["old"]
    assert [len(await scene.items(name)) for name in ("old", "undelivered", "running")] == [0, 2, 2]
    assert (await scene.job("old")).counts == {ItemState.SUCCEEDED: 2}
    assert (await scene.job("old")).state is JobState.SUCCEEDED


async def test_the_command_prunes_either_database(scene, tmp_path):
    """`db prune` removes what `retention` says; called again, it finds nothing."""
    await _settled(scene, "old")
    await scene.add("running", items=2)
    await scene.track()
    address = scene.store._database._writer.url
    address = address.set(drivername=address.get_backend_name()).render_as_string(hide_password=False)
    desk = Desk(tmp_path)
    desk.config.write_text(json.dumps(json.loads(desk.config.read_text()) | {"database": address}))
    (tmp_path / "key").write_text("simulator")
    (tmp_path / "key").chmod(0o600)
    for count in ("1 job", "0 jobs"):
        ended = await anyio.to_thread.run_sync(desk.run, "db", "prune")
        assert (ended.code, ended.err, ended.out.rstrip().endswith(f": {count} pruned")) == (0, "", True)
    assert [len(await scene.items(name)) for name in ("old", "running")] == [0, 2]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_may_be_pruned_is_found_by_its_index(scene):
    """Jobs pruned long ago are not gone through, and nothing is sorted."""
    old = sa.select(jobs.c.id).where(jobs.c.settled_at < 1, jobs.c.pruned_at.is_(None)).order_by(jobs.c.settled_at)
    async with scene.store._database.read() as connection:
        asked = old.compile(connection.engine.sync_engine, compile_kwargs={"literal_binds": True})
        rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")
        (step,) = [row[3] for row in rows]
    assert "jobs_settled (settled_at<?)" in step


async def test_what_belongs_to_no_job_goes_after_a_year(scene):
    """Tokens of controls and pauses of accounts; younger ones stay, and a control is not carried out twice."""
    await scene.add("alpha", items=1)
    advance, day = scene.store.advance, 86_400
    await advance.pause(now=scene.now, account="ica", token="old")
    scene.tick(200 * day)
    await advance.resume(now=scene.now, account="ica", token="young")
    scene.tick(200 * day)
    assert await scene.store.jobs.prune(0, scene.now) == []
    assert (await advance.outcome("old"), await advance.outcome("young") is None) == (None, False)
    assert (await advance.resume(now=scene.now, account="ica", token="young")).repeated
    unowned = sa.select(events.c.event).where(events.c.job.is_(None))
    async with scene.store._database.read() as connection:
        assert (await connection.execute(unowned)).scalars().all() == ["resume"]
