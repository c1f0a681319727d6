"""Lists of Seven Bridges that never end: each page costs a request, so few are read."""

from dataclasses import replace

import msgspec
import pytest
from planned_batch import planned_batch

from orchestrator.domain.model import CREATION, BatchId, BatchKey, BatchState, Item, ItemState
from orchestrator.platforms.pages import EndlessListingError
from orchestrator.platforms.sevenbridges import stages, wire
from orchestrator.platforms.sevenbridges.protocol.listing import pages
from orchestrator.platforms.sevenbridges.tasks.automations import Automations
from orchestrator.platforms.sevenbridges.tasks.task_polls import TaskPolls
from orchestrator.platforms.sevenbridges.tasks.task_search import TaskSearch

NEXT = [{"rel": "next", "href": "x"}]
COUNTED = {"queued": 0, "running": 9, "completed": 0, "failed": 0, "aborted": 0}


def page(*ids, more=True):
    return {"items": [{"id": each, "status": "RUNNING"} for each in ids], "links": NEXT if more else []}


def unsent():
    return planned_batch(
        job="run",
        number=1,
        items=1,
        id=BatchId("b1"),
        account="sb",
        project="lab/cohort",
        kind="sevenbridges.task",
        key=BatchKey("k1"),
        first_stage=CREATION,
    )


def tracked(task_id):
    """A batch of one item, which the platform knows as this."""
    batch = replace(unsent(), state=BatchState.TRACKING, remote_id=task_id)
    item = Item(
        job=batch.job,
        seq=1,
        key="align S1",
        batch=batch.number,
        stage=stages.TASK,
        state=ItemState.RUNNING,
        status="RUNNING",
        remote_id=task_id,
        detail=None,
    )
    return batch, item


async def sweep(ask, poll):
    """All pages of a poll; returns its reports and the requests it took."""
    reports, requests = [], 0
    while poll is not None:
        result = await ask(poll)
        requests += 1
        assert requests < 50, "the list never ends"
        reports += result.observations
        poll = result.next
    return reports, requests


@pytest.mark.parametrize("again", [page("t1", "t2"), page()])
async def test_a_list_that_repeats_itself_is_refused(script, session, again):
    """Whatever place is asked for: nothing follows from what was not found in it."""
    script.say("tasks/list", page("t1", "t2"), again)
    with pytest.raises(EndlessListingError, match=r"/tasks does not end"):
        async for _ in pages(session(), "/tasks", "tasks/list", params={}, reader=wire.TASKS, size=2):
            pass
    assert len([call for call in script.calls if call.route == "tasks/list"]) == 4


async def test_a_search_in_such_a_list_finds_nothing_out(script, session):
    """It is refused: "not there" would have the batch sent again."""
    script.say("tasks/list", page("t1", "t2"))
    with pytest.raises(EndlessListingError):
        await TaskSearch(session(), "lab", 2).reconcile(unsent())


async def test_children_that_are_listed_in_circles_cost_few_requests(script, session, clock):
    """What a page shows is taken; a page that came three times before ends the list, and others have their turn."""
    row = {"id": "p1", "status": "RUNNING", "batch": True, "execution_status": COUNTED}
    script.say("bulk/tasks/get", {"items": [{"resource": row}]})
    script.say("tasks/children", *[page("c1", "c2"), page("c3")] * 3, page("c1", "c2"))
    tasks = TaskPolls(session(), 2, clock)
    batch, item = tracked("p1")
    [poll] = tasks.of([batch], "task/get")
    reports, requests = await sweep(tasks.ask, replace(poll, named=(item,)))
    assert requests == 1 + 3 + 4
    assert {report.key for report in reports} == {"align S1", "c1", "c2", "c3"}


async def test_tasks_of_a_run_that_are_listed_in_circles_cost_few_requests(script, session, clock):
    """The run itself is polled as before."""
    script.say("automation/runs/get", {"id": "r1", "status": "RUNNING"})
    script.say("tasks/origin", page("c1", "c2"))
    runs = Automations(session(), 2, TaskPolls(session(), 2, clock))
    batch, item = tracked("r1")
    [poll] = [each for each in runs.polls([batch]) if "run" in each.route]
    reports, requests = await sweep(runs.poll, replace(poll, named=(item,)))
    assert requests == 1 + 4
    assert {report.key for report in reports} == {"align S1", "c1", "c2"}


@pytest.mark.parametrize("read", [wire.plain, lambda raw: wire.TASK_ROWS.rows([raw])[0].resource])
def test_a_row_of_brackets_costs_itself(read):
    """However deeply they are nested."""
    assert read(msgspec.Raw(b"[" * 100_000)) is None
