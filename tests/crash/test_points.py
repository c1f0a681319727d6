"""The plug is pulled at every named moment; what comes of it is what would have come without."""

import anyio
import pytest

from orchestrator.crash_points import CrashPoint


@pytest.mark.parametrize("point", list(CrashPoint))
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
