"""Jobs on the simulated Seven Bridges under the whole engine: main jobs, lost answers, kills, restored backups."""

import json

import pytest
from seven_bridges_work import NEVER, WORK, done, made, submit

from orchestrator.domain.model import BatchState
from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 86_400.0
MOST_COMMITS = 120
UNKNOWN = {
    "other": {
        "post_status": 200,
        "parent_end": "completed",
        "invalid_run": "refuse",
        "children_listed": True,
        "time_filter": "ignored",
        "list_lag": 30.0,
        "result_order": "shuffled",
        "pages_shift": True,
        "window": "sliding",
        "count_refused": True,
        "rate_headers": False,
    },
    "third": {"parent_end": "failed_if_any", "time_filter": "day", "rate_reset": "ms", "window": "fixed"},
}
"""What nobody outside knows of the platform, other than as the simulator starts."""
COPY_ONLY = {"options": b'{"copy_only": true}'}


def outcome(states, keys):
    """The states of these items: all but the second, which fails, are to succeed."""
    return [states[key] for key in keys] == ["succeeded", "failed", "succeeded"][: len(keys)]


@pytest.mark.parametrize("kind", WORK)
async def test_a_job_runs_to_its_end(lab, kind):
    """Each item once, and each in the state that its own end gives."""
    it, keys = await lab(), WORK[kind].keys
    await submit(it, "run", keys, kind=kind)
    await it.until_settled("run")
    assert outcome(await it.states(), keys)
    if kind != "updates":  # one that fails changes nothing, and leaves no trace
        assert made(it, WORK[kind].effect) == dict.fromkeys(keys, 1)


@pytest.mark.parametrize("setting", UNKNOWN)
@pytest.mark.parametrize("kind", WORK)
async def test_what_nobody_knows_of_the_platform_changes_no_result(lab, kind, setting):
    """Every knob that no client can prove, in its other settings, with a lost answer at the first submission."""
    it, keys = await lab(**UNKNOWN[setting]), WORK[kind].keys
    it.fault(FaultKind.RESET_AFTER, WORK[kind].operations[0], count=1)
    await submit(it, "run", keys, kind=kind)
    await it.until_settled("run", within=12 * HOUR)
    assert outcome(await it.states(), keys)
    assert all(count <= 1 for count in done(it, kind).values())


@pytest.mark.parametrize("kind", ["imports", "exports"])
async def test_a_retry_after_a_restart_is_sent_and_finds_no_earlier_failure(lab, kind):
    """What failed before is in the records: it is not taken for what a lost answer left behind."""
    it, keys = await lab(), WORK[kind].keys
    await submit(it, "run", keys, kind=kind)
    await it.until_settled("run")
    await it.restart()
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run")
    assert outcome(await it.states(), keys)
    assert made(it, WORK[kind].effect)[keys[1]] == 2


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


@pytest.mark.parametrize(("kind", "operation"), [(kind, op) for kind, work in WORK.items() for op in work.operations])
@pytest.mark.parametrize("fault", [FaultKind.RESET_AFTER, FaultKind.ERROR_AFTER, FaultKind.MALFORMED])
async def test_an_answer_that_was_lost_doubles_nothing(lab, kind, operation, fault):
    """It had its effect: it is found, or was harmless to send again."""
    it, keys = await lab(), ["a/s1", "a/s2"]
    it.fault(fault, operation, status=502, count=1)
    await submit(it, "run", keys, kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    states = await it.states()
    assert {key: states[key] for key in keys} == dict.fromkeys(keys, "succeeded")
    assert done(it, kind) == dict.fromkeys(keys, 1)


@pytest.mark.parametrize("kind", [kind for kind, work in WORK.items() if work.repeat != NEVER])
async def test_a_request_that_was_lost_is_sent_again(lab, kind):
    """It had no effect: two searches in vain show that, or it is harmless; it goes out once more."""
    it = await lab()
    it.fault(FaultKind.RESET, WORK[kind].operations[0], count=1)
    await submit(it, "run", ["a/s1"], kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert (await it.states())["a/s1"] == "succeeded"
    assert made(it, WORK[kind].effect) == {"a/s1": 1}


@pytest.mark.parametrize(("keys", "refusals"), [(["a/s1"], 1), (["a/s1", "a/s2"], 3)])
async def test_a_change_that_was_made_counts_though_its_repeat_is_refused(lab, keys, refusals):
    """The answer to the first send was lost. The files are as they were to become, and the operator reads so."""
    it = await lab()
    it.fault(FaultKind.RESET_AFTER, "bulk_edit_files", count=1)
    await submit(it, "run", keys, kind="updates")
    await it.until_state(BatchState.UNCONFIRMED)
    it.fault(FaultKind.ERROR, "bulk_edit_files", status=413, count=refusals)
    await it.until_settled("run", within=6 * HOUR)
    assert await it.states() == dict.fromkeys(keys, "succeeded")
    assert it.calls("bulk_edit_files") == 1 + refusals


async def test_a_change_that_was_not_made_fails_when_its_repeat_is_refused(lab):
    """The file is not as it was to become."""
    it = await lab()
    it.fault(FaultKind.RESET, "bulk_edit_files", count=1)
    it.fault(FaultKind.ERROR, "bulk_edit_files", status=413, count=1)
    await submit(it, "run", ["a/s1"], kind="updates")
    await it.until_settled("run", within=6 * HOUR)
    assert await it.states() == {"a/s1": "failed"}


async def test_a_copy_that_was_lost_waits_for_the_operator(lab):
    """Nothing shows that it was never made, and a second one would lie beside the first."""
    it = await lab()
    it.fault(FaultKind.RESET, "create_copy_job", count=1)
    await submit(it, "run", ["f1"], kind="copies")

    async def needs():
        return (await it.job()).needs == "blocked"

    await it.until(needs, within=6 * HOUR)
    assert made(it, "copy") == {}


@pytest.mark.parametrize("kind", ["moves", "deletions"])
async def test_the_job_of_another_batch_is_not_taken_for_a_lost_one(lab, kind):
    """Both have as many files, and the other one settled before the daemon was started again: the records know it."""
    it = await lab()
    it.fault(FaultKind.RESET, WORK[kind].operations[0], count=1)
    await submit(it, "first", ["f1"], kind=kind)
    await it.run_for(1.0)
    await submit(it, "second", ["f2"], kind=kind)
    await it.until_settled("second")
    await it.restart()
    await it.until_settled("first", within=6 * HOUR)
    assert (await it.states("first"), await it.states("second")) == ({"f1": "succeeded"}, {"f2": "succeeded"})
    assert made(it, WORK[kind].effect) == {"f1": 1, "f2": 1}


@pytest.mark.parametrize("kind", ["moves", "deletions"])
async def test_of_two_lost_batches_neither_takes_the_job_of_the_other(lab, kind):
    """One request was lost and one answer: the only job is that of the second, and the first is still to be done."""
    it = await lab()
    it.fault(FaultKind.RESET, WORK[kind].operations[0], count=1)
    it.fault(FaultKind.RESET_AFTER, WORK[kind].operations[0], count=1)
    await submit(it, "first", ["f1"], kind=kind)
    await it.run_for(1.0)
    await submit(it, "second", ["f2"], kind=kind)
    await it.until_settled("first", "second", within=12 * HOUR)
    assert (await it.states("first"), await it.states("second")) == ({"f1": "succeeded"}, {"f2": "succeeded"})
    assert made(it, WORK[kind].effect)["f1"] == 1


async def test_of_two_lost_copies_neither_takes_the_job_of_the_other(lab):
    """Nothing tells whose it is, so both wait for the operator, and none is made twice."""
    it = await lab()
    it.fault(FaultKind.RESET, "create_copy_job", count=1)
    it.fault(FaultKind.RESET_AFTER, "create_copy_job", count=1)
    await submit(it, "first", ["f1"], kind="copies")
    await it.run_for(1.0)
    await submit(it, "second", ["f2"], kind="copies")
    await it.run_for(6 * HOUR)
    assert {(await it.job(name)).needs for name in ("first", "second")} == {"blocked"}
    assert made(it, "copy") == {"f2": 1}


@pytest.mark.parametrize("kind", ["tasks", "batch_tasks", "imports", "moves", "updates", "drs", "runs"])
async def test_a_kill_after_any_transaction_doubles_nothing(lab, kind):
    """However far it came: the next life continues from there, and each item is run once.

    Exports are written by the code of imports, and deletions by that of moves: they die at the named points alone.
    """
    keys = WORK[kind].keys[:2]
    for commits in range(1, MOST_COMMITS):
        it = await lab(automation_tasks=1)
        await submit(it, "run", keys, kind=kind)
        it.kill_after(commits)
        killed = await it.killed_or(it.until_settled("run", within=6 * HOUR))
        await it.until_settled("run", within=6 * HOUR)
        assert outcome(await it.states(), keys)
        assert all(count <= 1 for count in done(it, kind).values())
        if not killed:
            break
    assert not killed


@pytest.mark.parametrize(
    ("kind", "again"), [*((kind, False) for kind in WORK), ("tasks", True), ("imports", True), ("runs", True)]
)
async def test_after_a_restored_backup_nothing_is_done_twice(lab, kind, again):
    """The backup is from before the first send; what was sent since is found. Once more after another restore."""
    it, keys = await lab(), WORK[kind].keys
    await submit(it, "run", keys, kind=kind)
    old = await it.backup()
    await it.until_settled("run")
    for _ in range(1 + again):
        it.suspend(60.0)
        await it.restore(old)
        await it.until_settled("run", within=6 * HOUR)
    assert outcome(await it.states(), keys)
    assert all(count <= 1 for count in done(it, kind).values())


@pytest.mark.parametrize("kind", WORK)
async def test_after_a_restored_backup_from_after_the_submission_all_ends_the_same(lab, kind):
    """The work was under way: it is followed again, from where the records are."""
    it, keys = await lab(), WORK[kind].keys
    await submit(it, "run", keys, kind=kind)

    async def under_way():
        return all(batch.sends and batch.state in {"tracking", "settled"} for batch in await it.batches())

    await it.until(under_way)
    old = await it.backup()
    await it.until_settled("run")
    await it.restore(old)
    await it.until_settled("run", within=6 * HOUR)
    assert outcome(await it.states(), keys)
    assert all(count <= 1 for count in done(it, kind).values())


@pytest.mark.parametrize("kind", ["tasks", "batch_tasks"])
async def test_after_a_restored_backup_from_between_draft_and_run_a_task_is_run_once(lab, kind):
    """The draft was known, and the run was not: the platform says that it is no draft any more."""
    it = await lab()
    await submit(it, "run", ["s1"], kind=kind)

    async def drafted():
        return (await it.batch()).step == 2

    await it.until(drafted)
    old = await it.backup()
    await it.until_settled("run")
    await it.restore(old)
    await it.until_settled("run", within=6 * HOUR)
    assert (made(it, "draft"), made(it, "run")) == ({"s1": 1}, {"s1": 1})
    assert (await it.states())["s1"] == "succeeded"


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("kind", ["tasks", "batch_tasks", "runs"])
async def test_what_is_dropped_again_after_the_database_was_lost_is_found(lab, kind, restored):
    """The marks follow from the name of the job: the same work is followed, and not done again.

    So it is after a restored backup from before the job was submitted.
    """
    it = await lab()
    old = await it.backup() if restored else None
    await submit(it, "run", ["s1"], kind=kind)
    await it.until_settled("run")
    await it.restore(old)
    await submit(it, "run", ["s1"], kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert made(it, WORK[kind].effect) == {"s1": 1}
    assert (await it.states())["s1"] == "succeeded"


@pytest.mark.parametrize("kind", ["imports", "exports"])
async def test_transfers_that_are_dropped_again_after_a_restore_are_not_made_twice(lab, kind):
    """They carry no mark. The platform says that the file is there: what put it there is found by its content."""
    it, keys = await lab(), ["a/s1", "a/s2"]
    old = await it.backup()
    await submit(it, "run", keys, kind=kind, **COPY_ONLY)
    await it.until_settled("run")
    await it.restore(old)
    await submit(it, "run", keys, kind=kind, **COPY_ONLY)
    await it.until_settled("run", within=6 * HOUR)
    assert await it.states() == dict.fromkeys(keys, "succeeded")
    assert all("which this one repeated" in item.detail for item in (await it.items()).values())
    assert done(it, kind) == dict.fromkeys(keys, 1)


@pytest.mark.parametrize(
    ("kind", "state", "times"),
    [
        ("copies", "succeeded", 2),
        ("moves", "succeeded", 2),
        ("deletions", "failed", 2),
        ("updates", "succeeded", 1),
        ("drs", "succeeded", 1),
    ],
)
async def test_work_on_files_that_is_dropped_again_after_the_database_was_lost(lab, kind, state, times):
    """It carries no mark that a later name could lead to: a copy is made again; all else changes nothing more."""
    it = await lab()
    await submit(it, "run", ["a/s1"], kind=kind)
    await it.until_settled("run")
    await it.restore(None)
    await submit(it, "run", ["a/s1"], kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert await it.states() == {"a/s1": state}
    assert done(it, kind) == {"a/s1": times}


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


@pytest.mark.parametrize(("kind", "things"), [("tasks", "tasks"), ("batch_tasks", "tasks"), ("runs", "runs")])
async def test_a_batch_that_was_adopted_settles(lab, kind, things):
    """It has no status of its own, and waits for none: its item says all."""
    it, key = await lab(), WORK[kind].keys[0]
    it.fault(FaultKind.RESET_AFTER, WORK[kind].operations[-1], count=1)
    await submit(it, "run", [key], kind=kind)
    await it.until_state(BatchState.UNCONFIRMED)
    remote_id = next(iter(getattr(it.simulator._world, things)))
    await it.store.advance.adopt("run", 1, remote_id, now=it.clock.now())
    await it.until_settled("run")
    assert (await it.states())[key] == "succeeded"
