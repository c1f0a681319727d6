"""What a job waits for, in the words of an operator's question: why is it not done, and when will it be."""

from dataclasses import replace

import pytest

from orchestrator.domain.model import After, BatchState, JobState
from orchestrator.domain.polling.durations import Durations
from orchestrator.engine.outlook.expected_end import expected_ends
from orchestrator.engine.outlook.why import AccountNow, WaitsFor, describe_why, why
from orchestrator.platforms.http.contact import LatestRequest
from orchestrator.platforms.rate_limit.limiter import Lane, LaneView, LimiterView
from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(4)]
BUDGET = LimiterView(
    limit=10, window=300.0, used=3, in_flight=0, free=7, withheld=0, closed_for=0.0, paced=False, throttled=0, lanes={}
)


def account(budget=BUDGET, **more):
    return AccountNow(budget=budget, next_poll=lambda batches: 1_000_000 if batches else None, **more)


async def asked(it, name="run", *, open_items=5000, now=None, of=None):
    return await why(it.store, await it.job(name), open_items=open_items, account=of, now=now or it.clock.now())


def kinds(found):
    return [reason.waits_for for reason in found.reasons]


# ---------------------------------------------------------------- reasons


async def test_a_job_waits_for_others_by_their_names(world):
    """Each with its state; one that nobody dropped yet stands out."""
    it = await world()
    await it.submit("first", KEYS)
    await it.submit("run", ["r1"], after=After(("first", "typo")))
    (reason,) = (await asked(it)).reasons
    assert reason.waits_for is WaitsFor.AFTER
    assert reason.text == "first: queued, typo: no such job yet (required: succeeded)"


async def test_a_paused_job_says_who_paused_it_and_since_when(world):
    """Ahead of everything else, as nothing happens without the operator."""
    it = await world(analysis_seconds=DAY)
    await it.submit("run", KEYS, batch_size=2, max_open=2)
    await it.run_for(HOUR)
    at = it.clock.now()
    await it.store.advance.pause(name="run", now=at, actor="1000")
    found = await asked(it)
    assert kinds(found) == [WaitsFor.PAUSED, WaitsFor.PLATFORM]
    assert (found.reasons[0].since, found.reasons[0].by) == (at, "1000")


async def test_a_blocked_batch_is_named_with_its_reason(world):
    """The number is what `adopt` and the results show."""
    it = await world()
    it.fault(FaultKind.ERROR, status=403)
    await it.submit("run", KEYS)
    await it.until_state(BatchState.BLOCKED, within=3 * DAY)
    found = await asked(it)
    assert kinds(found) == [WaitsFor.BLOCKED]
    assert found.reasons[0].text.startswith("batch 1: ")


async def test_room_on_the_platform_is_told_with_the_jobs_that_take_it(world):
    """The account's limit, and the job's own, are two reasons."""
    it = await world(open_items=4, analysis_seconds=100 * DAY)
    await it.submit("front", KEYS)
    await it.run_for(HOUR)
    await it.submit("run", ["r1"])
    await it.submit("own", ["a", "b", "c"], batch_size=1, max_open=1)
    (reason,) = (await asked(it, open_items=4)).reasons
    assert reason.waits_for is WaitsFor.OPEN_ITEMS
    assert "front (4 items" in reason.text
    it.open_items = 100
    await it.restart()
    await it.run_for(HOUR)
    found = await asked(it, "own", open_items=100)
    assert kinds(found) == [WaitsFor.MAX_OPEN, WaitsFor.PLATFORM]


async def test_a_lost_response_and_a_delayed_batch_have_their_error_and_their_time(world):
    """The last error is that of the batch, not of the account."""
    it = await world()
    it.fault(FaultKind.ERROR, status=503)
    await it.submit("run", KEYS)
    await it.run_for(30)
    found = await asked(it, of=account(last_error="poll: of another job"))
    assert kinds(found)[0] in (WaitsFor.RETRY, WaitsFor.UNCONFIRMED)
    assert "503" in found.last_error


async def test_a_closed_account_and_a_used_budget_are_reasons(world):
    """What only the daemon knows: why the account is closed, what waits for the budget, the last request."""
    it = await world(analysis_seconds=DAY)
    await it.submit("run", KEYS)
    await it.run_for(HOUR)
    waiting = {Lane.SUBMIT: LaneView(2, 0, 9, 0.0), Lane.POLL: LaneView(5, 0, 9, 0.0)}
    full = replace(BUDGET, used=10, free=0, lanes=waiting)
    latest = LatestRequest(at=5_000_000, route="GET jobs", outcome="200")
    closed = account(full, refusal="401", closed_because="credential", closed_since=7, latest_request=latest)
    found = await asked(it, of=closed)
    assert kinds(found) == [WaitsFor.ACCOUNT, WaitsFor.BUDGET, WaitsFor.PLATFORM]
    assert (found.reasons[0].text, found.reasons[0].since) == ("the account is closed (credential): 401", 7)
    assert found.reasons[1].text == "10 of 10 requests in 5m are used; waiting: submit 2, observe 5"
    told = describe_why(await it.job(), found)
    assert told["last_request"] == {"at": "1970-01-01T00:00:05.000Z", "route": "GET jobs", "outcome": "200"}
    assert told["next_poll"] == "1970-01-01T00:00:01.000Z"
    throttled = await asked(it, of=account(replace(BUDGET, closed_for=30.0)))
    assert throttled.reasons[0].text == "the platform accepts no request for 30s"


async def test_a_cancelled_job_waits_for_what_is_still_out_and_a_settled_one_for_nothing(world):
    """There is no reason, no poll and no end once it has settled."""
    it = await world(analysis_seconds=DAY)
    await it.submit("run", KEYS)
    await it.run_for(HOUR)
    await it.store.advance.cancel("run", now=it.clock.now())
    assert kinds(await asked(it)) == [WaitsFor.CANCELLING]
    await it.until_settled("run", within=2 * DAY)
    found = await asked(it, of=account())
    assert (found.reasons, found.next_poll, found.expected_end) == ((), None, None)


async def test_a_job_that_nothing_holds_waits_for_its_turn(world):
    """Before the daemon came to it, there is no other reason."""
    it = await world()
    await it.submit("run", KEYS, batch_size=2)
    (reason,) = (await asked(it)).reasons
    assert (reason.waits_for, reason.text) == (WaitsFor.SUBMISSION, "its turn: 2 batches to submit")


async def test_a_job_of_many_batches_costs_no_more_than_one_of_few(world, monkeypatch):
    """Of each kind at most so many batches are read, and the answer says that there may be more."""
    for module in ("orchestrator.store.reading.open_work", "orchestrator.engine.outlook.why"):
        monkeypatch.setattr(f"{module}.MOST_READ", 2)
    it = await world(analysis_seconds=DAY)
    await it.submit("run", [f"s{number}" for number in range(5)], batch_size=1)
    (reason,) = (await asked(it)).reasons
    assert reason.text == "its turn: at least 2 batches to submit"
    work = await it.store.open_work.live_work(await it.job())
    assert [batch.number for batch in work.planned] == [1, 2]
    await it.run_for(HOUR)
    work = await it.store.open_work.live_work(await it.job())
    assert (len(work.tracked), work.planned, work.doubtful) == (2, [], [])
    (reason,) = (await asked(it)).reasons
    assert (reason.waits_for, reason.text) == (WaitsFor.PLATFORM, "the end of 5 items on the platform")


async def test_the_next_poll_is_the_one_that_the_dispatch_has_planned(world):
    """Of the batches of this job; None for batches that nothing polls."""
    it = await world(analysis_seconds=DAY)
    await it.submit("run", KEYS)
    await it.run_for(HOUR)
    batch = await it.batch()
    due = it.dispatch.next_poll([batch.id])
    assert it.time.monotonic() <= due <= it.time.monotonic() + 300.0
    assert it.dispatch.next_poll(["another"]) is None


# ---------------------------------------------------------------- the expected end


async def learn(it, seconds, times=200, name="ica.analysis_creation"):
    durations = Durations()
    for _ in range(times):
        durations.note(seconds)
    await it.store.memory.remember("ica", f"durations:{name}", durations.as_text())


async def end_of(it, *, open_items=5000, name="run"):
    """Hours from now; None where nothing is expected."""
    job = await it.job(name)
    end = (await expected_ends(it.store, [job], {"ica": open_items}, it.clock.now())).get(job.id)
    return None if end is None else (end - it.clock.now()) / 1_000_000 / HOUR


async def test_the_end_follows_from_how_long_the_same_took(world):
    """About the learned duration at first, less as time passes; nothing before anything was learned."""
    it = await world(analysis_seconds=8 * HOUR)
    await it.submit("run", KEYS)
    await it.run_for(60)
    assert await end_of(it) is None
    await learn(it, 8 * HOUR)
    at_first = await end_of(it)
    assert 6 < at_first < 12
    await it.run_for(4 * HOUR)
    assert at_first - 4.5 < await end_of(it) < at_first - 3.5


async def test_items_that_find_no_room_end_later(world):
    """Four items where one may run: about four times as long."""
    it = await world(analysis_seconds=8 * HOUR)
    await learn(it, 8 * HOUR)
    await it.submit("run", KEYS, batch_size=1)
    alone = await end_of(it)
    assert alone * 2 < await end_of(it, open_items=1) < alone * 5


@pytest.mark.parametrize("hold", ["pause", "after"])
async def test_a_job_on_hold_has_no_expected_end(hold, world):
    """Nobody knows when an operator resumes it, or when what it waits for settles."""
    it = await world()
    await learn(it, HOUR)
    await it.submit("run", KEYS, **({"after": After(("never",))} if hold == "after" else {}))
    if hold == "pause":
        assert await end_of(it) is not None
        await it.store.advance.pause(name="run", now=it.clock.now())
    assert await end_of(it) is None
    assert (await it.job()).state in (JobState.QUEUED, JobState.WAITING)
