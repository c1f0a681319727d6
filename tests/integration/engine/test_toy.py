"""The notions that a platform may need beyond ICA's, each on the toy platform: two steps, follow only, found items."""

import json

import pytest
from toy.setup import TOY

from orchestrator.domain.model import BatchState, ItemState, JobState

RUN, DRAFT, COPY = "POST tasks/run", "POST tasks", "POST copies"


@pytest.fixture
async def toy(world):
    """A world on the toy platform."""
    return await world(setup=TOY)


async def _tasks(toy, *keys):
    await toy.submit("run", keys, kind="tasks", batch_size=1)


# ---------------------------------------------------------------- two steps


async def test_a_task_is_drafted_then_run(toy):
    """The first step's object is kept with the item, which is pending until the second step was accepted."""
    await _tasks(toy, "a", "b-fail")
    await toy.until_settled("run")
    items = await toy.items()
    assert {key: item.state for key, item in items.items()} == {"a": "succeeded", "b-fail": "failed"}
    assert {key: item.remote_id for key, item in items.items()} == {"a": "t1", "b-fail": "t2"}
    assert {(item.stage, item.facts) for item in items.values()} == {("task", None)} or items["a"].attempts == 1
    assert (toy.simulator.drafts("a"), toy.simulator.done["a"]) == (1, 1)


@pytest.mark.parametrize("route", [DRAFT, RUN])
@pytest.mark.parametrize("times", [1, 3, 40])
async def test_lost_answers_run_a_task_once(toy, route, times):
    """A draft that was lost is found by its token; a run that was lost is sent again to the same draft."""
    toy.simulator.lost[route] = times
    await _tasks(toy, "a")
    await toy.until_settled("run", within=7 * 24 * 3600)
    assert await toy.states() == {"a": "succeeded"}
    assert (toy.simulator.drafts("a"), toy.simulator.done["a"]) == (1, 1)


async def test_a_draft_that_is_gone_is_drafted_anew(toy):
    """Only where the platform denies to know the draft is there another one; the item names the first."""
    await _tasks(toy, "a")
    await toy.until_state(BatchState.PLANNED)
    toy.kill_after(3)  # what precedes us, begun, proceeded
    killed = await toy.killed_or(toy.until_settled("run"))
    assert killed
    toy.simulator.tasks.clear()
    await toy.until_settled("run")
    item = (await toy.items())["a"]
    assert (item.state, item.previous_ids) == ("succeeded", ("t1",))


async def test_a_cancel_between_the_steps_runs_nothing(toy):
    """The draft stays where it is; it costs nothing."""
    await _tasks(toy, "a")
    toy.kill_after(3)  # what precedes us, begun, proceeded
    assert await toy.killed_or(toy.until_settled("run"))
    assert (await toy.batch()).step == 2
    await toy.store.advance.cancel("run", now=toy.clock.now())
    await toy.until_settled("run")
    assert await toy.states() == {"a": "cancelled"}
    assert toy.simulator.done == {}


@pytest.mark.parametrize("commits", range(1, 12, 2))
async def test_killed_after_any_transaction_each_task_runs_once(toy, commits):
    """Tasks with parts, copies and a session: the same end whenever the process dies."""
    toy.simulator.begin_session("night", 2)
    await _tasks(toy, "a", "bx2")
    await toy.submit("copies", ["c1", "c2-bad"], kind="copies")
    await toy.submit("sessions", ["night"], kind="sessions")
    while True:
        toy.kill_after(commits)
        if not await toy.killed_or(toy.until_settled("run", "copies", "sessions")):
            break
        commits += 1
    assert (await toy.job()).counts == {ItemState.SUCCEEDED: 3}
    assert await toy.states("copies") == {"c1": "succeeded", "c2-bad": "failed"}
    assert (await toy.job("sessions")).counts == {ItemState.SUCCEEDED: 2}
    assert toy.simulator.drafts("a") == 1


async def test_a_restored_backup_finds_what_was_run_since(toy):
    """No key is on the server: the batch is looked for before its first send."""
    await _tasks(toy, "a", "b")
    copy = await toy.backup()
    await toy.until_settled("run")
    await toy.restore(copy)
    await toy.until_settled("run")
    assert await toy.states() == {"a": "succeeded", "b": "succeeded"}
    assert toy.simulator.done == {"a": 1, "b": 1}


# ---------------------------------------------------------------- answers per item


async def test_an_answer_per_item_fails_the_bad_and_plans_anew_what_was_left_out(toy):
    """A hundred in one request: each has its own outcome, and nothing is split."""
    toy.simulator.busy["c7"] = 2
    keys = [f"c{n}" for n in range(96)] + [f"bad{n}" for n in range(4)]
    await toy.submit("run", keys, kind="copies")
    await toy.until_settled("run")
    assert (await toy.job()).counts == {ItemState.SUCCEEDED: 96, ItemState.FAILED: 4}
    assert (await toy.items())["bad1"].detail == "no such file"
    assert toy.simulator.calls[COPY] == 3
    assert toy.simulator.done["c7"] == 1


async def test_a_copy_whose_answer_was_lost_is_found_by_its_token(toy):
    """What was refused there leaves no trace, and is asked for again."""
    toy.simulator.lost[COPY] = 1
    await toy.submit("run", ["c1", "c2"], kind="copies")
    await toy.until_settled("run")
    assert await toy.states() == {"c1": "succeeded", "c2": "succeeded"}


async def test_polls_name_so_many_items_a_request(toy):
    """Two hundred and fifty open items are three requests, whatever their batches."""
    await toy.submit("run", [f"c{n}" for n in range(250)], kind="copies", batch_size=10)
    await toy.until_settled("run")
    last_sweeps = toy.simulator.calls["GET copies"] - 25  # each batch was looked for before its first send
    assert last_sweeps % 3 == 0 or last_sweeps < 12


# ---------------------------------------------------------------- found items


async def test_parts_become_items_and_their_parent_ends_after_them(toy):
    """The job counts its leaves; the parent's state is drawn from its children."""
    await _tasks(toy, "ax3", "b")
    await toy.until(lambda: _has(toy, 5))
    assert (await toy.job()).counts.keys() <= {ItemState.RUNNING, ItemState.SUBMITTED}
    await toy.run_for(100.0)
    items = await toy.items()
    assert items["ax3"].state is ItemState.RUNNING
    assert (items["ax3"].status, items["ax3"].found) == ("COMPLETED", 3)
    await toy.until_settled("run")
    items = await toy.items()
    assert (await toy.job()).counts == {ItemState.SUCCEEDED: 4}
    children = [item for item in items.values() if item.parent == items["ax3"].seq]
    assert [(child.key, child.state) for child in children] == [(f"t{n}", "succeeded") for n in (3, 4, 5)]
    assert json.loads(items["ax3"].facts) == {"price": 0.5}


async def _has(toy, items):
    return len(await toy.items()) == items


async def test_a_child_that_was_never_run_ends_with_its_parent(toy):
    """It ends as cancelled once the parent's own status is final, and holds nobody."""
    await _tasks(toy, "neverx2")
    await toy.until_settled("run")
    assert (await toy.job()).counts == {ItemState.SUCCEEDED: 1, ItemState.CANCELLED: 1}
    assert (await toy.items())["neverx2"].state is ItemState.PARTIAL


async def test_retry_of_a_parent_leaves_its_children_as_history(toy):
    """They leave the counts; the new run's children take their place."""
    await _tasks(toy, "neverx2")
    await toy.until_settled("run")
    toy.simulator.done.clear()
    await toy.store.advance.retry("run", now=toy.clock.now(), state=ItemState.PARTIAL)
    await toy.until_settled("run")
    items = (await toy.items()).values()
    assert sum(item.superseded for item in items) == 2
    assert sum((await toy.job()).counts.values()) == 2


async def test_cancelled_a_parent_is_aborted_and_its_children_are_not(toy):
    """What was found is never aborted singly."""
    await _tasks(toy, "ax2")
    await toy.until(lambda: _has(toy, 3))
    await toy.store.advance.cancel("run", now=toy.clock.now())
    await toy.until_settled("run")
    assert toy.simulator.calls["POST tasks/abort"] == 1
    assert (await toy.items())["ax2"].state is ItemState.ABORTED


# ---------------------------------------------------------------- follow only


async def test_a_session_is_followed_and_nothing_is_sent(toy):
    """Its tasks become items; a session that is not there fails."""
    toy.simulator.begin_session("night", 3)
    await toy.submit("run", ["night", "nobody"], kind="sessions", batch_size=1)
    await toy.until_settled("run")
    items = await toy.items()
    assert (await toy.job()).state is JobState.PARTIAL
    assert items["nobody"].detail == "there is no such session"
    assert items["night"].found == 3
    assert not [route for route in toy.simulator.calls if route.startswith("POST")]


async def test_what_is_followed_takes_no_room(world):
    """A job that only follows goes beside one that fills the account."""
    toy = await world(setup=TOY, open_items=1)
    toy.simulator.begin_session("night", 2)
    toy.simulator.begin_session("day", 2)
    await toy.submit("sessions", ["night", "day"], kind="sessions")
    await _tasks(toy, "a")
    await toy.until_settled("run", "sessions")
    assert await toy.states() == {"a": "succeeded"}


async def test_a_cancel_ends_what_is_followed(toy):
    """Open items end as cancelled, no longer followed; nothing is aborted."""
    toy.simulator.begin_session("night", 2)
    await toy.submit("run", ["night"], kind="sessions")
    await toy.until(lambda: _has(toy, 3))
    await toy.store.advance.cancel("run", now=toy.clock.now())
    await toy.until_settled("run")
    assert {(item.state, item.detail) for item in (await toy.items()).values()} == {
        (ItemState.CANCELLED, "no longer followed")
    }
    assert toy.simulator.calls["POST tasks/abort"] == 0
