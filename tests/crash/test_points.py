"""The plug is pulled at every named moment; what comes of it is what would have come without."""

import anyio
import pytest

from orchestrator.crash_points import CrashPoint

BEYOND_ICA = {CrashPoint.BATCH_PROCEEDED, CrashPoint.BATCH_FOLLOWED}
"""Reached by no kind of work of this story; see test_toy_points.py."""


@pytest.mark.parametrize("point", [point for point in CrashPoint if point not in BEYOND_ICA])
async def test_a_crash_at_any_named_moment_changes_nothing(point, lab, new_story):
    """Killed there and started again, the daemon leaves the same results, and nothing is created twice."""
    async with lab.open():
        story = new_story(lab)
        story.drop()
        async with anyio.create_task_group() as group:
            group.start_soon(story.cancel)
            crashed = await lab.run(environ={"CRASH_POINT": point})
            assert crashed.killed, f"{point} was never reached"
            ended = await lab.run()
        assert ended.code == 0, ended.log[-3000:]
        story.judge()
