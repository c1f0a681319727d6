"""Many jobs cost no more statements than few, and what is settled is not read by what goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from orchestrator.domain.model import After, BatchReport, ItemState, JobState, Needs
from orchestrator.platforms.registry import KINDS

FEW, MANY = 3, 40


@contextmanager
def _statements(database) -> Iterator[list[tuple[str, object]]]:
    """What is asked of the database inside the block, each statement with its parameters."""
    asked = []

    def note(_connection, _cursor, statement, parameters, _context, many):
        asked.append((statement, parameters[0] if many else parameters))

    engines = [engine.sync_engine for engine in (database._readers, database._writer)]
    for engine in engines:
        sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        for engine in engines:
            sa.event.remove(engine, "before_cursor_execute", note)


async def _add_many(scene, count, prefix="job", **spec):
    specs = [scene.spec(f"{prefix}-{number}", **spec) for number in range(count)]
    loads = await scene.store.jobs.load_all(specs, scene.tick())
    await scene.store.jobs.add_all([(job, scene.new_items(1)) for job in loads])
    return await scene.store.jobs.commit(loads, scene.tick())


async def _cost(scene, act):
    """How many statements `act` takes."""
    with _statements(scene.store._database) as asked:
        await act()
    return len(asked)


# ---------------------------------------------------------------- the queue


async def test_the_next_batch_costs_the_same_however_many_jobs_wait(scene):
    """Also while none of them may go: each waits for its time."""
    await _add_many(scene, FEW)
    few = await _cost(scene, scene.next)
    await _add_many(scene, MANY, "more")
    assert (await scene.next()).job_name == "job-0"
    assert await _cost(scene, scene.next) == few
    async with scene.store._database.write() as connection:
        await connection.exec_driver_sql("UPDATE batches SET due_at = 9000000000000000")
    assert await scene.next() is None
    assert await _cost(scene, scene.next) <= few


async def test_jobs_at_their_limit_are_passed_over_in_one_statement(scene):
    """However many stand at their `max_open`."""
    await _add_many(scene, MANY, max_open=1, batch_size=1)
    for _ in range(FEW):
        await scene.track()
    few = await _cost(scene, scene.next)
    while (batch := await scene.next()) is not None:
        await scene.track(batch)
    assert await _cost(scene, scene.next) <= few


async def test_among_jobs_with_work_out_the_one_with_least_goes_first(scene):
    """Jobs with nothing out come before, of the same priority; a more urgent one with much out before both."""
    await scene.add("much", items=6)
    await scene.add("little", items=6)
    await scene.track(await scene.batch(1, "much"))
    await scene.track(await scene.batch(2, "much"))
    await scene.track(await scene.batch(1, "little"))
    assert (await scene.next()).job_name == "little"
    await scene.add("fresh", items=2)
    assert (await scene.next()).job_name == "fresh"
    await scene.add("urgent", items=6, priority=0)
    await scene.track()
    await scene.track()
    assert (await scene.next()).job_name == "urgent"


# ---------------------------------------------------------------- controls


async def test_controls_and_a_start_read_no_stored_submission(scene):
    """A job may have hundreds of batches with megabytes to send: only that of a batch which is sent is needed."""
    controls = scene.store.advance
    await scene.add(items=8)
    for number in (1, 2):
        await scene.blocked(await scene.batch(number))
    await scene.lost(await scene.batch(3))
    await scene.begin(await scene.batch(4))
    with _statements(scene.store._database) as asked:
        await controls.recover(scene.tick())
        await controls.adopt("alpha", 1, "theirs", now=scene.tick())
        await controls.retry("alpha", now=scene.tick())
        await controls.cancel("alpha", now=scene.tick())
        await controls.give_up("alpha", user="ann", now=scene.tick())
    assert (await scene.job()).state is JobState.CANCELLED
    assert not [statement for statement, _ in asked if statement.startswith("SELECT") and "body" in statement]


@pytest.mark.parametrize("account", [None, "ica"])
async def test_a_pause_of_all_costs_the_same_however_many_jobs_there_are(scene, account):
    """So does its end; each job has its events, its needs and its reason."""
    advance = scene.store.advance

    async def pause():
        await advance.pause(now=scene.tick(), account=account)

    async def resume():
        await advance.resume(now=scene.tick(), account=account)

    await _add_many(scene, FEW)
    few = [await _cost(scene, pause), await _cost(scene, resume)]
    await _add_many(scene, MANY, "more")
    assert [await _cost(scene, pause), await _cost(scene, resume)] == few
    await pause()
    jobs = await scene.store.jobs.list()
    assert {(job.needs, "paused" in job.detail) for job in jobs} == {(Needs.PAUSED, True)}
    await resume()
    assert {(job.needs, job.detail) for job in await scene.store.jobs.list()} == {(None, None)}
    told = [event for event, *_ in await scene.events("more-1")]
    assert told == ["job", *["pause", "needs", "resume", "needs"] * 2]


async def test_jobs_that_go_on_ask_for_what_they_asked_before(scene):
    """Each for its own reason: blocked batches with their number, failures, items that wait for a person."""
    await scene.add("blocked", items=6)
    for number in (1, 2):
        await scene.blocked(await scene.batch(number, "blocked"))
    await scene.add("stopped", items=4, stop_after_failed=1)
    batch = await scene.track(await scene.batch(1, "stopped"))
    await scene.apply_reports(scene.seen(batch, 1, ItemState.FAILED))
    await scene.add("asks", items=2)
    await scene.apply_reports(scene.seen(await scene.track(await scene.batch(1, "asks")), 1, ItemState.ATTENTION))
    before = {job.spec.name: (job.needs, job.detail) for job in await scene.store.jobs.list()}
    assert before["blocked"] == (Needs.BLOCKED, "batch 1: 403 no right (and 1 more)")
    assert (before["stopped"][0], before["asks"][0]) == (Needs.STOPPED, Needs.ATTENTION)
    await scene.store.advance.pause(now=scene.tick())
    assert {job.needs for job in await scene.store.jobs.list()} == {Needs.PAUSED}
    await scene.store.advance.resume(now=scene.tick())
    assert {job.spec.name: (job.needs, job.detail) for job in await scene.store.jobs.list()} == before


# ---------------------------------------------------------------- dependents


async def test_dependents_are_skipped_and_wait_again_in_as_many_statements_for_any_number(scene):
    """Each has its outcome, its result to deliver, and the reason; the next round takes the results back."""
    advance, costs = scene.store.advance, []
    for root, count in (("small", FEW), ("large", MANY)):
        await scene.add(root, items=1)
        await _add_many(scene, count, f"after-{root}", after=After((root,), frozenset({JobState.SUCCEEDED})))
        with _statements(scene.store._database) as asked:
            await advance.cancel(root, now=scene.tick())
            await advance.retry(root, now=scene.tick())
        costs.append(len(asked))
        await advance.cancel(root, now=scene.tick())
        reasons = {job.detail for job in await scene.store.jobs.list(JobState.SKIPPED)}
        assert f"{root}, which it waited for, ended as cancelled" in reasons
    assert costs[0] == costs[1]
    assert len(await scene.store.jobs.list(JobState.SKIPPED)) == FEW + MANY
    assert len(await scene.deliveries()) == FEW + MANY + 2


async def test_jobs_that_come_after_one_that_settled_start_together(scene):
    """The commit judges them in as many statements for any number."""
    await scene.add("root", items=1)
    await scene.finish("root")
    after = After(("root",), frozenset({JobState.SUCCEEDED}))
    costs = []
    for count in (FEW, MANY):
        specs = [scene.spec(f"of-{count}-{number}", after=after) for number in range(count)]
        loads = await scene.store.jobs.load_all(specs, scene.tick())
        await scene.store.jobs.add_all([(job, scene.new_items(1)) for job in loads])
        costs.append(await _cost(scene, lambda ready=loads: scene.store.jobs.commit(ready, scene.tick())))
    assert costs[0] == costs[1]
    assert len(await scene.store.jobs.list(JobState.QUEUED)) == FEW + MANY


async def test_a_job_that_waits_for_many_is_skipped_for_the_first_by_name(scene):
    """Any that ended as it must not is enough, though others have not ended, or are still to come."""
    for name in ("beta", "alpha", "gamma"):
        await scene.add(name, items=1)
    await scene.add_waiting("last", "beta", "alpha", "gamma", "unknown")
    await scene.store.advance.cancel("beta", now=scene.tick())
    assert (await scene.job("last")).detail == "beta, which it waited for, ended as cancelled"
    await scene.store.advance.cancel("alpha", now=scene.tick())
    await scene.add_waiting("late", "beta", "alpha", "unknown")
    assert (await scene.job("late")).detail == "alpha, which it waited for, ended as cancelled"


async def test_jobs_that_settle_with_one_page_cost_the_same_however_many(scene):
    """Their last words settle the batches, these the jobs; each has its result to deliver."""
    costs = []
    for count in (FEW, MANY):
        await _add_many(scene, count, f"of-{count}", batch_size=1)
        tracked = await scene.track_all()
        for batch in tracked:
            await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED, remote_id=f"object of {batch.id}"))
        words = [BatchReport(batch.key, "DONE", final=True) for batch in tracked]
        costs.append(await _cost(scene, lambda page=words: scene.apply_reports(*page)))
    assert costs[0] == costs[1]
    assert len(await scene.store.jobs.list(JobState.SUCCEEDED)) == FEW + MANY
    assert len(await scene.deliveries()) == FEW + MANY


# ---------------------------------------------------------------- what is read


SCANS = (
    "SCAN batches",
    "SCAN jobs",
    "SCAN items",
    "SCAN events",
    "SCAN outbox",
    "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id>?)",
)
OF_WHAT_IS_LIVE = ("batches_live", "batches_of_live_job", "batches_unsent", "jobs_live")


async def _plans(database, asked):
    """How SQLite goes about each statement."""
    async with database.read() as connection:
        for statement, parameters in asked:
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", tuple(parameters))
            yield statement, [row[3] for row in rows]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_the_daemon_asks_reads_nothing_that_is_settled(scene, retry_twice):
    """Statement by statement: an index of what is live, or of the rows that are named, and no table read through."""
    store = scene.store
    with _statements(store._database) as asked:
        assert not await store.moving()
        await scene.add("alpha", items=4, retry=retry_twice)
        await scene.add_waiting("beta", "alpha")
        first = await scene.track()
        busy = [first.id]
        await store.batches.next("ica", room=5, now=scene.tick(), busy=busy)
        await store.batches.next_due("ica", scene.now)
        await store.batches.open_items("ica", busy)
        await store.batches.open_items("ica")
        await store.batches.unconfirmed()
        await store.batches.tracking("ica")
        await store.batches.first(first.job)
        await store.batches.family(first)
        await store.batches.ended({(first.job, 1)})
        await store.items.open_in([first.id], ["creation", "analysis"])
        await store.moving()
        await store.planned_rows.next()
        await store.jobs.unsettled_counts()
        await store.jobs.item_counts()
        await store.outbox.next_due()
        await store.outbox.due(scene.now)
        await scene.end(first, ItemState.FAILED)
        halved = await scene.begin()
        await store.advance.split(halved, "400", now=scene.tick())
        await scene.lost()
        await store.advance.recover(scene.tick())
        await store.advance.pause(now=scene.tick())
        await store.advance.resume(now=scene.tick())
        tracked = await scene.track()
        held = await store.items.of_batch(tracked)
        await store.advance.unlisted(held, "not listed", now=scene.tick())
        await scene.end(tracked)
        await scene.finish()
        for entry in await store.outbox.due(scene.now):
            await store.outbox.done(entry)
        await store.jobs.prune(scene.now + 1, scene.tick())
        await scene.add("gamma", items=4)
        running = await scene.track()
        await scene.apply_reports(scene.seen(running, 1, ItemState.RUNNING))
        await store.advance.cancel("gamma", now=scene.tick())
        assert len(await store.items.to_abort("ica", KINDS, limit=5)) == 1
    read_through = [
        (statement, step)
        async for statement, plan in _plans(store._database, asked)
        for step in plan
        if step.startswith(SCANS) and not any(index in step for index in OF_WHAT_IS_LIVE)
    ]
    assert [each for each in read_through if "UPDATE outbox" not in each[0]] == []  # at the start, what is undelivered


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_one_batch_of_a_job_is_found_without_the_others(scene):
    """The first, the next chunk, the family, the namesakes: by an index each, and in order where order is asked."""
    await scene.add(items=4, batch_size=4)
    store, batch = scene.store, await scene.batch(1)
    with _statements(store._database) as asked:
        await store.batches.first(batch.job)
        _ = [chunk async for chunk in store.batches.stream(batch.job)]
    plans = [plan async for _, plan in _plans(store._database, asked)]
    assert not [step for plan in plans for step in plan if "TEMP B-TREE" in step]
    begun = await scene.begin()
    with _statements(store._database) as asked:
        await store.batches.family(batch)
        await store.advance.split(begun, "400", now=scene.tick())
    plans = [step async for _, plan in _plans(store._database, asked) for step in plan]
    for wanted in ("batches_family (job=? AND root=?)", "batches_lineage (job=? AND lineage=?)"):
        assert [step for step in plans if wanted in step], wanted
