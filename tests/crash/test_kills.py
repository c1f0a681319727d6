"""The plug is pulled at arbitrary moments of the main job."""

import random

import anyio
import pytest


@pytest.mark.parametrize("seed", range(2))
async def test_ten_kills_at_arbitrary_moments_change_nothing(seed, lab, new_story):
    """Killed again and again while it works, the daemon still creates everything once and tells it right."""
    chance = random.Random(seed)
    async with lab.open():
        story = new_story(lab)
        story.drop()
        async with anyio.create_task_group() as group:
            group.start_soon(story.cancel)
            for _ in range(10):
                await lab.run(kill_after=chance.uniform(0.5, 2.0))
            ended = await lab.run()
        assert ended.code == 0, ended.log[-3000:]
        story.judge()
