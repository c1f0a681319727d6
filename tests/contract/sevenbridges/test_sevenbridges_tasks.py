"""Tasks of the adapter against the simulated Seven Bridges: drafted, found again, run once, followed to their ends."""

import json
from contextlib import nullcontext
from dataclasses import replace

import pytest

from orchestrator.domain.errors import Missing, Refused, Transient, Unconfirmed
from orchestrator.domain.model import BatchState, ItemState
from orchestrator.simulator import FaultKind

APP = "lab/cohort/align"
KNOBS = [{"post_status": 200}, {"invalid_run": "refuse", "time_filter": "day"}, {"time_filter": "ignored"}]
"""What nobody outside knows of the platform."""


def task(name, **more):
    return {"name": name, "app": APP, "inputs": {"reads": [{"class": "File", "path": "f1"}]}} | more


def batch_task(name, *files):
    reads = [{"class": "File", "path": file} for file in files]
    return task(name, inputs={"reads": reads}, batch_input="reads", batch_by={"type": "item"})


@pytest.mark.parametrize("knobs", KNOBS)
async def test_tasks_are_run_once_and_followed_to_their_ends(make_lab, knobs):
    """Each in the state that its own end gives; QUEUED after RUNNING and unknown statuses end nothing."""
    lab = make_lab(**knobs)
    names = ["s1", "s2-fail", "s3-abort", "s4-flip", "s5-odd"]
    for name in names:
        await lab.submit("task", task(name))
    await lab.finish()
    assert list(lab.states().values()) == ["succeeded", "failed", "aborted", "succeeded", "succeeded"]
    assert lab.made("run") == dict.fromkeys(names, 1)
    assert lab.contradictions == lab.unknown_objects == []


async def test_a_task_keeps_the_name_that_it_was_given(lab):
    """Our mark goes behind the description, which stays readable."""
    batch = await lab.step(lab.plan("task", task("cohort 7, s1", description="First of the cohort.")))
    (drafted,) = lab.simulator._world.tasks.values()
    assert drafted.name == "cohort 7, s1"
    text, _, mark = drafted.asked["description"].partition("\n\n")
    assert (text, mark) == ("First of the cohort.", f"orc-batch={batch.key} orc-instance=lab orc-item=1")


async def test_a_draft_is_known_before_it_is_run(lab):
    """The first answer gives its id and ends nothing; the item stays pending, and nothing was run."""
    batch = await lab.step(lab.plan("task", task("s1")))
    item = lab.item("s1")
    assert (batch.state, batch.step, item.state, item.status) == (
        BatchState.PLANNED,
        2,
        ItemState.PENDING,
        "DRAFT",
    )
    assert item.remote_id is not None
    assert (lab.made("draft"), lab.made("run")) == ({"s1": 1}, {})


async def test_what_a_task_cost_and_made_is_kept_with_its_end(lab):
    """Price, outputs and execution status, as the platform gives them; the reason of a failure in `detail`."""
    await lab.submit("task", task("s1"))
    await lab.submit("task", task("s2-fail"))
    await lab.finish()
    facts = json.loads(lab.item("s1").facts)
    assert facts["price"] == {"currency": "USD", "amount": 0.42}
    assert facts["outputs"]["report"]["name"] == "s1.html"
    assert facts["execution_status"]["steps_total"] == 1
    assert lab.item("s2-fail").detail.startswith("9001: Task failed")


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("knobs", [*KNOBS, {"pages_shift": True}])
async def test_a_draft_whose_answer_was_lost_is_found_by_its_mark(make_lab, knobs, restarted):
    """Among others on several pages, by this process and by the next; it is run, and no second draft is made."""
    lab = make_lab(page_size=20, **knobs)
    for number in range(50):
        await lab.step(lab.plan("task", task(f"other{number}"), job="other"))
    lab.fault(FaultKind.RESET_AFTER, "create_task")
    lost = await lab.lose(lab.plan("task", task("s1")))
    if restarted:
        lab.restart()
    found = await lab.platform.reconcile(lost)
    assert found.more
    assert [report.seq for report in found.items] == [1]
    await lab.send(lab.take(lost, found))
    assert (lab.made("draft")["s1"], lab.made("run")["s1"]) == (1, 1)


async def test_a_draft_that_was_never_made_is_not_found(lab):
    """The request was lost, not the answer; another task of the same name is none of ours."""
    await lab.submit("task", task("s1"), job="other")
    lab.fault(FaultKind.RESET, "create_task")
    lost = await lab.lose(lab.plan("task", task("s1")))
    assert (await lab.platform.reconcile(lost)).items == ()


async def test_a_run_whose_answer_was_lost_is_asked_for_again(lab):
    """The platform refuses to run what is no draft (7007), and that is the answer: it runs, once."""
    drafted = await lab.step(lab.plan("task", task("s1")))
    lab.fault(FaultKind.RESET_AFTER, "run_task")
    lost = await lab.lose(drafted)
    tracked = await lab.send(lost)
    assert tracked.state is BatchState.TRACKING
    assert lab.item("s1").state in {ItemState.SUBMITTED, ItemState.RUNNING}
    await lab.finish()
    assert (lab.made("draft"), lab.made("run"), lab.states()) == ({"s1": 1}, {"s1": 1}, {"s1": "succeeded"})


@pytest.mark.parametrize(
    ("kind", "status"), [(FaultKind.ERROR, 400), (FaultKind.ERROR, 401), (FaultKind.MALFORMED, 200)]
)
async def test_a_run_that_is_confirmed_by_a_read_that_fails_is_in_doubt(lab, kind, status):
    """The error is that of the read: the run was neither refused nor without effect."""
    drafted = await lab.step(lab.plan("task", task("s1")))
    lab.fault(FaultKind.RESET_AFTER, "run_task")
    lost = await lab.lose(drafted)
    lab.fault(kind, "get_task", status=status)
    with pytest.raises(Unconfirmed):
        await lab.platform.submit(lab.composed(lost))


async def test_a_draft_that_was_deleted_is_made_anew(lab):
    """Only a draft can be deleted, so nothing ran: the refusal says that it is missing, and so does a search."""
    drafted = lab.composed(await lab.step(lab.plan("task", task("s1"))))
    lab.simulator._world.tasks.clear()
    with pytest.raises(Missing):
        await lab.platform.submit(drafted)
    assert (await lab.platform.reconcile(drafted)).items == ()


@pytest.mark.parametrize("html", [True, False])
async def test_only_the_platforms_own_7002_says_that_a_draft_is_gone(lab, html):
    """A gateway that finds no service answers 404 too: what was run a moment ago must not be drafted again."""
    drafted = await lab.step(lab.plan("task", task("s1")))
    lab.fault(FaultKind.ERROR, "run_task", status=404, html=html)
    with pytest.raises(Transient if html else Missing):
        await lab.platform.submit(lab.composed(drafted))
    lab.fault(FaultKind.ERROR, "get_task", status=404, html=html)
    with pytest.raises(Transient) if html else nullcontext():
        assert (await lab.platform.reconcile(replace(drafted, cancelled=True))).items == ()


async def test_a_cancelled_draft_is_deleted_before_a_late_run_can_reach_it(lab):
    """The run was lost on its way; once the draft is gone it has nothing to run."""
    drafted = await lab.step(lab.plan("task", task("s1")))
    lab.fault(FaultKind.RESET, "run_task")
    lost = replace(await lab.lose(drafted), cancelled=True)
    assert (await lab.platform.reconcile(lost)).items == ()
    assert (lab.made("draft_deleted"), lab.made("run")) == ({"s1": 1}, {})


async def test_a_cancelled_task_that_ran_is_found_and_can_be_stopped(lab):
    """The run had its effect: it is reported, and aborted like any other."""
    drafted = await lab.step(lab.plan("task", task("s1-slow")))
    lab.fault(FaultKind.RESET_AFTER, "run_task")
    lost = replace(await lab.lose(drafted), cancelled=True)
    tracked = lab.take(lost, await lab.platform.reconcile(lost))
    await lab.platform.abort(tracked, lab.item("s1-slow"))
    await lab.finish()
    assert lab.states() == {"s1-slow": "aborted"}
    with pytest.raises(Refused):
        await lab.platform.abort(tracked, lab.item("s1-slow"))


@pytest.mark.parametrize("before", ["draft", "run", "end"])
async def test_after_a_restored_backup_a_task_is_run_once(lab, before):
    """The records are those from before the draft, the run, or the first poll; the platform is ahead of them."""
    planned = lab.plan("task", task("s1"))
    records = [(planned, dict(lab.items))]
    drafted = await lab.step(planned)
    records.append((drafted, dict(lab.items)))
    records.append((await lab.step(drafted), dict(lab.items)))
    batch, lab.items = records[["draft", "run", "end"].index(before)]
    lab.batches = {batch.key: batch}
    lab.restart()
    if batch.step == 1:
        found = await lab.platform.reconcile(replace(batch, submission=lab.platform.compose(batch, lab.of(batch))))
        lab.take(batch, found)
    elif batch.state is BatchState.PLANNED:
        await lab.send(batch)
    await lab.finish()
    assert (lab.made("draft"), lab.made("run"), lab.states()) == ({"s1": 1}, {"s1": 1}, {"s1": "succeeded"})


async def test_a_task_of_an_earlier_process_is_found_as_it_is_now(lab):
    """The list of its project is read once, of which only ids are kept: the task may have been run since."""
    planned = [lab.plan("task", task(name)) for name in ("s1", "s2")]
    drafted = [await lab.step(batch) for batch in planned]
    lab.restart()
    unsent = [replace(batch, submission=lab.platform.compose(batch, lab.of(batch))) for batch in planned]
    first = await lab.platform.reconcile(unsent[0])
    await lab.platform._session.stop("POST", f"/tasks/{drafted[1].remote_id}/actions/run", "tasks/run")
    second = await lab.platform.reconcile(unsent[1])
    assert [(found.more, found.remote_id) for found in (first, second)] == [
        (True, drafted[0].remote_id),
        (False, drafted[1].remote_id),
    ]


async def test_a_task_listed_twice_is_the_one_that_ran(lab):
    """A gateway repeated the draft: one of the two was run, and the other stays a draft that nobody runs."""
    lab.fault(FaultKind.QUIRK, "create_task", quirk="made_twice")
    drafted = await lab.step(lab.plan("task", task("s1")))
    lost = replace(drafted, step=1, remote_id=None, first_sent_at=lab.clock.now())
    await lab.send(drafted)
    found = await lab.platform.reconcile(lost)
    assert (found.more, found.remote_id) == (False, drafted.remote_id)
    assert (lab.made("draft"), lab.made("run")) == ({"s1": 2}, {"s1": 1})


async def test_two_tasks_that_both_ran_wait_for_the_operator(lab):
    """Neither is taken for ours in silence; the detail names both."""
    lab.fault(FaultKind.QUIRK, "create_task", quirk="made_twice")
    drafted = await lab.step(lab.plan("task", task("s1")))
    lost = replace(drafted, step=1, remote_id=None, first_sent_at=lab.clock.now())
    for draft in list(lab.simulator._world.tasks.values()):
        await lab.platform._session.stop("POST", f"/tasks/{draft.id}/actions/run", "tasks/run")
    (report,) = (await lab.platform.reconcile(lost)).items
    assert (report.state, report.seq, report.remote_id) == (ItemState.ATTENTION, 1, None)
    assert all(draft.id in report.detail for draft in lab.simulator._world.tasks.values())


@pytest.mark.parametrize("knobs", [{"invalid_run": "errors"}, {"invalid_run": "refuse"}])
async def test_a_task_that_cannot_be_run_fails_with_the_platforms_text(make_lab, knobs):
    """Whether the platform refuses the run or answers with errors."""
    lab = make_lab(**knobs)
    drafted = await lab.step(lab.plan("task", task("s1-invalid")))
    with pytest.raises(Refused) as refused:
        await lab.step(drafted)
    assert (refused.value.status, "Required input" in str(refused.value) or "validation" in str(refused.value)) == (
        400,
        True,
    )
    assert lab.made("run") == {}


async def test_errors_of_a_run_that_was_lost_before_fail_the_item(lab):
    """Sent again after a lost answer, the errors come with the receipt: the batch is accepted, its item failed."""
    drafted = await lab.step(lab.plan("task", task("s1-invalid")))
    lab.fault(FaultKind.RESET_AFTER, "run_task")
    lost = await lab.lose(drafted)
    await lab.send(lost)
    assert lab.states() == {"s1-invalid": "failed"}
    assert lab.item("s1-invalid").detail == "7012: Required input 'reference' is missing."


@pytest.mark.parametrize("end", ["completed", "failed_if_any", "failed_if_all"])
@pytest.mark.parametrize(
    ("files", "state"),
    [(["a", "b"], "succeeded"), (["a", "b-fail"], "partial"), (["a-fail", "b-fail"], "failed")],
)
async def test_a_batch_task_ends_by_what_became_of_its_children(make_lab, files, state, end):
    """They are found, followed like other items, and end before it, whatever status the platform gives their parent."""
    lab = make_lab(parent_end=end)
    await lab.submit("task", batch_task("cohort", *files))
    await lab.finish()
    assert lab.states() == {"cohort": state}
    assert sorted(item.state for item in lab.found()) == sorted(
        "failed" if "fail" in file else "succeeded" for file in files
    )
    assert {item.parent for item in lab.found()} == {lab.item("cohort").seq}
    assert lab.made("run") == {"cohort": 1}


@pytest.mark.parametrize("listed", [False, True])
async def test_many_children_are_found_on_several_pages(make_lab, listed):
    """All of them, each once; some of the pages lack a row at first."""
    lab = make_lab(page_size=20, children_listed=listed)
    lab.fault(FaultKind.QUIRK, "list_tasks", quirk="row_vanishes", count=2)
    await lab.submit("task", batch_task("cohort", *(f"f{number}" for number in range(75))))
    await lab.finish()
    assert len({item.remote_id for item in lab.found()}) == len(lab.found()) == 75
    assert lab.states() == {"cohort": "succeeded"}


async def test_children_are_found_while_the_rows_of_their_pages_move(make_lab):
    """Each page shows some rows of the one before: none is missed at a boundary, and none becomes two items."""
    lab = make_lab(page_size=7, pages_shift=True)
    await lab.submit("task", batch_task("cohort", *(f"f{number}" for number in range(20))))
    await lab.finish()
    assert len({item.remote_id for item in lab.found()}) == len(lab.found()) == 20
    assert lab.states() == {"cohort": "succeeded"}


async def test_a_parent_does_not_end_before_its_children_are_known(lab):
    """The first poll meets it completed, with children that nobody has seen: they come first."""
    await lab.submit("task", batch_task("cohort", "a", "b-fail"))
    await lab.clock.advance(3600)
    await lab.poll()
    assert lab.states() == {"cohort": "running"}
    assert len(lab.found()) == 2
    await lab.finish()
    assert lab.states() == {"cohort": "partial"}


async def test_a_sweep_costs_one_request_for_a_hundred_tasks(lab):
    """Whatever batches they are in: 250 tasks are three requests."""
    for number in range(250):
        await lab.submit("task", task(f"s{number}"))
    await lab.poll()
    assert lab.calls("bulk_get_tasks") == 3


@pytest.mark.parametrize("quirk", ["row_error", "row_vanishes", "shuffled"])
async def test_an_odd_row_costs_itself_for_one_poll(lab, quirk):
    """A row with an error, a row that is missing, rows in another order: the others are reported, and it is next."""
    for number in range(5):
        await lab.submit("task", task(f"s{number}"))
    await lab.clock.advance(600)
    lab.fault(FaultKind.QUIRK, "bulk_get_tasks", quirk=quirk)
    await lab.poll()
    assert sum(state == "succeeded" for state in lab.states().values()) == (5 if quirk == "shuffled" else 4)
    assert await lab.finish() == 1
    assert set(lab.states().values()) == {"succeeded"}


async def test_an_adopted_task_is_followed_by_the_id_of_its_batch(lab):
    """The operator named it: its item has no id of its own yet."""
    other = await lab.submit("task", task("s1"), job="by hand")
    batch = replace(lab.plan("task", task("s1-again")), state=BatchState.TRACKING, remote_id=other.remote_id)
    lab.batches[batch.key] = batch
    await lab.finish()
    assert lab.item("s1-again").remote_id == other.remote_id


async def test_children_that_no_list_shows_yet_are_waited_for(make_lab):
    """The platform counts them, and its lists are minutes behind: the parent does not end without them."""
    lab = make_lab(list_lag=600.0)
    await lab.submit("task", batch_task("cohort", "a", "b-fail"))
    await lab.finish()
    assert len(lab.found()) == 2
    assert lab.states() == {"cohort": "partial"}


async def test_the_children_of_a_batch_task_that_is_found_after_its_end_are_found_too(lab):
    """The answer to the run was lost: the repeat meets a task that has ended, and its children follow."""
    drafted = await lab.step(lab.plan("task", batch_task("cohort", "a", "b-fail")))
    lab.fault(FaultKind.RESET_AFTER, "run_task")
    lost = await lab.lose(drafted)
    await lab.clock.advance(3600)
    await lab.send(lost)
    await lab.finish()
    assert (len(lab.found()), lab.states()) == (2, {"cohort": "partial"})
