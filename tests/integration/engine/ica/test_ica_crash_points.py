"""Every family of ICA and workflow sessions, with the daemon killed at every named point of the engine."""

import pytest
from ica_families import FAMILIES, STATES, made, submit
from session_jobs import begin, follow, shown
from virtual_time import POLLING, SUBMITTING

from orchestrator.crash_points import CrashPoint
from orchestrator.domain.submission import Resend
from orchestrator.simulator import FaultKind

HOUR = 3600.0
ALIKE = {"copy-folders", "bundle-unlinking"}
"""Submitted and polled by the code that others have, with the same rule of repeats."""
OF_EACH_RULE = {"unlinking", "move", "samples"}
IN_DOUBT = {CrashPoint.BATCH_BEGUN, CrashPoint.BATCH_SENT, CrashPoint.BATCH_REFUSED}
"""Here the rules of repeats differ; at the other points all families are alike."""
UNSENT = {CrashPoint.BATCH_BEGUN, CrashPoint.BATCH_REFUSED}
"""Here it cannot be known that nothing was done."""
POINTS = (*SUBMITTING, *POLLING)
FOLLOWING = (
    (CrashPoint.BATCH_FOLLOWED, 1),
    *((point, nth) for point in (CrashPoint.PAGE_READ, CrashPoint.PAGE_WRITTEN) for nth in (1, 2, 4, 7)),
)
NIGHT = {
    "tonight": "partial",
    "run-1": "succeeded",
    "run-1/a1": "succeeded",
    "run-1/a2": "succeeded",
    "run-2-fail": "failed",
    "run-2-fail/a1": "succeeded",
}


@pytest.mark.parametrize(
    ("name", "point"),
    [
        (name, point)
        for name in FAMILIES
        for point in POINTS
        if name not in ALIKE and (point in IN_DOUBT or name in OF_EACH_RULE)
    ],
)
async def test_a_kill_at_any_named_point_changes_nothing(world, die_at, name, point):
    """The next life ends the job as a single one would; what may not be repeated is found, or is blocked."""
    it, family = await world(), FAMILIES[name]
    if point is CrashPoint.BATCH_REFUSED:
        it.fault(FaultKind.ERROR, family.operation, status=400, count=1)
    die_at(point)
    await submit(it, family)
    assert await it.killed_or(it.until_settled("run", within=6 * HOUR)), f"{point} was not reached"
    if family.resend is Resend.NEVER and point in UNSENT:
        await it.run_for(6 * HOUR)
        assert ((await it.job()).needs, made(it, family)) == ("blocked", {})
        return
    await it.until_settled("run", within=6 * HOUR)
    assert list((await it.states()).values()) == STATES
    family.judge(made(it, family))


@pytest.mark.parametrize(("point", "nth"), FOLLOWING)
async def test_a_kill_while_sessions_are_followed_changes_nothing(session_lab, die_at, point, nth):
    """Each session and each analysis is one item all the same, below what it belongs to."""
    it = await session_lab()
    begin(it, "run-1", "a1", "a2")
    begin(it, "run-2-fail", "a1", after=10.0)
    die_at(point, nth)
    await follow(it, {"name": "tonight", "until": "+60s"})
    assert await it.killed_or(it.until_settled("run")), f"{point} was not reached"
    await it.until_settled("run")
    assert await shown(it) == NIGHT
