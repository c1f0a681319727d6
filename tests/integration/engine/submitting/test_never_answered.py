"""Batches whose answer is lost each time: sends are bounded, what arrived is found, the others go on."""

import pytest

from orchestrator.domain.model import BatchState, JobState, Needs
from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 86_400.0
LINKS = [f"fil.{number}" for number in range(40)]
KEYS = [f"s{number}" for number in range(8)]


async def test_links_that_arrive_though_no_answer_does_are_found(world):
    """After three losses the batch is looked for in the list of jobs; nothing more is sent."""
    it = await world()
    it.fault(FaultKind.RESET_AFTER, it.link)
    await it.submit("run", LINKS, kind="links", batch_size=20)
    await it.until_settled("run")
    assert (await it.job()).state is JobState.SUCCEEDED
    assert set(it.linked().values()) == {3}
    assert it.calls(it.link) == 6


async def test_links_that_never_arrive_go_out_in_smaller_batches_and_then_wait_for_the_operator(world):
    """Whole, in halves, in quarters, three sends each; then the reason, with how often it was sent."""
    it = await world()
    it.fault(FaultKind.RESET, it.link)
    await it.submit("run", LINKS[:20], kind="links", batch_size=20)
    await it.run_for(4 * HOUR)
    assert it.calls(it.link) == 3 * (1 + 2 + 4)
    job = await it.job()
    assert job.needs is Needs.BLOCKED
    assert "3 sends of 5 items got no response" in job.detail
    assert "not on the platform" in job.detail
    it.simulator.faults.clear()
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run")
    assert (await it.job()).state is JobState.SUCCEEDED


async def test_smaller_batches_get_through_where_large_ones_do_not(world):
    """A gateway that ends long requests lets short ones pass."""
    it = await world()
    it.fault(FaultKind.RESET, it.link, count=3)
    await it.submit("run", LINKS[:20], kind="links", batch_size=20)
    await it.until_settled("run")
    assert (await it.job()).state is JobState.SUCCEEDED
    assert it.calls(it.link) == 5


async def test_another_job_goes_on_beside_one_that_is_never_answered(world):
    """What was looked for in vain takes no place on the platform any more."""
    it = await world(open_items=20)
    it.fault(FaultKind.RESET, it.link)
    await it.submit("lost", LINKS[:20], kind="links", batch_size=20)
    await it.run_for(4 * HOUR)
    assert (await it.job("lost")).needs is Needs.BLOCKED
    await it.submit("urgent", KEYS, priority=0)
    await it.until_settled("urgent")
    assert (await it.job("urgent")).state is JobState.SUCCEEDED


async def test_links_of_a_cancelled_job_that_were_made_are_found(world):
    """Cancelled while no answer came: what is in the list of jobs ends as the platform says, not as unknown."""
    it = await world()
    it.fault(FaultKind.RESET_AFTER, it.link)
    await it.submit("run", LINKS, kind="links", batch_size=20)
    await it.run_for(30)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=3 * HOUR)
    assert set((await it.states()).values()) == {"succeeded"}


async def test_a_batch_blocked_in_doubt_is_looked_for_when_its_job_is_cancelled(world):
    """An earlier send had arrived: its analyses are found and stopped, not given up as unknown."""
    it = await world(analysis_seconds=10 * DAY, search_lag=1800.0)
    it.hide_jobs()
    it.fault(FaultKind.RESET_AFTER, nth=1)
    it.fault(FaultKind.ERROR, status=403, count=1)
    await it.submit("run", KEYS)
    await it.until_state(BatchState.BLOCKED)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=3 * HOUR)
    assert it.calls("abortAnalysis") >= len(KEYS)
    assert {item.status for item in (await it.items()).values()} == {"ABORTED"}


@pytest.mark.parametrize("arrives", [True, False])
async def test_analyses_whose_answer_never_comes_cost_few_requests(world, arrives):
    """Not one POST after another for six days: three at most; found, or smaller batches and the operator."""
    it = await world(search_lag=1800.0)
    it.hide_jobs()
    it.fault(FaultKind.RESET_AFTER if arrives else FaultKind.RESET)
    await it.submit("run", KEYS)
    await it.run_for(DAY)
    job = await it.job()
    if arrives:
        assert it.calls(it.create) == 3
        assert job.state is JobState.SUCCEEDED
        assert it.created() == dict.fromkeys(KEYS, 1)
    else:
        assert it.calls(it.create) == 3 * (1 + 2 + 4)
        assert job.needs is Needs.BLOCKED
        assert it.created() == {}


async def test_a_server_error_each_time_is_bounded_too(world):
    """A 5xx of the platform itself makes the key void each time: that has an end as well."""
    it = await world()
    it.fault(FaultKind.ERROR, status=500)
    await it.submit("run", KEYS)
    await it.run_for(4 * DAY)
    assert (await it.job()).needs is Needs.BLOCKED
    assert it.calls(it.create) == 3 * (1 + 2 + 4)


async def test_what_the_platform_declines_for_the_moment_is_no_loss(world):
    """429 and refused connections are answers, or never left: they do not count among the sends."""
    it = await world()
    it.fault(FaultKind.ERROR, it.link, status=429, count=10)
    await it.submit("run", LINKS[:5], kind="links")
    await it.until_settled("run", within=2 * HOUR)
    assert (await it.batch()).sends == 1
