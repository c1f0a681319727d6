"""Clocks that jump, machines that sleep: nothing is sent twice, nothing is given up, the budget holds."""

import pytest

from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(6)]
ONCE = dict.fromkeys(KEYS, 1)
DONE = dict.fromkeys(KEYS, "succeeded")


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY])
async def test_a_jump_of_the_wall_clock_holds_nothing_up(world, jump):
    """Looks run on the monotonic clock: after any jump the next comes within one interval."""
    it = await world(analysis_seconds=250.0)
    await it.submit("run", KEYS)
    await it.run_for(120)
    it.clock.step(jump)
    before = it.calls("searchAnalyses")
    await it.run_for(61)
    assert it.calls("searchAnalyses") > before
    await it.submit("later", ["l1"])
    await it.until_settled("run", "later", within=2 * HOUR)
    assert it.created() == ONCE | {"l1": 1}
    assert await it.states() == DONE


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_jump_while_an_answer_is_missing_sends_nothing_twice(world, jump):
    """Whatever our clock says of a key's age: what may have arrived is found before it is sent."""
    it = await world()
    it.fault(FaultKind.RESET_AFTER, count=1)
    await it.submit("run", KEYS)
    await it.turn()
    it.clock.step(jump)
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE


async def test_a_night_of_sleep_is_taken_up_where_it_was_left(world):
    """Looks are due at once, tokens are renewed, a lost submission is found out; no item is timed out."""
    it = await world(analysis_seconds=4 * HOUR)
    it.fault(FaultKind.RESET_AFTER, nth=2)
    await it.submit("run", KEYS, batch_size=3)
    await it.turn()
    it.suspend(10 * HOUR)
    asked = sum(it.simulator.ledger.calls.values())
    await it.run_for(60)
    assert sum(it.simulator.ledger.calls.values()) > asked
    await it.until_settled("run", within=6 * HOUR)
    assert it.created() == ONCE
    assert await it.states() == DONE


async def test_a_clock_that_drifts_sends_nothing_twice(world):
    """A wall clock that loses two seconds a minute is corrected now and then, by a jump."""
    it = await world(analysis_seconds=900.0)
    it.fault(FaultKind.RESET_AFTER, probability=0.3)
    await it.submit("run", [f"s{number}" for number in range(12)], batch_size=2)
    for minute in range(30):
        await it.run_for(60)
        it.clock.step(-2.0 if minute % 10 else 18.0)
    await it.until_settled("run", within=3 * HOUR)
    assert set(it.created().values()) == {1}


@pytest.mark.parametrize("jumps", [(), (HOUR, -HOUR, 4000.0, -DAY)], ids=["steady", "jumping"])
async def test_the_budget_holds_whatever_the_clocks_do(world, jumps):
    """The platform never counts more requests in a window than were granted: nobody is ever refused."""
    it = await world(budget=12, analysis_seconds=600.0)
    await it.submit("run", [f"s{number}" for number in range(20)], batch_size=1)
    for jump in (*jumps, 0.0, 0.0):
        await it.run_for(400)
        it.suspend(100)
        it.clock.step(jump)
    await it.until_settled("run", within=6 * HOUR)
    assert it.answers(429) == 0
    assert max(usage.worst for usage in it.simulator.budget.usage.values()) <= 12
    assert len(it.created()) == 20
