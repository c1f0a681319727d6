"""Runs of automations of the adapter against the simulated Seven Bridges."""

import json
from dataclasses import replace

import pytest

from orchestrator.domain.model import ItemState
from orchestrator.simulator import FaultKind


def run(name, **more):
    return {"name": name, "package": "lab/rheo/1", "inputs": {"project": "lab/cohort"}} | more


async def test_runs_are_followed_to_their_ends(lab):
    """Each in the state of its own status, its outputs among the facts; unknown statuses end nothing."""
    for name in ["r1", "r2-fail", "r3-abort", "r4-odd"]:
        await lab.submit("automation_run", run(name))
    await lab.finish()
    assert list(lab.states().values()) == ["succeeded", "failed", "aborted", "succeeded"]
    assert json.loads(lab.item("r1").facts) == {"outputs": {"report": "done"}}
    assert lab.item("r2-fail").detail == "The run failed."
    assert set(lab.made("automation_run").values()) == {1}
    assert lab.contradictions == lab.unknown_objects == []


async def test_the_tasks_of_a_run_are_found_and_end_before_it(lab):
    """Also those that nobody saw before the run had ended."""
    await lab.submit("automation_run", run("r1"))
    await lab.clock.advance(3600)
    await lab.poll()
    assert lab.states() == {"r1": "running"}
    assert len(lab.found()) == 2
    await lab.finish()
    assert lab.states() == {"r1": "succeeded"}
    assert {item.state for item in lab.found()} == {ItemState.SUCCEEDED}


async def test_the_tasks_of_a_run_are_found_while_the_rows_of_their_pages_move(make_lab):
    """Each page shows some rows of the one before, so that none is missed at a boundary."""
    lab = make_lab(page_size=7, pages_shift=True, automation_tasks=20)
    await lab.submit("automation_run", run("nightly"))
    await lab.finish()
    assert len({item.remote_id for item in lab.found()}) == len(lab.found()) == 20


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_run_whose_answer_was_lost_is_found_by_its_name(lab, restarted):
    """The name carries the batch's key, so a run of the same name is another; it is followed, and made once."""
    await lab.submit("automation_run", run("r1"), job="other")
    lab.fault(FaultKind.RESET_AFTER, "create_automation_run")
    lost = await lab.lose(lab.plan("automation_run", run("r1")))
    if restarted:
        lab.restart()
    lab.take(lost, await lab.platform.reconcile(lost))
    await lab.finish()
    assert lab.items["run", 1].state is ItemState.SUCCEEDED
    assert list(lab.made("automation_run").values()) == [1, 1]


async def test_a_run_that_was_never_made_is_not_found(lab):
    """The request was lost, not the answer."""
    lab.fault(FaultKind.RESET, "create_automation_run")
    lost = await lab.lose(lab.plan("automation_run", run("r1")))
    assert (await lab.platform.reconcile(lost)).items == ()


async def test_two_runs_of_one_request_wait_for_the_operator(lab):
    """A gateway sent it twice: both run, and both are named."""
    lab.fault(FaultKind.QUIRK, "create_automation_run", quirk="made_twice")
    batch = lab.composed(lab.plan("automation_run", run("r1")))
    await lab.platform.submit(batch)
    (report,) = (await lab.platform.reconcile(batch)).items
    assert (report.state, report.key) == (ItemState.ATTENTION, "r1")
    assert all(made in report.detail for made in lab.simulator._world.runs)


async def test_a_run_is_stopped_with_its_tasks(lab):
    """By `abort`, as the job's cancellation asks."""
    batch = await lab.submit("automation_run", run("r1-slow"))
    await lab.clock.advance(50)
    await lab.poll()
    await lab.platform.abort(batch, lab.item("r1-slow"))
    await lab.finish()
    assert lab.states() == {"r1-slow": "aborted"}
    assert {item.state for item in lab.found()} == {ItemState.ABORTED}


async def test_an_adopted_run_is_followed_by_the_id_of_its_batch(lab):
    """The operator named it: its item has no id of its own yet."""
    other = await lab.submit("automation_run", run("r1"), job="by hand")
    batch = replace(lab.plan("automation_run", run("r2")), state=other.state, remote_id=other.remote_id)
    lab.batches[batch.key] = batch
    await lab.finish()
    assert lab.items["run", 1].remote_id == other.remote_id


async def test_the_tasks_of_a_run_that_is_found_after_its_end_are_found_too(lab):
    """The answer was lost, and the run had ended when it was found: its tasks are listed before it ends here."""
    lab.fault(FaultKind.RESET_AFTER, "create_automation_run")
    lost = await lab.lose(lab.plan("automation_run", run("nightly")))
    await lab.clock.advance(3600)
    lab.take(lost, await lab.platform.reconcile(lost))
    await lab.finish()
    assert (len(lab.found()), lab.states()) == (2, {"nightly": "succeeded"})
