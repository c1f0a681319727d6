"""The plug is pulled at named moments of work that ICA does not have: two steps, items that are followed or found."""

import pytest
from toy import story
from toy.setup import TOY

from orchestrator.crash_points import CrashPoint


@pytest.mark.parametrize(
    "point",
    [
        CrashPoint.BATCH_BEGUN,
        CrashPoint.BATCH_SENT,
        CrashPoint.BATCH_PROCEEDED,
        CrashPoint.BATCH_FOLLOWED,
        CrashPoint.PAGE_WRITTEN,
    ],
)
async def test_a_crash_between_its_steps_runs_nothing_twice(point, lab):
    """Killed there and started again, the daemon leaves the same results, and the server counts each task once."""
    lab.setup, lab.program = TOY, (*lab.program, "--toy")
    async with lab.open():
        story.drop(lab)
        crashed = await lab.run(environ={"CRASH_POINT": point})
        assert crashed.killed, f"{point} was never reached"
        ended = await lab.run()
        assert ended.code == 0, ended.log[-3000:]
        story.judge(lab)
