"""Every kind of work on the simulated ODM, with the daemon killed at every named point of the engine."""

import pytest
from virtual_time import POLLING, SUBMITTING

from orchestrator.crash_points import CrashPoint
from orchestrator.simulator import FaultKind

HOUR = 3600.0
KINDS = {
    "publications": (("GSF1", "GSF2-fail", "GSF3"), "publish", "publish_study"),
    "imports": (("s1", "s2-fail", "s3"), "import", "start_import"),
}
"""Items of which the second fails, the effect that each has, and the call that submits it."""
POINTS = (*SUBMITTING, *POLLING)


@pytest.mark.parametrize(
    ("point", "nth"), [*((point, 1) for point in POINTS), (CrashPoint.BATCH_SENT, 2), (CrashPoint.PAGE_WRITTEN, 2)]
)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_kill_at_any_named_point_changes_nothing(lab, die_at, kind, point, nth):
    """The next life ends the job as a single one would, and each item is done once.

    A publication that fails leaves no version, so one whose answer was lost is sent once more.
    """
    it, (keys, effect, operation) = await lab(republish="version"), KINDS[kind]
    if point is CrashPoint.BATCH_REFUSED:
        it.fault(FaultKind.ERROR, operation, status=400, count=nth)
    die_at(point, nth)
    await it.submit("run", list(keys), kind=kind)
    assert await it.killed_or(it.until_settled("run", within=6 * HOUR)), f"{point} was not reached"
    await it.until_settled("run", within=6 * HOUR)
    states, made = await it.states(), it.made(effect)
    if point is CrashPoint.BATCH_REFUSED:
        assert list(states.values()).count("failed") == nth  # one in itself, and the refusals that were stored
    else:
        assert list(states.values()) == ["succeeded", "failed", "succeeded"]
    lost = {"GSF2-fail": 1} if (kind, point, nth) == ("publications", CrashPoint.BATCH_SENT, 2) else {}
    assert made == {key: 1 + lost.get(key, 0) for key in made}
    assert set(it.made("version").values()) <= {1}


@pytest.mark.parametrize("point", [CrashPoint.BATCH_PROCEEDED, CrashPoint.BATCH_BEGUN, CrashPoint.BATCH_SENT])
@pytest.mark.parametrize("restart_id", ["new", "same"])
async def test_a_kill_at_any_named_point_of_a_restart_restarts_once(lab, die_at, point, restart_id):
    """The links were imported before and that job failed: the conflict says so, and the second step restarts it."""
    it = await lab(restart_id=restart_id)
    await it.submit("first", ["s1-flaky"])
    await it.until_settled("first")
    die_at(point, 1 if point is CrashPoint.BATCH_PROCEEDED else 2)
    await it.submit("second", ["s1-flaky"])
    assert await it.killed_or(it.until_settled("second", within=6 * HOUR)), f"{point} was not reached"
    await it.until_settled("second", within=6 * HOUR)
    assert await it.states("second") == {"s1-flaky": "succeeded"}
    assert (it.made("import"), it.made("restart")) == ({"s1-flaky": 1}, {"s1-flaky": 1})


@pytest.mark.parametrize("point", [CrashPoint.BATCH_FOLLOWED, CrashPoint.PAGE_READ, CrashPoint.PAGE_WRITTEN])
async def test_a_kill_while_tasks_are_followed_changes_nothing(lab, die_at, point):
    """They are followed again, each to its own end."""
    it = await lab()
    die_at(point)
    await it.submit("run", ["GSF1", "GSF2-kill"], kind="tasks", follow_only=True)
    assert await it.killed_or(it.until_settled("run")), f"{point} was not reached"
    await it.until_settled("run")
    assert await it.states() == {"GSF1": "succeeded", "GSF2-kill": "aborted"}


async def test_a_kill_after_an_abort_stops_all_the_same(lab, die_at):
    """The answer to the stop was not stored: it is asked for again, which ODM refuses or does once more."""
    it = await lab()
    die_at(CrashPoint.ABORT_SENT)
    await it.submit("run", ["s1-stuck"])
    await it.run_for(30.0)
    await it.store.advance.cancel("run", now=it.clock.now())
    assert await it.killed_or(it.until_settled("run", within=6 * HOUR)), "no abort was sent"
    await it.until_settled("run", within=6 * HOUR)
    assert await it.states() == {"s1-stuck": "aborted"}
