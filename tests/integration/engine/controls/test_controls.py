"""What people ask for, and what jobs ask for themselves: each from the control to the platform and back."""

import pytest

from orchestrator.domain.errors import Transient
from orchestrator.domain.model import After, BatchState, ItemState, JobState, Needs
from orchestrator.engine import dispatch
from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(6)]
ONCE = dict.fromkeys(KEYS, 1)
DONE = dict.fromkeys(KEYS, "succeeded")


# ---------------------------------------------------------------- blocked and unconfirmed batches


async def test_a_person_names_the_batch_that_a_lost_answer_became(world):
    """`adopt` of an unconfirmed batch: it is followed from there, and nothing is sent."""
    it = await world()
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.fault(FaultKind.QUIRK, "getJobs", quirk="item_vanishes", lasts=60.0)
    it.simulator.change_knobs({"search_lag": 1800.0})
    await it.submit("run", KEYS)
    await it.until_state(BatchState.UNCONFIRMED)
    (remote_id,) = it.simulator._world.batches
    await it.store.advance.adopt("run", 1, remote_id, now=it.clock.now())
    await it.until_settled("run")
    assert (it.created(), it.calls(it.create)) == (ONCE, 1)


async def test_a_blocked_batch_is_adopted(world):
    """A batch refused as a whole that somebody then created by hand."""
    it = await world()
    await it.submit("run", KEYS)
    await it.turn()
    (remote_id,) = it.simulator._world.batches
    await it.lose_database()
    it.fault(FaultKind.ERROR, status=403, count=1)
    await it.submit("again", KEYS)
    await it.until_state(BatchState.BLOCKED, name="again")
    await it.store.advance.adopt("again", 1, remote_id, now=it.clock.now())
    await it.until_settled("again")
    assert await it.states("again") == DONE
    assert it.created() == ONCE


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_cancelled_job_never_sends_what_may_not_have_arrived(world, arrived):
    """An unconfirmed batch of a cancelled job is looked for: what is there is aborted, what is not stays away."""
    it = await world(analysis_seconds=HOUR)
    it.fault(FaultKind.RESET_AFTER if arrived else FaultKind.RESET, count=1)
    await it.submit("run", KEYS)
    await it.until_state(BatchState.UNCONFIRMED)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=3 * HOUR)
    assert (await it.job()).state is JobState.CANCELLED
    assert it.calls(it.create) == 1
    assert set((await it.states()).values()) == {"aborted" if arrived else "cancelled"}
    assert set(it.simulator.truth.analyses().values()) == ({"ABORTED"} if arrived else set())


async def test_a_cancelled_job_with_a_blocked_batch_ends(world):
    """Nothing of it was ever created, so its items were cancelled."""
    it = await world()
    it.fault(FaultKind.ERROR, status=403, count=1)
    await it.submit("run", KEYS)
    await it.until_state(BatchState.BLOCKED)
    await it.store.advance.cancel("run", now=it.clock.now())
    assert (await it.job()).state is JobState.CANCELLED
    assert set((await it.states()).values()) == {"cancelled"}


async def test_cancel_stops_what_runs_and_keeps_back_what_waits(world):
    """Analyses created before the cancel, and those created after it, are aborted once each."""
    it = await world(open_items=4, analysis_seconds=HOUR)
    await it.submit("run", KEYS, batch_size=2)
    await it.turn()
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run")
    assert await it.states() == {key: "aborted" if key in KEYS[:4] else "cancelled" for key in KEYS}
    assert it.calls("abortAnalysis") == 4


async def test_an_abort_that_was_declined_in_passing_is_asked_again(world):
    """The platform declines to stop what goes on and on; an hour later it is asked again."""
    it = await world(analysis_seconds=30 * HOUR)
    it.fault(FaultKind.ERROR, operation="abortAnalysis", status=409, count=1)
    await it.submit("run", KEYS[:1])
    await it.turn()
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=3 * HOUR)
    assert set((await it.states()).values()) == {"aborted"}
    assert it.calls("abortAnalysis") == 2


async def test_an_abort_is_asked_again_though_the_clock_was_set_back(world):
    """It was a year ahead when the first was declined; nothing waits for that time to come again."""
    it = await world(analysis_seconds=30 * HOUR)
    it.fault(FaultKind.ERROR, operation="abortAnalysis", status=409, count=1)
    await it.submit("run", KEYS[:1])
    await it.turn()
    it.clock.step(365 * 24 * HOUR)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.run_for(0.5 * HOUR)
    assert it.calls("abortAnalysis") == 1
    it.clock.step(-365 * 24 * HOUR)
    await it.until_settled("run", within=3 * HOUR)
    assert it.calls("abortAnalysis") == 2


async def test_an_abort_that_always_fails_keeps_no_other_back(world, monkeypatch):
    """The platform breaks over one analysis: the others of the job are stopped all the same."""
    monkeypatch.setattr(dispatch, "IDLE_PAUSE", 60.0)
    it = await world(analysis_seconds=30 * HOUR)
    await it.submit("run", KEYS)
    await it.run_for(60.0)
    abort, asked = it.platform.abort, []

    async def break_over_the_first(batch, item):
        asked.append(item.key)
        if asked.count("s0") <= 3 and item.key == "s0":
            raise Transient("500")
        await abort(batch, item)

    it.platform.abort = break_over_the_first
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run")
    assert asked == ["s0", *KEYS[1:], "s0", "s0", "s0"]
    assert set((await it.states()).values()) == {"aborted"}


async def test_retry_of_single_items_sends_those_again(world):
    """A person picks an item; it goes out under another key, and what it was before stays known."""
    it = await world()
    it.duplicates_expected = True
    await it.submit("run", ["s1", "s2-fail", "s3-fail"])
    await it.until_settled("run")
    await it.store.advance.retry("run", now=it.clock.now(), keys=["s2-fail"])
    await it.until_settled("run")
    assert it.created() == {"s1": 1, "s2-fail": 2, "s3-fail": 1}
    item = (await it.items())["s2-fail"]
    assert (item.attempts, len(item.previous_ids)) == (2, 1)
    assert (await it.job()).round == 2


async def test_the_same_items_retried_again_and_again_have_a_key_each_time(world):
    """Also when nothing of the last try was sent."""
    it = await world()
    it.duplicates_expected = True
    await it.submit("run", ["s1-fail"])
    await it.until_settled("run")
    for _ in range(3):
        await it.store.advance.retry("run", now=it.clock.now())
        await it.store.advance.cancel("run", now=it.clock.now())
        assert (await it.job()).state is JobState.CANCELLED
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run")
    assert it.created() == {"s1-fail": 2}


# ---------------------------------------------------------------- pause and resume


@pytest.mark.parametrize("how", [{"name": "run"}, {"account": "ica"}, {}], ids=["job", "account", "all"])
async def test_what_is_paused_sends_nothing_and_is_still_looked_at(world, how):
    """Open work comes to its end, planned work waits; `resume` lets it go."""
    it = await world(open_items=2)
    await it.submit("run", KEYS, batch_size=2)
    await it.turn()
    await it.store.advance.pause(now=it.clock.now(), **how)
    await it.run_for(300)
    assert it.calls(it.create) == 1
    assert ((await it.job()).needs, (await it.job()).counts[ItemState.SUCCEEDED]) == (Needs.PAUSED, 2)
    await it.store.advance.resume(now=it.clock.now(), **how)
    await it.until_settled("run")
    assert it.created() == ONCE


@pytest.mark.parametrize("control", ["pause", "cancel"])
@pytest.mark.parametrize("lost", [False, True])
async def test_a_batch_that_was_chosen_before_the_control_came_does_not_go(world, monkeypatch, control, lost):
    """It waited for a credential when the control was carried out, for minutes perhaps: nothing leaves after that."""
    it = await world()
    if lost:
        it.fault(FaultKind.RESET, count=1)
    await it.submit("run", KEYS)
    if lost:
        await it.until_state(BatchState.UNCONFIRMED)
    sent, ask = it.calls(it.create), it.platform.user

    async def long_after():
        await getattr(it.store.advance, control)(name="run", now=it.clock.now())
        return await ask()

    monkeypatch.setattr(it.platform, "user", long_after)
    await it.run_for(30.0)
    monkeypatch.setattr(it.platform, "user", ask)
    await it.run_for(2 * HOUR)
    assert it.calls(it.create) == sent
    if control == "pause":
        await it.store.advance.resume(now=it.clock.now(), name="run")
        await it.until_settled("run")
        assert it.created() == ONCE
    else:
        assert (await it.job()).state is JobState.CANCELLED


async def test_another_job_goes_on_while_one_is_paused(world):
    """A pause of one job is nobody else's."""
    it = await world()
    await it.submit("run", KEYS)
    await it.store.advance.pause(now=it.clock.now(), name="run")
    await it.submit("other", ["o1"])
    await it.until_settled("other")
    assert it.created() == {"o1": 1}


async def test_a_paused_account_takes_jobs_and_keeps_them(world):
    """A job that comes in later waits like the others."""
    it = await world()
    await it.store.advance.pause(now=it.clock.now(), account="ica")
    await it.submit("run", KEYS)
    await it.run_for(120)
    assert (it.calls(it.create), (await it.job()).needs) == (0, Needs.PAUSED)
    await it.store.advance.resume(now=it.clock.now(), account="ica")
    await it.until_settled("run")


# ---------------------------------------------------------------- what a job asks for


async def test_a_job_waits_for_others_and_starts_when_they_succeeded(world):
    """Analyses are created only after their links are made."""
    it = await world()
    await it.submit("run", KEYS, after=After(("links",)))
    await it.run_for(60)
    assert (it.calls(it.create), (await it.job()).state) == (0, JobState.WAITING)
    await it.submit("links", ["fil.1"], kind="links")
    await it.until_settled("run", "links")
    assert it.simulator.ledger.effects("analysis")[0].at > it.simulator.ledger.effects("link")[0].at + 3
    assert it.created() == ONCE


async def test_a_job_whose_others_failed_is_skipped_until_they_are_retried(world):
    """Nothing of it is sent before they end as it accepts."""
    it = await world()
    it.duplicates_expected = True
    await it.submit("first", ["f1-fail"])
    await it.submit("run", KEYS, after=After(("first",)))
    await it.until_settled("first", "run")
    assert (await it.job()).state is JobState.SKIPPED
    await it.store.advance.retry("first", now=it.clock.now())
    assert (await it.job()).state is JobState.WAITING
    await it.until_settled("first", "run")
    assert it.created() == {"f1-fail": 2}


async def test_max_open_and_open_items_are_never_exceeded(world):
    """As the platform sees it: items of the job, and of the account, that are not final."""
    it = await world(open_items=6)
    await it.submit("run", [f"s{number}" for number in range(4)], batch_size=2, max_open=2)
    await it.submit("other", [f"o{number}" for number in range(8)], batch_size=2)
    most, most_of_job = 0, 0
    while not all([(await it.job(name)).state.settled for name in ("run", "other")]):
        await it.run_for(15)
        final = {"SUCCEEDED", "FAILED"}
        open_now = [name for name, words in it.simulator.truth.by_reference().items() if not set(words) <= final]
        most = max(most, len(open_now))
        most_of_job = max(most_of_job, sum(name.startswith("s") for name in open_now))
    assert (most, most_of_job) == (6, 2)


async def test_a_job_stops_after_so_many_failures_until_it_is_resumed(world):
    """What is out comes to its end; what was not sent waits for `resume`."""
    it = await world(open_items=2)
    await it.submit("run", ["s0-fail", "s1-fail", "s2", "s3"], batch_size=2, stop_after_failed=2)
    await it.run_for(600)
    assert ((await it.job()).needs, it.calls(it.create)) == (Needs.STOPPED, 1)
    await it.store.advance.resume(now=it.clock.now(), name="run")
    await it.until_settled("run")
    assert (await it.job()).counts == {ItemState.FAILED: 2, ItemState.SUCCEEDED: 2}


async def test_a_retry_policy_sends_failures_again_and_counts_its_attempts(world):
    """Twice in all, with another key, and only for the words it names."""
    it = await world()
    it.duplicates_expected = True
    await it.submit("run", ["s0", "s1-fail", "s2-abort"], retry=it.retry_twice)
    await it.until_settled("run")
    assert it.created() == {"s0": 1, "s1-fail": 2, "s2-abort": 1}
    assert (await it.items())["s1-fail"].attempts == 2
    assert it.simulator.truth.duplicate_tags() == {}
