"""What the platform refuses: the bad items are found, and what nobody can mend waits for a person."""

import pytest

from orchestrator.domain.model import BatchState, JobState, Needs
from orchestrator.engine.steps import submitting
from orchestrator.simulator import FaultKind
from orchestrator.telemetry.events import BatchBlocked

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(6)]
ONCE = dict.fromkeys(KEYS, 1)
DONE = dict.fromkeys(KEYS, "succeeded")


@pytest.mark.parametrize("place", [0, 57, 99])
async def test_one_bad_item_among_a_hundred_fails_alone(world, place):
    """It is found by halving, with the platform's own title and detail; the others are created once."""
    it = await world()
    keys = [f"s{number}" for number in range(100)]
    keys[place] = "s-bad"
    await it.submit("run", keys)
    await it.until_settled("run")
    items = await it.items()
    failed = [item for item in items.values() if item.state != "succeeded"]
    assert [item.key for item in failed] == ["s-bad"]
    assert (failed[0].status, failed[0].remote_id) == (None, None)
    assert "Item 0 is not valid" in (failed[0].detail or "")
    assert it.created() == {key: 1 for key in keys if key != "s-bad"}
    assert it.calls(it.create) <= 16


async def test_an_item_that_the_platform_refuses_by_itself_fails_alone(world):
    """Where one bad item does not refuse the whole request, no request is split."""
    it = await world(bad_item="fail_item")
    await it.submit("run", [*KEYS, "s-bad"])
    await it.until_settled("run")
    assert await it.states() == DONE | {"s-bad": "failed"}
    assert it.calls(it.create) == 1


@pytest.mark.parametrize("status", [403, 415])
async def test_a_refusal_that_no_split_can_help_blocks_the_batch(world, status):
    """The reason stands with the job; `retry` sends it under a new key once the cause is gone."""
    it = await world()
    it.fault(FaultKind.ERROR, status=status, count=1)
    await it.submit("run", KEYS)
    blocked = await it.until_state(BatchState.BLOCKED)
    job = await it.job()
    assert (job.needs, it.calls(it.create)) == (Needs.BLOCKED, 1)
    assert blocked.detail
    assert blocked.detail in (job.detail or "")
    assert [event.batch for event in it.published(BatchBlocked)] == [1]
    it.suspend(DAY)
    await it.run_for(120)
    assert it.calls(it.create) == 1
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run")
    assert it.created() == ONCE
    assert (await it.batch()).attempt == 1


async def test_many_bad_items_cost_so_many_requests_at_most(world, monkeypatch):
    """What is left of such a batch waits for a person, who may grant it as many again; what was accepted goes on."""
    monkeypatch.setattr(submitting, "MOST_SENDS", 16)
    it = await world()
    keys = [f"s{number}-bad{number}" if number % 2 else f"s{number}" for number in range(24)]
    await it.submit("run", keys)
    await it.run_for(120)
    assert it.calls(it.create) <= 16 + 4
    assert (await it.job()).needs is Needs.BLOCKED
    assert "16 requests" in ((await it.job()).detail or "")
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run")
    assert it.created() == {key: 1 for key in keys if "bad" not in key}


async def test_a_quick_refusal_is_not_taken_for_the_answer_of_slow_halves(world):
    """The bad item's halves are refused at once while the good ones are still being accepted: nothing is blocked."""
    it = await world()
    await it.submit("run", ["s-bad", *(f"s{number}" for number in range(15))])
    store = it.store.advance

    async def refuse_next(number):
        batch = await it.batch(number)
        begun = await store.begin(batch, it.platform.compose(batch, await it.store.items.of_batch(batch)), **at)
        await it.submitting._refused(begun, it.refusal)

    at = {"user": await it.platform.user(), "now": it.clock.now()}
    await refuse_next(1)
    waiting = await it.batch(3)
    await store.begin(waiting, it.platform.compose(waiting, await it.store.items.of_batch(waiting)), **at)
    for number in (2, 4, 6):
        await refuse_next(number)
    assert BatchState.BLOCKED not in {batch.state for batch in await it.batches()}
    await it.restart()
    await it.until_settled("run")
    assert (await it.states())["s-bad"] == "failed"
    assert len(it.created()) == 15


# ---------------------------------------------------------------- refused with a doubt


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("arrived", [True, False])
async def test_a_refusal_says_nothing_about_an_earlier_send(world, status, arrived):
    """A lost answer, then a right taken away: blocked; and `retry` first finds out what the lost send did."""
    it = await world(search_lag=1800.0)
    it.hide_jobs()
    it.fault(FaultKind.RESET_AFTER if arrived else FaultKind.RESET, nth=1)
    it.fault(FaultKind.ERROR, status=status, count=1)
    await it.submit("run", KEYS)
    blocked = await it.until_state(BatchState.BLOCKED)
    assert "earlier send" in (blocked.detail or "")
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE
    assert (await it.batch()).attempt == 0


@pytest.mark.parametrize(("status", "html"), [(400, False), (400, True), (413, True)])
async def test_what_is_refused_after_it_was_accepted_is_not_sent_in_parts(world, status, html):
    """A lost answer, then a refusal that did not look at the key: what was created is found, not created anew."""
    it = await world(search_lag=1800.0)
    it.hide_jobs()
    it.fault(FaultKind.RESET_AFTER, nth=1)
    it.fault(FaultKind.ERROR, status=status, html=html, count=1)
    await it.submit("run", KEYS)
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE
    assert len(await it.store.batches.of_job((await it.batch()).job)) == 1


@pytest.mark.parametrize("kind", ["analyses", "links"])
async def test_a_gateway_without_the_path_fails_no_item(world, kind):
    """Its page says nothing of the work: the batch is sent again, whole, until the platform is behind it again."""
    it = await world()
    keys, operation = (KEYS, it.create) if kind == "analyses" else (["fil.1", "fil.2"], it.link)
    it.fault(FaultKind.ERROR, operation, status=404, html=True, count=4)
    await it.submit("run", keys, kind=kind)
    await it.until_settled("run")
    assert await it.states() == dict.fromkeys(keys, "succeeded")
    assert it.calls(operation) == 5
    assert len(await it.store.batches.of_job((await it.batch()).job)) == 1


async def test_a_conflict_without_a_key_is_a_refusal(world):
    """Links are sent under no key, so that no earlier call can still be running: the job ends and says why."""
    it = await world()
    it.fault(FaultKind.ERROR, it.link, status=409)
    await it.submit("run", ["fil.1", "fil.2"], kind="links")
    await it.until_settled("run")
    assert await it.states() == {"fil.1": "failed", "fil.2": "failed"}
    assert it.calls(it.link) == 3


# ---------------------------------------------------------------- links sent twice


async def test_a_link_that_lost_a_race_against_itself_succeeds_in_the_end(world):
    """Sent twice, the second batch may fail where the first one works: such a failure does not count yet."""
    it = await world(link_race="failed", link_seconds=300.0)
    it.fault(FaultKind.RESET_AFTER, it.link, count=1)
    await it.submit("run", ["fil.1", "fil.2"], kind="links")
    await it.until_settled("run")
    items = await it.items()
    assert {item.state for item in items.values()} == {"succeeded"}
    assert {item.attempts for item in items.values()} == {1}
    assert set(it.linked().values()) == {3}


async def test_a_link_that_truly_fails_goes_out_once_more_and_no_more(world):
    """In a batch of its own the failure counts, also when that batch was sent twice too."""
    it = await world()
    it.fault(FaultKind.RESET_AFTER, it.link, count=2)
    await it.submit("run", ["fil.1", "fil.fail2"], kind="links")
    await it.until_settled("run")
    assert await it.states() == {"fil.1": "succeeded", "fil.fail2": "failed"}
    assert it.linked() == {"fil.1": 2, "fil.fail2": 4} or it.linked() == {"fil.1": 3, "fil.fail2": 4}


async def test_links_sent_once_fail_at_once(world):
    """Without a lost answer there is no doubt."""
    it = await world()
    await it.submit("run", ["fil.1", "fil.fail2"], kind="links")
    await it.until_settled("run")
    assert it.linked() == {"fil.1": 1, "fil.fail2": 1}


# ---------------------------------------------------------------- gone


@pytest.mark.parametrize("kind", ["analyses", "links"])
async def test_a_batch_that_the_platform_has_not_known_for_a_day_is_blocked(world, kind):
    """Half a day of 404 passes; a whole day is a person's business, who may cancel."""
    it = await world(creation_seconds=10 * DAY, link_seconds=10 * DAY)
    await it.submit("run", ["s1"] if kind == "analyses" else ["fil.1"], kind=kind)
    await it.run_for(60)
    for half in range(3):
        it.fault(FaultKind.ERROR, "get*Batch*Items", status=404, lasts=DAY / 2)
        await it.run_for(600)
        it.suspend(DAY / 2)
        await it.run_for(600)
        assert (await it.batch()).state is BatchState.TRACKING, half
    it.fault(FaultKind.ERROR, "get*Batch*Items", status=404)
    await it.run_for(600)
    it.suspend(DAY)
    await it.until_state(BatchState.BLOCKED)
    assert "retry" in ((await it.job()).detail or "")
    await it.store.advance.cancel("run", now=it.clock.now())
    assert (await it.job()).state is JobState.CANCELLED


async def test_a_batch_that_is_gone_settles_once_its_items_are_final(world):
    """Its last word would be nice to have, and is not worth a day."""
    it = await world()
    it.fault(FaultKind.QUIRK, quirk="job_stuck", count=1)
    await it.submit("run", KEYS)
    await it.turn()
    it.fault(FaultKind.ERROR, "getAnalysisCreationBatch", status=404)
    it.fault(FaultKind.QUIRK, "getJobs", quirk="item_vanishes")
    await it.until_settled("run")
    assert await it.states() == DONE


async def test_a_cancelled_job_ends_though_its_batch_is_gone(world):
    """Nobody waits for a person who has decided already."""
    it = await world(creation_seconds=10 * DAY)
    await it.submit("run", KEYS)
    await it.run_for(60)
    it.fault(FaultKind.ERROR, "get*Batch*", status=404)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.run_for(600)
    it.suspend(DAY)
    await it.until_settled("run")
    assert (await it.job()).state is JobState.CANCELLED
    assert set((await it.states()).values()) == {"aborted"}


async def test_items_of_a_project_that_is_not_there_fail_and_say_so(world):
    """The question before the first send is refused as well; it must not hold the job back forever."""
    it = await world()
    it.fault(FaultKind.ERROR, "searchAnalyses", status=404)
    it.fault(FaultKind.ERROR, it.create, status=404)
    await it.submit("run", ["a", "b"])
    await it.until_settled("run", within=600.0)
    assert await it.states() == {"a": "failed", "b": "failed"}
    assert it.created() == {}
