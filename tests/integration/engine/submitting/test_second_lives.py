"""What was given up and comes up again, and what is killed in between: nothing is paid twice, nothing runs unseen."""

import pytest
from stages import Stage

from orchestrator.domain.model import BatchState, ItemReport, ItemState
from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(6)]
ONCE = dict.fromkeys(KEYS, 1)
DONE = dict.fromkeys(KEYS, "succeeded")
MOST_COMMITS = 60


# ---------------------------------------------------------------- killed after any transaction


async def restored_a_week_later(it):
    await it.submit("run", KEYS, batch_size=3)
    old = await it.backup()
    await it.until_settled("run")
    it.suspend(8 * DAY)
    await it.restore(old)


async def lost_its_answers(it):
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.fault(FaultKind.RESET_AFTER, count=1)
    await it.submit("run", KEYS[:4], batch_size=2)


async def found_in_part(it):
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.fault(FaultKind.ERROR, "getJobs", status=503, lasts=60.0)
    await it.submit("run", [*KEYS[:3], "s3-nocreate", *KEYS[4:]])


async def retried(it):
    it.duplicates_expected = True
    await it.submit("run", ["s0", "s1-fail"], batch_size=1, retry=it.retry_twice)


@pytest.mark.parametrize("begin", [restored_a_week_later, lost_its_answers, found_in_part, retried])
async def test_a_kill_after_any_transaction_changes_nothing(world, begin):
    """However far it came: the next life goes on from there, and creates what the first one would have created."""
    outcomes = set()
    for commits in range(1, MOST_COMMITS):
        it = await world()
        await begin(it)
        it.kill_after(commits)
        killed = await it.killed_or(it.until_settled("run", within=6 * HOUR))
        await it.until_settled("run", within=6 * HOUR)
        outcomes.add((frozenset(it.created().items()), frozenset((await it.states()).items())))
        assert it.simulator.truth.duplicate_tags() == {}
        if not killed:
            break
    assert not killed
    assert len(outcomes) == 1


# ---------------------------------------------------------------- a project that is gone for a while


async def gone_for_a_day(it, **more):
    """The analyses run, and then the platform knows neither them nor the project, for more than a day."""
    await it.submit("run", KEYS, **more)
    await it.run_for(900.0)
    it.fault(FaultKind.ERROR, "searchAnalyses", status=404)
    it.fault(FaultKind.ERROR, "get*", status=404)
    await it.run_for(600.0)
    it.suspend(DAY)
    await it.until_state(BatchState.BLOCKED)
    it.simulator.faults.clear()


async def test_what_runs_in_a_project_that_was_gone_is_not_created_again(world):
    """`retry` of the blocked batch finds the same analyses, and follows them to their end."""
    it = await world(analysis_seconds=3 * DAY)
    await gone_for_a_day(it)
    assert {item.stage for item in (await it.items()).values()} == {Stage.ANALYSIS}
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run", within=4 * DAY)
    assert await it.states() == DONE
    assert it.created() == ONCE


async def test_what_was_being_created_in_a_project_that_was_gone_is_looked_for_first(world):
    """Nothing was known of its analyses when it was given up; they are there all the same."""
    it = await world(creation_seconds=5000.0)
    await gone_for_a_day(it)
    assert {item.stage for item in (await it.items()).values()} == {Stage.CREATION}
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run", within=3 * HOUR)
    assert await it.states() == DONE
    assert it.created() == ONCE


async def test_what_runs_in_a_project_that_was_gone_is_stopped_by_a_cancel(world):
    """Their ids are known, so they are not left to run unseen."""
    it = await world(analysis_seconds=30 * DAY)
    await gone_for_a_day(it)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=DAY)
    assert set((await it.states()).values()) == {"aborted"}
    assert set(it.simulator.truth.analyses().values()) == {"ABORTED"}


async def test_a_cancelled_job_ends_though_its_project_stays_away(world):
    """What cannot be stopped says so in the end."""
    it = await world(analysis_seconds=30 * DAY)
    await gone_for_a_day(it)
    it.fault(FaultKind.ERROR, "searchAnalyses", status=404)
    it.fault(FaultKind.ERROR, "get*", status=404)
    it.fault(FaultKind.ERROR, "abortAnalysis", status=404)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=3 * DAY)
    assert all("check there" in (item.detail or "") for item in (await it.items()).values())


# ---------------------------------------------------------------- what is known of a lost batch


async def test_a_batch_adopted_by_a_wrong_name_is_looked_for_before_it_is_sent_again(world):
    """A person mistyped the id: the analyses of the lost submission are found by their tag, and not paid again."""
    it = await world()
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.fault(FaultKind.QUIRK, "getJobs", quirk="item_vanishes", lasts=60.0)
    it.simulator.change_knobs({"search_lag": 900.0})
    await it.submit("run", KEYS)
    await it.until_state(BatchState.UNCONFIRMED)
    await it.store.advance.adopt("run", 1, "99999999-1111-1111-1111-111111111111", now=it.clock.now())
    it.simulator.change_knobs({"search_lag": 0.0})
    it.fault(FaultKind.ERROR, "searchAnalyses", status=503, lasts=2 * DAY)
    await it.run_for(600.0)
    it.suspend(DAY)
    await it.until_state(BatchState.BLOCKED)
    it.simulator.faults.clear()
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run", within=3 * HOUR)
    assert await it.states() == DONE
    assert it.created() == ONCE


async def test_what_a_search_found_is_not_sent_again_whatever_becomes_of_the_rest(world):
    """Half is found, then ICA lets nobody search for a day, then a person retries."""
    it = await world()
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.fault(FaultKind.ERROR, "getJobs", status=503, lasts=60.0)
    await it.submit("run", [*KEYS, "s6-nocreate-never", "s7-nocreate-never"])
    await it.until_state(BatchState.UNCONFIRMED)

    async def looked_for():
        return (await it.batch()).searched_at is not None

    await it.until(looked_for)
    it.fault(FaultKind.ERROR, "searchAnalyses", status=403)
    it.suspend(DAY)
    await it.until_state(BatchState.BLOCKED)
    it.simulator.faults.clear()
    await it.store.advance.retry("run", now=it.clock.now())
    await it.run_for(2 * HOUR)
    assert {key: it.created()[key] for key in KEYS} == ONCE
    assert {key: state for key, state in (await it.states()).items() if key in KEYS} == DONE
    assert it.calls(it.create) == 2


async def test_a_lost_batch_does_not_wait_for_ever_for_what_was_seen_once(world):
    """An analysis was shown, and is gone before its batch is found: it waits for a person, the batch does not."""
    it = await world()
    it.fault(FaultKind.ERROR, status=500, count=1)
    await it.submit("run", KEYS)
    await it.until_state(BatchState.UNCONFIRMED)
    key = (await it.batch()).key
    seen = [
        ItemReport(key, Stage.ANALYSIS, ItemState.RUNNING, "IN_PROGRESS", seq=seq, key=name, remote_id=f"gone-{name}")
        for seq, name in enumerate(KEYS, start=1)
    ]
    await it.store.advance.apply_reports(seen, now=it.clock.now())
    await it.until_state(BatchState.TRACKING, within=3 * HOUR)
    await it.run_for(2 * HOUR)
    assert set((await it.states()).values()) == {"attention"}
    assert it.created() == {}
