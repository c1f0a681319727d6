"""Runs of tasks on the simulated Seven Bridges whose answer is lost, once or each time, under the whole engine."""

import pytest
from seven_bridges_work import made, submit

from orchestrator.domain.lost_responses import MOST_UNANSWERED, PROMPT_SENDS
from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 86_400.0


@pytest.mark.parametrize("fault", [FaultKind.RESET_AFTER, FaultKind.WRONG_MEDIA])
async def test_tasks_that_run_though_no_answer_says_so_are_followed(lab, fault):
    """After a few sends the task itself is asked for: it is no draft any more."""
    it = await lab()
    it.fault(fault, "run_task")
    await submit(it, "run", ["s1"])
    await it.until_settled("run", within=HOUR)
    assert await it.states() == {"s1": "succeeded"}
    assert it.calls("run_task") <= 3
    assert (made(it, "draft"), made(it, "run")) == ({"s1": 1}, {"s1": 1})


async def test_a_run_that_never_arrives_is_sent_ever_more_rarely(lab):
    """The draft stays the only one, and runs as soon as the platform takes the call; until then one call an hour."""
    it = await lab()
    it.fault(FaultKind.RESET, "run_task")
    await submit(it, "run", ["s1"])
    await it.run_for(DAY)
    assert it.calls("run_task") <= PROMPT_SENDS + DAY / HOUR
    it.simulator.faults.clear()
    await it.until_settled("run", within=3 * HOUR)
    assert await it.states() == {"s1": "succeeded"}
    assert (made(it, "draft"), made(it, "run")) == ({"s1": 1}, {"s1": 1})


@pytest.mark.parametrize("invalid_run", ["refuse", "errors"])
@pytest.mark.parametrize("fault", [FaultKind.RESET, FaultKind.RESET_AFTER])
async def test_a_task_that_cannot_run_fails_although_an_earlier_answer_was_lost(lab, fault, invalid_run):
    """It is a draft still, so nothing ran: the refusal of the second send holds, and no third one is sent."""
    it = await lab(invalid_run=invalid_run)
    it.fault(fault, "run_task", count=1)
    await submit(it, "run", ["s1-invalid"])
    await it.until_settled("run", within=3 * HOUR)
    assert await it.states() == {"s1-invalid": "failed"}
    assert it.calls("run_task") == 2


async def test_a_run_that_never_arrives_is_left_to_the_operator_in_the_end(lab):
    """After two days no more is sent: the batch is blocked and says why, and `retry` sends it again."""
    it = await lab()
    it.fault(FaultKind.RESET, "run_task")
    await submit(it, "run", ["s1"])
    await it.run_for(4 * DAY)
    assert it.calls("run_task") <= MOST_UNANSWERED
    batch = await it.batch()
    assert (batch.state, "got no response, and nothing on the platform" in batch.detail) == ("blocked", True)
    it.simulator.faults.clear()
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run", within=3 * HOUR)
    assert await it.states() == {"s1": "succeeded"}
