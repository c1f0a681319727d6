"""Work that never ends on the platform: it is visible, and an operator may give it up."""

import pytest

from orchestrator.domain.model import BatchState, ItemReport, ItemState, JobState, Stage
from orchestrator.simulator import FaultKind
from orchestrator.store.errors import ControlRefusedError
from orchestrator.telemetry.events import UnexpectedResponse

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(4)]


async def give_up(it, *keys, name="run"):
    return await it.store.advance.give_up(name, now=it.clock.now(), user="alice", keys=keys)


async def test_a_job_that_is_given_up_ends_as_failed_and_nothing_is_aborted(world):
    """Each open item says who gave it up; its last status stays to be read."""
    it = await world(analysis_seconds=100 * DAY)
    await it.submit("run", KEYS)
    await it.run_for(HOUR)
    done = await give_up(it)
    assert done.items == len(KEYS)
    job = await it.job()
    assert job.state is JobState.FAILED
    assert {item.detail for item in (await it.items()).values()} == {"given up by alice"}
    assert {item.status for item in (await it.items()).values()} != {None}
    await it.run_for(HOUR)
    assert it.calls("abortAnalysis") == 0


async def test_one_item_may_be_given_up_and_the_others_go_on(world):
    """What the platform goes on saying of it is no contradiction; an outcome is, and is counted, not applied."""
    it = await world(analysis_seconds=HOUR)
    await it.submit("run", KEYS)
    await it.run_for(600)
    await give_up(it, "s1")
    await it.run_for(600)
    assert [event for event in it.published(UnexpectedResponse) if "outcome" in event.what] == []
    key, seen_at = (await it.batch()).key, {"stage": Stage("analysis"), "key": "s1"}
    running = ItemReport(batch=key, state=ItemState.RUNNING, status="IN_PROGRESS", **seen_at)
    succeeded = ItemReport(batch=key, state=ItemState.SUCCEEDED, status="SUCCEEDED", **seen_at)
    observed = await it.store.advance.apply_reports([running, succeeded], now=it.clock.now())
    assert list(observed.contradictions) == [succeeded]
    await it.until_settled("run", within=2 * DAY)
    assert await it.states() == {"s0": "succeeded", "s1": "failed", "s2": "succeeded", "s3": "succeeded"}
    assert (await it.job()).state is JobState.PARTIAL


async def test_items_not_sent_yet_are_never_sent(world):
    """Of a planned batch the others go out, under another key; a paused job as a whole ends."""
    it = await world()
    await it.submit("run", KEYS)
    await it.store.advance.pause(now=it.clock.now(), name="run")
    await give_up(it, "s0", "s2")
    await it.store.advance.resume(now=it.clock.now(), name="run")
    await it.until_settled("run")
    assert await it.states() == {"s0": "failed", "s1": "succeeded", "s2": "failed", "s3": "succeeded"}
    assert it.created() == {"s1": 1, "s3": 1}


async def test_a_batch_that_is_blocked_or_not_answered_may_be_given_up(world):
    """As a whole; of one whose outcome is not known no part may be."""
    it = await world()
    it.fault(FaultKind.RESET)
    await it.submit("run", KEYS)
    await it.until_state(BatchState.UNCONFIRMED)
    with pytest.raises(ControlRefusedError, match="not known yet"):
        await give_up(it, "s1")
    assert set((await it.states()).values()) == {"pending"}
    await give_up(it)
    assert (await it.job()).state is JobState.FAILED
    await it.run_for(DAY)
    assert it.calls(it.create) == 1


async def test_a_cancelled_job_that_never_ends_is_ended(world):
    """ABORTING forever: the job settles as cancelled, its items as failed."""
    it = await world(analysis_seconds=100 * DAY)
    it.fault(FaultKind.ERROR, "abortAnalysis", status=409)
    await it.submit("run", KEYS)
    await it.run_for(HOUR)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.run_for(2 * HOUR)
    assert not (await it.job()).state.settled
    await give_up(it)
    assert (await it.job()).state is JobState.CANCELLED


async def test_a_key_that_the_job_does_not_have_is_refused(world):
    """Nothing is given up then; and there is no such job."""
    it = await world(analysis_seconds=DAY)
    await it.submit("run", KEYS)
    await it.run_for(60)
    with pytest.raises(ControlRefusedError, match="no item nobody"):
        await give_up(it, "s1", "nobody")
    assert ItemState.FAILED not in {item.state for item in (await it.items()).values()}
    assert await give_up(it, name="other") is None


async def test_what_does_not_move_says_since_when_and_why_others_wait(world):
    """Items for hours without a change: the next job names the one in front of it, and since when."""
    it = await world(open_items=4, analysis_seconds=100 * DAY)
    await it.submit("stuck", KEYS)
    await it.run_for(HOUR)
    since = await it.store.standstill.unchanged_since(await it.job("stuck"))
    await it.submit("urgent", ["u1"], priority=0)
    await it.run_for(3 * HOUR)
    assert await it.store.standstill.unchanged_since(await it.job("stuck")) == since
    assert await it.store.standstill.oldest() == {"ica": since}
    told = (await it.store.standstill.waits_for(await it.job("urgent"), 4)).text
    assert "4 of 4 items" in told
    assert "stuck (4 items, unchanged since" in told
    assert await it.store.standstill.waits_for(await it.job("stuck"), 4) is None
    await give_up(it, name="stuck")
    await it.run_for(HOUR)
    assert it.created()["u1"] == 1


async def test_a_job_at_its_own_limit_says_so(world):
    """`max_open` keeps it, not the account."""
    it = await world(analysis_seconds=100 * DAY)
    await it.submit("run", KEYS, batch_size=1, max_open=2)
    await it.run_for(HOUR)
    assert "max_open: 2 of 2" in (await it.store.standstill.waits_for(await it.job(), 5000)).text
