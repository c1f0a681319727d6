"""A job that the platform refuses throughout: few requests, one outcome, one line that says what to do."""

import pytest

from orchestrator.domain.model import JobState, Needs
from orchestrator.simulator import FaultKind
from orchestrator.telemetry.events import BatchBlocked, JobStopped

HOUR, DAY = 3600.0, 86_400.0


@pytest.mark.parametrize(
    ("status", "items", "requests"), [(400, 64, 15), (404, 64, 15), (413, 64, 15), (413, 12, 7), (400, 100, 15)]
)
async def test_parts_that_are_all_refused_alike_stop_the_job(world, status, items, requests):
    """Whole, halves, quarters, eighths: then it is not the items. None has failed, and `resume` goes on."""
    it = await world()
    it.fault(FaultKind.ERROR, status=status, lasts=DAY)
    await it.submit("run", [f"s{number}" for number in range(items)])
    await it.run_for(HOUR)
    job = await it.job()
    assert (job.needs, it.calls(it.create)) == (Needs.STOPPED, requests)
    assert set((await it.states()).values()) == {"pending"}
    assert str(status) in job.detail or "refused for the same reason" in job.detail
    assert "`resume`" in job.detail
    assert "`cancel`" in job.detail
    assert [event.job for event in it.published(JobStopped)] == ["run"]
    it.simulator.faults.clear()
    await it.store.advance.resume(name="run", now=it.clock.now())
    await it.until_settled("run")
    assert (await it.job()).state is JobState.SUCCEEDED


async def test_a_small_job_that_is_wrong_fails_as_a_whole(world):
    """Too few items to tell them from the rest: each fails by itself, every one of them."""
    it = await world()
    it.fault(FaultKind.ERROR, status=404)
    await it.submit("run", [f"s{number}" for number in range(7)])
    await it.until_settled("run")
    assert set((await it.states()).values()) == {"failed"}
    assert it.calls(it.create) == 13


@pytest.mark.parametrize("batch_size", [1, 10])
async def test_sixteen_batches_refused_in_a_row_stop_the_job(world, batch_size):
    """Whatever their size: the seventeenth is not sent, today or tomorrow."""
    it = await world()
    it.fault(FaultKind.ERROR, status=400)
    await it.submit("run", [f"s{number}" for number in range(40 * batch_size)], batch_size=batch_size)
    await it.run_for(DAY)
    assert (await it.job()).needs is Needs.STOPPED
    assert it.calls(it.create) == 16


async def test_refusals_of_a_right_stop_the_job_too(world):
    """403 blocks each batch; sixteen of them are enough."""
    it = await world()
    it.fault(FaultKind.ERROR, status=403)
    await it.submit("run", [f"s{number}" for number in range(40)], batch_size=1)
    await it.run_for(DAY)
    assert (await it.job()).needs is Needs.STOPPED
    assert len(it.published(BatchBlocked)) == 16


@pytest.mark.parametrize("restart", [True, False])
async def test_resume_sends_one_batch_and_the_rest_when_it_is_accepted(world, restart):
    """Still wrong: one request more. Put right: all go."""
    it = await world()
    it.fault(FaultKind.ERROR, status=400)
    await it.submit("run", [f"s{number}" for number in range(40)], batch_size=1)
    await it.run_for(HOUR)
    if restart:
        await it.restart()
    await it.store.advance.resume(name="run", now=it.clock.now())
    await it.run_for(HOUR)
    assert ((await it.job()).needs, it.calls(it.create)) == (Needs.STOPPED, 17)
    it.simulator.faults.clear()
    await it.store.advance.resume(name="run", now=it.clock.now())
    await it.until_settled("run")
    assert sorted(set((await it.states()).values())) == ["failed", "succeeded"]
    assert it.calls(it.create) == 40


async def test_an_acceptance_between_refusals_begins_the_count_anew(world):
    """Every fifth item is good: the bad ones fail alone, and the job goes on to its end."""
    it = await world()
    keys = [f"s{number}" if number % 5 == 0 else f"s{number}-bad" for number in range(60)]
    await it.submit("run", keys, batch_size=1)
    await it.until_settled("run")
    assert it.published(JobStopped) == []
    assert it.created() == {key: 1 for key in keys if "bad" not in key}


async def test_a_job_beside_one_that_is_refused_goes_on(world):
    """Only the job that is refused waits for its own answers."""
    it = await world()
    await it.submit("wrong", [f"s{number}-bad" for number in range(30)], batch_size=1)
    await it.submit("good", [f"g{number}" for number in range(30)], batch_size=1)
    await it.until_settled("good")
    assert (await it.job("good")).state is JobState.SUCCEEDED
