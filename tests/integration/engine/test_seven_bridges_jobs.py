"""Jobs on the simulated Seven Bridges under the whole engine: main jobs, lost answers, kills, restored backups."""

import json

import pytest
from platform_setups import SEVEN_BRIDGES

from orchestrator.platforms.registry import KINDS
from orchestrator.simulator import FaultKind

HOUR = 3600.0
MOST_COMMITS = 80
SIZES = {"tasks": 1, "batch_tasks": 1, "runs": 1}


@pytest.fixture
def lab(world):
    """Starts worlds on Seven Bridges."""

    async def build(**given):
        return await world(setup=SEVEN_BRIDGES, **given)

    return build


async def submit(it, name, keys, *, kind="tasks", **spec):
    """A job of this kind, in batches of the size that its calls take."""
    declared = KINDS[SEVEN_BRIDGES.kinds[kind]]
    size = {"batch_size": SIZES.get(kind, 100), "first_stage": declared.first_stage}
    await it.submit(name, keys, kind=kind, **(size | spec))


def made(it, effect):
    """How often each name met this effect; the mark in the name of a run is left out."""
    counted = {}
    for (kind, name), count in it.simulator.truth.made().items():
        if kind == effect:
            plain = name.partition(" (orc-batch=")[0]
            counted[plain] = counted.get(plain, 0) + count
    return counted


MAIN = {
    "tasks": (["s1", "s2-fail", "s3-flip"], "run"),
    "imports": (["run/f1", "run/f2-fail", "run/f3"], "import"),
    "copies": (["f1", "f2-fail", "f3"], "copy"),
    "moves": (["f1", "f2-fail", "f3"], "move"),
    "deletions": (["f1", "f2-fail", "f3"], "delete"),
    "runs": (["r1", "r2-fail", "r3"], "automation_run"),
}


@pytest.mark.parametrize("kind", MAIN)
async def test_a_job_runs_to_its_end(lab, kind):
    """Each item once, and each in the state that its own end gives."""
    it = await lab()
    keys, effect = MAIN[kind]
    await submit(it, "run", keys, kind=kind)
    await it.until_settled("run")
    states = await it.states()
    assert {key: states[key] for key in keys} == dict(zip(keys, ["succeeded", "failed", "succeeded"], strict=True))
    assert made(it, effect) == dict.fromkeys(keys, 1)


async def test_changes_of_files_need_no_poll(lab):
    """The answer has everything: the job settles with it."""
    it = await lab()
    await submit(it, "run", ["f1", "f2-fail"], kind="updates")
    await it.until_settled("run")
    assert await it.states() == {"f1": "succeeded", "f2-fail": "failed"}
    assert it.calls("bulk_edit_files") == 1


async def test_items_refused_in_the_answer_cost_no_other(lab):
    """One is refused for good; one is declined for the moment, and sent again in a batch of its own."""
    it = await lab()
    it.fault(FaultKind.QUIRK, "bulk_create_imports", quirk="row_error", count=1)
    keys = ["run/f1", "run/f2-bad", "run/f3", "run/f4", "run/f5"]
    await submit(it, "run", keys, kind="imports")
    await it.until_settled("run")
    assert list((await it.states()).values()) == ["succeeded", "failed", "succeeded", "succeeded", "succeeded"]
    assert made(it, "import") == dict.fromkeys(["run/f1", "run/f3", "run/f4", "run/f5"], 1)


LOST = {
    "tasks": ["create_task", "run_task"],
    "imports": ["bulk_create_imports"],
    "copies": ["create_copy_job"],
    "moves": ["create_move_job"],
    "runs": ["create_automation_run"],
}


@pytest.mark.parametrize(("kind", "operation"), [(kind, each) for kind, some in LOST.items() for each in some])
@pytest.mark.parametrize("fault", [FaultKind.RESET_AFTER, FaultKind.ERROR_AFTER, FaultKind.MALFORMED])
async def test_an_answer_that_was_lost_doubles_nothing(lab, kind, operation, fault):
    """It had its effect: it is found, and not sent again."""
    it = await lab()
    keys, effect = ["s1", "s2"], MAIN[kind][1]
    it.fault(fault, operation, status=502, count=1)
    await submit(it, "run", keys, kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    states = await it.states()
    assert {key: states[key] for key in keys} == dict.fromkeys(keys, "succeeded")
    assert made(it, effect) == dict.fromkeys(keys, 1)


@pytest.mark.parametrize("kind", ["tasks", "imports", "moves", "runs"])
async def test_a_request_that_was_lost_is_sent_again(lab, kind):
    """It had no effect: two searches in vain show that, and it goes out under another key."""
    it = await lab()
    keys, effect = ["s1"], MAIN[kind][1]
    it.fault(FaultKind.RESET, LOST[kind][0], count=1)
    await submit(it, "run", keys, kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert made(it, effect) == {"s1": 1}


async def test_a_copy_that_was_lost_waits_for_the_operator(lab):
    """Nothing shows that it was never made, and a second one would lie beside the first."""
    it = await lab()
    it.fault(FaultKind.RESET, "create_copy_job", count=1)
    await submit(it, "run", ["f1"], kind="copies")

    async def needs():
        return (await it.job()).needs == "blocked"

    await it.until(needs, within=6 * HOUR)
    assert made(it, "copy") == {}


@pytest.mark.parametrize("kind", ["tasks", "imports", "moves", "runs"])
async def test_a_kill_after_any_transaction_doubles_nothing(lab, kind):
    """However far it came: the next life goes on from there, and each item is run once."""
    keys, effect = ["s1", "s2-fail"], MAIN[kind][1]
    for commits in range(1, MOST_COMMITS):
        it = await lab()
        await submit(it, "run", keys, kind=kind)
        it.kill_after(commits)
        killed = await it.killed_or(it.until_settled("run", within=6 * HOUR))
        await it.until_settled("run", within=6 * HOUR)
        states = await it.states()
        assert (made(it, effect), states["s1"], states["s2-fail"]) == (dict.fromkeys(keys, 1), "succeeded", "failed")
        if not killed:
            break
    assert not killed


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("kind", ["tasks", "imports", "runs"])
async def test_after_a_restored_backup_nothing_is_done_twice(lab, kind, again):
    """The backup is from before the first send; what was sent since is found. Once more after another restore."""
    it = await lab()
    keys, effect = ["s1", "s2"], MAIN[kind][1]
    await submit(it, "run", keys, kind=kind)
    old = await it.backup()
    await it.until_settled("run")
    for _ in range(1 + again):
        it.suspend(60.0)
        await it.restore(old)
        await it.until_settled("run", within=6 * HOUR)
    states = await it.states()
    assert {key: states[key] for key in keys} == dict.fromkeys(keys, "succeeded")
    assert made(it, effect) == dict.fromkeys(keys, 1)


async def test_after_a_restored_backup_from_between_draft_and_run_a_task_is_run_once(lab):
    """The draft was known, and the run was not: the platform says that it is no draft any more."""
    it = await lab()
    await submit(it, "run", ["s1"])

    async def drafted():
        return (await it.batch()).step == 2

    await it.until(drafted)
    old = await it.backup()
    await it.until_settled("run")
    await it.restore(old)
    await it.until_settled("run", within=6 * HOUR)
    assert (made(it, "draft"), made(it, "run"), await it.states()) == ({"s1": 1}, {"s1": 1}, {"s1": "succeeded"})


@pytest.mark.parametrize("kind", ["tasks", "runs"])
async def test_what_is_dropped_again_after_the_database_was_lost_is_found(lab, kind):
    """The marks follow from the name of the job: the same work is followed, and not done again."""
    it = await lab()
    await submit(it, "run", ["s1"], kind=kind)
    await it.until_settled("run")
    await it.lose_database()
    await submit(it, "run", ["s1"], kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert made(it, MAIN[kind][1]) == {"s1": 1}


async def test_a_cancelled_job_stops_its_tasks(lab):
    """What runs is aborted; what was not sent is not."""
    it = await lab(open_items=2)
    await submit(it, "run", ["s1-slow", "s2-slow", "s3-slow"])
    await it.run_for(60.0)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run")
    assert sorted((await it.states()).values()) == ["aborted", "aborted", "cancelled"]
    assert len(made(it, "run")) == 2


async def test_a_maintenance_rests_the_account(lab):
    """503 with code 0: nothing was done, nothing else is sent meanwhile, and the work goes on by itself."""
    it = await lab()
    it.fault(FaultKind.QUIRK, "*", quirk="maintenance", lasts=900.0)
    await submit(it, "run", ["s1", "s2"])
    await it.run_for(850.0)
    assert it.answers(503) <= 4
    await it.until_settled("run")
    assert made(it, "run") == {"s1": 1, "s2": 1}


@pytest.mark.parametrize("knobs", [{"rate_reset": "ms"}, {"rate_headers": False}, {"elsewhere": 20}])
async def test_the_budget_of_the_platform_is_kept(lab, knobs):
    """Its headers in seconds, in milliseconds or missing; other programs spend of it too."""
    it = await lab(budget=60, **knobs)
    await submit(it, "run", [f"s{number}" for number in range(40)])
    await it.until_settled("run", within=24 * HOUR)
    assert len(made(it, "run")) == 40
    if "elsewhere" not in knobs:
        assert it.answers(429) == 0


async def test_a_batch_task_ends_after_its_children(lab):
    """They become items of the job; the job counts them in the place of their parent."""
    it = await lab()
    await submit(it, "run", ["cohort"], kind="batch_tasks")
    await it.until_settled("run")
    items = await it.items()
    assert items["cohort"].state == "succeeded"
    assert [item.parent for item in items.values() if item.key != "cohort"] == [1, 1, 1]
    assert (await it.job()).counts == {"succeeded": 3}
    assert json.loads(items["cohort"].facts)["execution_status"]["completed"] == 3
