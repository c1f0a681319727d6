"""Many aborts, some of which always fail: each is asked for as soon as it may be, and none waits for another."""

import contextlib

import anyio
import pytest

from orchestrator.domain.errors import Throttled, Transient
from orchestrator.engine import dispatch
from orchestrator.engine.steps import aborting

DAY = 86_400.0
BAD = [f"x{number}" for number in range(60)]
GOOD = [f"y{number}" for number in range(20)]


@pytest.fixture
async def cancelled(world, monkeypatch):
    """Starts a world whose analyses go on for a month, runs a job there and cancels it."""
    monkeypatch.setattr(dispatch, "IDLE_PAUSE", 60.0)

    async def build(keys):
        it = await world(analysis_seconds=30 * DAY)
        await it.submit("run", keys)
        await it.run_for(60.0)
        await it.store.advance.cancel("run", now=it.clock.now())
        return it

    return build


def break_over(it, keys):
    """The platform breaks over these; returns the list of all that it is asked to stop from now on."""
    abort, asked = it.platform.abort, []

    async def strict(batch, item):
        asked.append(item.key)
        if item.key in keys:
            raise Transient("500")
        await abort(batch, item)

    it.platform.abort = strict
    return asked


async def test_more_aborts_that_always_fail_than_a_portion_keep_no_other_back(cancelled):
    """The others are stopped within minutes; those that fail are asked for more and more rarely."""
    it = await cancelled([*BAD, *GOOD])
    asked = break_over(it, BAD)
    await it.run_for(600.0)
    states = await it.states()
    assert {states[key] for key in GOOD} == {"aborted"}
    assert all(asked.count(key) == 1 for key in GOOD)
    assert {states[key] for key in BAD} <= {"submitted", "running"}
    assert len(asked) < 8 * len(BAD)


async def test_aborts_that_fail_no_more_are_made_up_for(cancelled):
    """Nothing is left to run on the platform."""
    it = await cancelled([*BAD, *GOOD])
    abort = it.platform.abort
    break_over(it, BAD)
    await it.run_for(300.0)
    it.platform.abort = abort
    await it.until_settled("run", within=3600.0)
    assert set(it.simulator.truth.analyses().values()) == {"ABORTED"}


async def test_where_more_fail_than_are_remembered_all_have_their_turn(cancelled, monkeypatch):
    """Those that failed longest make room: they count as asked for an hour."""
    monkeypatch.setattr(aborting, "MOST_RESTING", 50)
    it = await cancelled([*BAD, *GOOD])
    asked, step = break_over(it, BAD), it.dispatch._aborting
    for _ in range(60):
        with contextlib.suppress(Transient):
            await step.advance()
        it.time.move(120.0)
    assert all(asked.count(key) > 0 for key in [*BAD, *GOOD])
    assert min(asked.count(key) for key in BAD) > 1
    assert len(step._resting) <= 50


async def test_a_spent_budget_stops_the_portion(cancelled):
    """The others would fare no better, and nothing rests for it."""
    it = await cancelled(GOOD)
    abort, asked = it.platform.abort, []

    async def spent_at_first(batch, item):
        asked.append(item.key)
        if len(asked) <= aborting.AT_A_TIME:
            raise Throttled("429")
        await abort(batch, item)

    it.platform.abort = spent_at_first
    await it.run_for(5.0)
    assert asked == [*GOOD[: aborting.AT_A_TIME], *GOOD]


async def test_several_aborts_are_under_way_at_a_time(cancelled):
    """One that hangs keeps none of its neighbours waiting; no more than a few are sent at once."""
    it = await cancelled([*BAD, *GOOD])
    abort, now, most = it.platform.abort, [0], [0]

    async def slow(batch, item):
        now[0] += 1
        most[0] = max(most[0], now[0])
        await anyio.lowlevel.checkpoint()
        await abort(batch, item)
        now[0] -= 1

    it.platform.abort = slow
    await it.run_for(60.0)
    assert most[0] == aborting.AT_A_TIME
