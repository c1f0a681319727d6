"""Every kind of work on the simulated Seven Bridges, with the daemon killed at every named point of the engine."""

import pytest
from platform_setups import SEVEN_BRIDGES
from seven_bridges_work import NEVER, WORK, done, made, submit
from virtual_time import POLLING, SUBMITTING

from orchestrator.crash_points import CrashPoint
from orchestrator.simulator import FaultKind

HOUR = 3600.0
UNPOLLED = "updates"
"""Ended when it is answered."""
STOPPED = ("tasks", "batch_tasks", "runs")
"""What can be stopped on the platform."""


def points(kind):
    """The points that a job of this kind passes, each with the pass at which the daemon dies."""
    named = [*SUBMITTING, *(() if kind == UNPOLLED else POLLING)]
    times = (1, 2) if kind in {"tasks", "batch_tasks"} else (1,)
    return [(point, nth) for point in named for nth in times]


@pytest.mark.parametrize(("kind", "point", "nth"), [(kind, *each) for kind in WORK for each in points(kind)])
async def test_a_kill_at_any_named_point_changes_nothing(world, die_at, kind, point, nth):
    """The next life ends the job as a single one would, and each item is done once."""
    it, keys = await world(setup=SEVEN_BRIDGES, automation_tasks=1), WORK[kind].keys
    if point is CrashPoint.BATCH_REFUSED:
        it.fault(FaultKind.ERROR, WORK[kind].operations[0], status=400, count=nth)
    die_at(point, nth)
    await submit(it, "run", keys, kind=kind)
    killed = await it.killed_or(it.until_settled("run", within=6 * HOUR))
    assert killed, f"{point} was not reached"
    if WORK[kind].repeat == NEVER and point in {CrashPoint.BATCH_BEGUN, CrashPoint.BATCH_REFUSED}:
        await it.run_for(6 * HOUR)
        assert ((await it.job()).needs, made(it, WORK[kind].effect)) == ("blocked", {})
        return
    await it.until_settled("run", within=6 * HOUR)
    states = await it.states()
    if point is not CrashPoint.BATCH_REFUSED:
        assert [states[key] for key in keys] == ["succeeded", "failed", "succeeded"]
    assert all(count <= 1 for count in done(it, kind).values())


@pytest.mark.parametrize("kind", [kind for kind in WORK if kind != UNPOLLED])
async def test_a_cancelled_job_leaves_nothing_running_that_can_be_stopped(world, kind):
    """Tasks and runs are stopped; transfers and file jobs go to their ends; what was not sent is not."""
    it = await world(setup=SEVEN_BRIDGES, open_items=2)
    keys = [f"a/{number}-slow" for number in range(3)]
    await submit(it, "run", keys, kind=kind, batch_size=1)
    await it.run_for(10.0)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=6 * HOUR)
    states = [(await it.states())[key] for key in keys]
    assert (await it.job()).state == "cancelled"
    assert set(states) <= ({"aborted", "cancelled"} if kind in STOPPED else {"succeeded", "cancelled"})
    assert len(made(it, WORK[kind].effect)) == sum(state != "cancelled" for state in states)


@pytest.mark.parametrize("kind", STOPPED)
async def test_a_kill_after_an_abort_stops_all_the_same(world, die_at, kind):
    """The answer to the abort was not stored: it is asked for again, which the platform refuses or does once more."""
    it = await world(setup=SEVEN_BRIDGES)
    die_at(CrashPoint.ABORT_SENT)
    await submit(it, "run", ["a-slow"], kind=kind)
    await it.run_for(10.0)
    await it.store.advance.cancel("run", now=it.clock.now())
    assert await it.killed_or(it.until_settled("run", within=6 * HOUR))
    await it.until_settled("run", within=6 * HOUR)
    assert (await it.states())["a-slow"] == "aborted"
    assert made(it, WORK[kind].effect) == {"a-slow": 1}
