"""Jobs that are made of the rows of an earlier one: when they are planned, and the commit of their items."""

import pytest

from orchestrator.domain.model import After, ItemState, JobState, Needs
from orchestrator.domain.webhook import Notice, Notify

ROWS = {"rows_of": "Alpha", "document": b'{"name":"beta"}'}


async def waiting(scene, name="beta", **spec):
    """A job that is made of the rows of alpha."""
    job = await scene.store.jobs.load(scene.spec(name, **(ROWS | spec)), scene.tick())
    await scene.store.jobs.commit([job], scene.tick())
    return await scene.job(name)


async def plan(scene, items=3, **spec):
    """What the planner does with the next job; returns what the commit says."""
    job = await scene.store.planned_rows.next()
    load = await scene.store.planned_rows.begin(job, scene.spec(job.name, **(ROWS | spec)))
    await scene.store.jobs.add_items(load, scene.new_items(items))
    return await scene.store.planned_rows.commit(load, job, scene.tick())


@pytest.mark.parametrize("end", [ItemState.SUCCEEDED, ItemState.PARTIAL, ItemState.FAILED])
async def test_it_is_planned_once_the_earlier_job_has_settled(scene, end):
    """Not before; then with its batches cut, its number and history kept, and in the place that it had in lists."""
    await scene.add("alpha", items=2)
    before = await waiting(scene)
    await scene.add("gamma", items=1)
    assert (before.state, before.counts, before.spec.rows_of) == (JobState.WAITING, {}, "alpha")
    assert await scene.store.planned_rows.next() is None
    await scene.store.advance.pause(name="beta", now=scene.tick())
    await scene.finish("alpha", end)
    found = await scene.store.planned_rows.next()
    assert (found.name, found.document, found.source.name, found.source.round) == (
        "beta",
        b'{"name":"beta"}',
        "alpha",
        1,
    )
    assert await plan(scene) is not None
    after = await scene.job("beta")
    assert (after.state, after.needs, after.counts) == (JobState.QUEUED, Needs.PAUSED, {ItemState.PENDING: 3})
    assert (after.created_at, after.spec.digest) == (before.created_at, before.spec.digest)
    assert [batch.items for batch in await scene.batches("beta")] == [2, 1]
    assert [job.spec.name for job in await scene.store.jobs.list()] == ["gamma", "beta", "alpha"]
    assert [event[0] for event in await scene.events("beta")] == ["job", "pause", "needs", "job", "rows"]
    assert await scene.store.planned_rows.next() is None


async def test_no_item_is_a_job_that_succeeded(scene):
    """It settles with the commit, its result is to be delivered, and what waits for it starts."""
    await scene.add("alpha", items=1)
    await waiting(scene)
    await scene.add_waiting("gamma", "beta")
    await scene.finish("alpha")
    await plan(scene, items=0)
    assert (await scene.job("beta")).state is JobState.SUCCEEDED
    assert ("beta", 1) in await scene.deliveries()
    assert (await scene.job("gamma")).state is JobState.QUEUED


async def test_its_own_after_holds_too(scene):
    """The earlier job may have failed; those in `after` must have ended as that says, the earlier one among them."""
    await scene.add("alpha", items=1)
    await scene.add("gamma", items=1)
    await waiting(scene, after=After(("gamma",)))
    await waiting(scene, "delta", after=After(("ALPHA",)))
    (batch, other) = [await scene.track(), await scene.track()]
    await scene.end(batch, ItemState.FAILED)
    assert (await scene.job("beta")).state is JobState.WAITING
    assert (await scene.job("delta")).state is JobState.SKIPPED
    await scene.end(other)
    assert (await scene.store.planned_rows.next()).name == "beta"


async def test_what_changed_meanwhile_is_not_overwritten(scene):
    """A job that was cancelled, or whose rows are to change, keeps nothing of what was loaded for it."""
    await scene.add("alpha", items=1)
    await waiting(scene)
    await scene.finish("alpha", ItemState.FAILED)
    job = await scene.store.planned_rows.next()
    load = await scene.store.planned_rows.begin(job, scene.spec("beta"))
    await scene.store.jobs.add_items(load, scene.new_items(1))
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert (await scene.job("beta")).state is JobState.WAITING
    assert await scene.store.planned_rows.commit(load, job, scene.tick()) is None
    assert await scene.store.planned_rows.block(job, "late", scene.tick()) == ()
    await scene.finish("alpha")
    assert await scene.store.planned_rows.commit(load, job, scene.tick()) is None
    await scene.store.advance.cancel("beta", now=scene.tick())
    assert await scene.store.planned_rows.commit(load, job, scene.tick()) is None
    assert (await scene.job("beta")).state is JobState.CANCELLED
    assert await scene.store.jobs.abandon_all_loading() == 1


async def test_a_blocked_job_is_planned_anew_by_retry(scene):
    """It shows the reason until then, is not planned meanwhile, and keeps nothing moving."""
    await scene.add("alpha", items=1)
    await waiting(scene)
    await scene.finish("alpha")
    assert await scene.store.moving()
    await scene.store.planned_rows.block(await scene.store.planned_rows.next(), "no column", scene.tick())
    job = await scene.job("beta")
    assert (job.state, job.needs, job.detail) == (JobState.QUEUED, Needs.BLOCKED, "no column")
    assert await scene.store.planned_rows.next() is None
    assert not await scene.store.moving()
    await scene.store.advance.retry("beta", now=scene.tick())
    assert (await scene.job("beta")).needs is None
    await plan(scene, items=1)
    assert (await scene.job("beta")).counts == {ItemState.PENDING: 1}


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_notice_that_was_being_sent_while_the_job_was_planned_is_recorded(given_up, scene):
    """The commit gives the job another id, and the notice and its history to that one."""
    await scene.add("alpha", items=1)
    await waiting(scene, notify=Notify("https://lims.example.org/hook", frozenset({Notice.BLOCKED})))
    await scene.finish("alpha")
    await scene.store.planned_rows.block(await scene.store.planned_rows.next(), "no column", scene.tick())
    (sent,) = await scene.store.notices.due(scene.tick())
    await scene.store.advance.retry("beta", now=scene.tick())
    await plan(scene)
    assert (await scene.store.notices.change_of(sent)).detail == "no column"
    record = scene.store.notices.give_up if given_up else scene.store.notices.delivered
    await record(sent, "done", scene.tick())
    assert [event[0] for event in await scene.events("beta")][-1] == "notify"
    assert await scene.store.notices.due(scene.tick()) == []


@pytest.mark.parametrize("rows", [0, 1])
async def test_retry_of_a_settled_job(scene, rows):
    """Without items it is planned anew for another round; with items those go out again, as of any job."""
    await scene.add("alpha", items=1)
    await waiting(scene)
    await scene.finish("alpha")
    await plan(scene, items=rows)
    await scene.finish("beta", ItemState.FAILED)
    await scene.store.advance.retry("beta", now=scene.tick())
    assert (await scene.job("beta")).round == 2
    assert (await scene.store.planned_rows.next() is not None) is (rows == 0)
    if not rows:
        await plan(scene, items=2)
        assert (await scene.finish("beta")).counts == {ItemState.SUCCEEDED: 2}


async def test_a_skipped_job_waits_for_the_next_round(scene):
    """The earlier job was cancelled; retried, it lets the skipped one wait again, and then be planned."""
    await scene.add("alpha", items=1)
    await waiting(scene)
    await scene.store.advance.cancel("alpha", now=scene.tick())
    assert (await scene.job("beta")).state is JobState.SKIPPED
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert (await scene.job("beta")).state is JobState.WAITING
    await scene.finish("alpha")
    assert (await scene.store.planned_rows.next()).source.round == 2


async def test_the_rows_are_the_leaves_in_order(scene):
    """Items in the wanted states, without those that were superseded; what was found has the row it comes from."""
    await scene.add("alpha", items=4)
    for batch in await scene.track_all():
        await scene.end(batch)
    job = await scene.job("alpha")
    async with scene.store._database.write() as connection:
        await connection.exec_driver_sql("UPDATE items SET found = 2 WHERE seq = 2")
        await connection.exec_driver_sql("UPDATE items SET parent = 2 WHERE seq IN (3, 4)")
        await connection.exec_driver_sql("UPDATE items SET superseded = true WHERE seq = 4")
    read = [each async for chunk in scene.store.items.as_rows(job.id, [ItemState.SUCCEEDED]) for each in chunk]
    assert [(item.seq, item.parent_key, item.row) for item in read] == [
        (1, None, b'{"n":"1"}'),
        (3, "k2", b'{"n":"3"}'),
    ]
    assert [chunk async for chunk in scene.store.items.as_rows(job.id, [ItemState.FAILED])] == []
    async with scene.store._database.write() as connection:
        await connection.exec_driver_sql("UPDATE items SET found = 0, parent = NULL, superseded = false")
