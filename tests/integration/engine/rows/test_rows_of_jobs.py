"""Jobs that are made of the rows of an earlier one, from the queue file to the platform's ledger."""

import json

import pytest
from made_of_rows import Rows
from virtual_time import Killed

from orchestrator.crash_points import CrashPoint
from orchestrator.intake.rows import rows_planner

PIPELINE = "f606f580-d476-47a8-9679-9ddb39fcb0a8"
LINKS = ["fil.01", "fil.02", "fil.fail1", "fil.partial1"]


def links(it, *ids, name="links", **more):
    """A linking job made from a table of two columns: the sample has the digits of the id."""
    rows = "".join(f"{each},s-{each.partition('.')[2]}\n" for each in ids or LINKS)
    job = {"name": name, "kind": "ica.data_linking", "account": "ica", "project": it.project}
    job |= {"template": {"dataId": "${id}"}, "table": f"{name}.csv", "_table": f"id,sample\n{rows}"}
    return job | more


def analyses(it, *, name="analyses", table=None, template=None, **more):
    template = {
        "userReference": "run/${sample}",
        "pipelineId": PIPELINE,
        "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": ["${remote_id}"]}]},
    } | (template or {})
    job = {"name": name, "kind": "ica.analysis_creation", "account": "ica", "project": it.project}
    return job | {"engine": "nextflow", "template": template, "table": table or {"job": "links"}} | more


async def requests(it, name="analyses"):
    job = await it.job(name)
    chunks = it.store.items.stream(job.id, with_request=True)
    return {item.key: json.loads(item.request) for chunk in [c async for c in chunks] for item in chunk}


async def run(it, rows, *names):
    """Until these jobs have settled, planning whatever can be planned."""

    async def settled():
        if (await it.store.planned_rows.next()) is not None:
            await rows.plan()
        return all([(await it.job(name)).state.settled for name in names])

    await it.until(settled)


async def test_what_was_linked_is_analysed(world):
    """The job waits, takes the rows in the wanted states in order, and runs like any other."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it), analyses(it, table={"job": "Links", "states": ["partial", "succeeded"]}))
    assert (await it.job("analyses")).state == "waiting"
    await rows.plan()
    assert (await it.job("analyses")).state == "waiting"
    await run(it, rows, "links", "analyses")
    linked = [item.remote_id for item in (await it.items("links")).values() if item.state in {"partial", "succeeded"}]
    made = await requests(it)
    assert list(made) == ["run/s-01", "run/s-02", "run/s-partial1"]
    assert [each["analysisInput"]["inputs"][0]["dataIds"] for each in made.values()] == [[each] for each in linked]
    assert (await it.states("analyses"))["run/s-01"] == "succeeded"
    assert [(event.job, event.source, event.items) for event in rows.events] == [("analyses", "links", 3)]
    history = [each.spec.name for each in await it.store.jobs.list()]
    assert history == ["analyses", "links"]


async def test_no_row_is_no_item(world):
    """Where no item of the earlier job is in the states, the job succeeds, and what waits for it starts."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it, "fil.fail1"), analyses(it), links(it, "fil.09", name="last", after=["analyses"]))
    await run(it, rows, "links", "analyses", "last")
    assert (await it.job("analyses")).state == "succeeded"
    assert (await it.job("analyses")).counts == {}
    assert (await it.job("last")).state == "succeeded"


@pytest.mark.parametrize("how", ["cancelled", "skipped"])
async def test_a_job_without_an_earlier_one_is_skipped(world, how):
    """The earlier job was cancelled or skipped: there is nothing to make items of, and the reason says so."""
    it = await world()
    rows = Rows(it)
    if how == "skipped":
        await rows.drop(links(it, "fil.fail1", name="first"), links(it, after=["first"]), analyses(it))
    else:
        await rows.drop(links(it), analyses(it), controls=[{"cancel": "links"}])
    await run(it, rows, "links", "analyses")
    job = await it.job("analyses")
    assert (job.state, job.detail) == ("skipped", f"links, which it waited for, ended as {how}")


async def test_an_item_under_which_others_were_found_is_no_row(world):
    """The rows are what a result shows as leaves."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it, "fil.01", "fil.02"), analyses(it))
    await it.until_settled("links")
    job = await it.job("links")
    async with it.store._database.write() as connection:
        await connection.exec_driver_sql("UPDATE items SET found = 1 WHERE job = ? AND seq = 1", (job.id,))
        await connection.exec_driver_sql(
            "INSERT INTO items (job, seq, key, batch, stage, state, remote_id, parent, facts) "
            "VALUES (?, 3, 'child', 1, 'link', 'succeeded', 'fil.77', 1, '{\"price\": 1.50, \"ids\": [\"a\", \"b\"]}')",
            (job.id,),
        )
    template = {"tags": {"userTags": ["${parent}", "${facts.price}"], "technicalTags": ["${facts.ids[]}"]}}
    await rows.drop(analyses(it, name="second", template=template))
    await rows.plan()
    made = await requests(it, "second")
    assert list(made) == ["run/s-02", "run/s-01"]
    assert made["run/s-01"]["tags"] == {"userTags": ["fil.01", "1.50"], "technicalTags": ["a", "b"]}
    assert made["run/s-02"]["tags"] == {"userTags": ["", ""], "technicalTags": []}
    async with it.store._database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM items WHERE key = 'child'")
        await connection.exec_driver_sql("UPDATE items SET found = 0")


async def test_the_columns_of_its_table_come_along(world):
    """Typed cells, lists and `group_by` work on rows as on tables; a column whose name is taken is `table.NAME`."""
    it = await world()
    rows = Rows(it)
    table = "dataId,sample,key,lane\nfil.01,s1,k1,1\nfil.02,s1,k2,2\nfil.03,s2,k3,1\n"
    first = links(it, _table=table, template={"dataId": "${dataId}"})
    template = {
        "userReference": "run/${sample}",
        "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": ["${remote_id[]}"]}]},
        "tags": {"userTags": ["${table.key[]}"], "technicalTags": [], "referenceTags": []},
    }
    second = analyses(it, template=template, group_by="sample", count=2)
    await rows.drop(first, second)
    await run(it, rows, "links", "analyses")
    made = await requests(it)
    assert list(made) == ["run/s1", "run/s2"]
    assert len(made["run/s1"]["analysisInput"]["inputs"][0]["dataIds"]) == 2
    assert made["run/s1"]["tags"]["userTags"] == ["k1", "k2"]


@pytest.mark.parametrize("number", ["0.10", "1E+400", "0.12345678901234567890"])
async def test_numbers_of_the_template_keep_their_digits(world, number):
    """They are stored while the job waits; planned, it is still the job that the file asked for."""
    it = await world()
    rows = Rows(it)
    jobs = [links(it), analyses(it, template={"weight": "@"})]
    await rows.drop(*map(dict, jobs), written=('"@"', number))
    await run(it, rows, "links", "analyses")
    job = await it.job("analyses")
    requests = [item.request async for chunk in it.store.items.stream(job.id, with_request=True) for item in chunk]
    assert all(f'"weight":{number}'.encode() in request for request in requests)
    again = await rows.drop(*map(dict, jobs), written=('"@"', number))
    assert again.known == ["links", "analyses"]


# ---------------------------------------------------------------- mistakes in rows


async def test_a_mistake_blocks_the_job_until_it_is_retried(world):
    """The reason names item and column; `retry` plans it anew once the rows are others."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it, "fil.01"), analyses(it, template={"userReference": "run ${facts.name}"}))
    await it.until_settled("links")
    await rows.plan()
    job = await it.job("analyses")
    assert (job.state, job.needs) == ("queued", "blocked")
    assert "no column for ${facts.name}" in job.detail
    assert "its columns are key, state, status" in job.detail
    await rows.plan()  # it waits for an operator
    assert [event.reason for event in rows.events] == [job.detail]
    assert not await it.store.moving()
    async with it.store._database.write() as connection:
        await connection.exec_driver_sql('UPDATE items SET facts = \'{"name": "s1"}\'')
    await rows.drop(controls=[{"retry": "analyses"}])
    assert (await it.job("analyses")).needs is None
    assert await it.store.moving()
    await run(it, rows, "analyses")
    assert await it.states("analyses") == {"run s1": "succeeded"}


async def test_a_mistake_names_the_item(world):
    """What the platform would refuse is told by the item it comes from."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it, "fil.01", "fil.02"), analyses(it, template={"userReference": "${stage}"}))
    await it.until_settled("links")
    await rows.plan()
    assert "item fil.02 of links, userReference: has" in (await it.job("analyses")).detail
    assert "has the same userReference as item fil.01" in (await it.job("analyses")).detail


async def test_cancel_ends_a_blocked_job(world):
    """It ends as cancelled without items, and its result is delivered."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it, "fil.01"), analyses(it, count=7))
    await it.until_settled("links")
    await rows.plan()
    assert "says 7, and there are 1" in (await it.job("analyses")).detail
    await rows.drop(controls=[{"cancel": "analyses"}])
    job = await it.job("analyses")
    assert (job.state, job.needs, job.counts) == ("cancelled", None, {})
    assert "analyses" in [entry.job_name for entry in await it.store.outbox.due(it.clock.now())]
    await rows.drop(controls=[{"retry": "analyses"}])
    await rows.plan()
    assert (await it.job("analyses")).needs == "blocked"


async def test_rows_that_were_pruned_block_the_job(world):
    """The earlier job's items are gone: the reason says so, and what to do."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it, "fil.01"))
    await it.until_settled("links")
    for entry in await it.store.outbox.due(it.clock.now()):
        await it.store.outbox.done(entry)
    assert await it.store.jobs.prune(it.clock.now() + 1, it.clock.now()) == ["links"]
    await rows.drop(analyses(it))
    await rows.plan()
    job = await it.job("analyses")
    assert job.needs == "blocked"
    assert job.detail.startswith("links settled so long ago that its rows are gone")


# ---------------------------------------------------------------- kills, rounds, restored backups


@pytest.mark.parametrize("point", [CrashPoint.PLAN_LOADED, CrashPoint.PLAN_DURABLE])
async def test_a_kill_while_planning_changes_nothing(world, monkeypatch, point):
    """Killed at either point, the next start plans it once, under the same keys, and nothing is left behind."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it), analyses(it))
    await it.until_settled("links")

    def die(at):
        if at is point:
            raise Killed

    monkeypatch.setattr(rows_planner, "crash_point", die)
    with pytest.raises(Killed):
        await rows.plan()
    monkeypatch.undo()
    await it.restart()
    await it.store.jobs.abandon_all_loading()
    await run(it, rows, "analyses")
    assert sorted(await it.states("analyses")) == ["run/s-01", "run/s-02"]
    assert [job.spec.name for job in await it.store.jobs.list()] == ["analyses", "links"]


async def test_a_kill_after_every_transaction_of_planning(world):
    """Whichever transaction was the last one, each analysis is made once."""
    commits, killed = 0, True
    while killed:
        commits += 1
        it = await world()
        rows = Rows(it)
        await rows.drop(links(it), analyses(it))
        await it.until_settled("links")
        it.kill_after(commits)
        killed = await it.killed_or(rows.plan())
        await it.restart()
        await it.store.jobs.abandon_all_loading()
        await run(it, rows, "analyses")
        assert sorted(await it.states("analyses")) == ["run/s-01", "run/s-02"]
    assert commits > 3


async def test_a_retry_of_the_earlier_job_leaves_what_was_planned(world):
    """A second round of the earlier job changes no job that was planned; one that had no rows is planned by `retry`."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it, "fil.01", "fil.fail1"), analyses(it), analyses(it, name="failed", table=FAILED))
    await run(it, rows, "links", "analyses", "failed")
    before = await it.states("analyses")
    await rows.drop(controls=[{"retry": "links"}])
    await run(it, rows, "links")
    assert (await it.job("links")).round == 2
    assert await it.states("analyses") == before


FAILED = {"job": "links", "states": ["failed"]}


async def test_a_retry_of_the_earlier_job_while_this_one_is_blocked(world):
    """The blocked job waits again, and is planned from the rows of the new round."""
    it = await world()
    rows = Rows(it)
    template = {"userReference": "run/${stage}"}
    await rows.drop(links(it, "fil.fail1", "fil.fail2"), analyses(it, table=FAILED, template=template))
    await it.until_settled("links")
    await rows.plan()
    assert (await it.job("analyses")).needs == "blocked"
    await rows.drop(controls=[{"retry": "links", "items": ["fil.fail1"]}])
    job = await it.job("analyses")
    assert (job.state, job.needs, job.detail) == ("waiting", None, None)
    await it.until_settled("links")
    await rows.plan()
    assert (await it.job("analyses")).needs == "blocked"


async def test_rows_that_change_while_they_are_copied_are_copied_again(world):
    """The earlier job is opened again between the copy and the commit: nothing of the copy is kept."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it, "fil.01", "fil.fail1"), analyses(it))
    await it.until_settled("links")
    store = it.store

    class Late:
        def __getattr__(self, name):
            return getattr(store.planned_rows, name)

        async def begin(self, job, spec):
            load = await store.planned_rows.begin(job, spec)
            await rows.drop(controls=[{"retry": "links"}])
            return load

    await rows.planner(planned_rows=Late()).turn()
    assert (await it.job("analyses")).state == "waiting"
    assert rows.events == []
    await run(it, rows, "links", "analyses")
    assert (await it.job("links")).round == 2
    assert await it.states("analyses") == {"run/s-01": "succeeded"}


async def test_other_rows_after_a_restored_backup_send_nothing_twice(world):
    """The key of the batch was sent with another body: what exists is found, and no analysis is made again."""
    it = await world()
    rows = Rows(it)
    await rows.drop(links(it, "fil.01", "fil.02"), analyses(it))
    await it.until_settled("links")
    backup = await it.backup()
    await run(it, rows, "analyses")
    await it.restore(backup)
    async with it.store._database.write() as connection:
        await connection.exec_driver_sql("UPDATE items SET remote_id = 'fil.0f' WHERE key = 'fil.02'")
    await run(it, rows, "analyses")
    assert sorted(await it.states("analyses")) == ["run/s-01", "run/s-02"]
    assert set(it.simulator.truth.made().values()) == {1}
