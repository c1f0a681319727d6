"""The plug is pulled at the very calls that make things last: every kind of sync, every kind of rename."""

import anyio
import pytest

SYNCS = "fsync,fdatasync"
RENAMES = "rename,renameat,renameat2"
NUMBERS = (1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90, 135, 200, 300, 500, 1000)
"""Which call of its kind, in one thread, is the last one of each life; the first ones are made while it starts."""


def killed_at(calls, number):
    """Runs a program under strace, which kills it as one of its threads makes its n-th such call."""
    inject = f"inject={calls}:signal=SIGKILL:when={number}"
    return ("strace", "-D", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject)


@pytest.mark.parametrize("calls", [SYNCS, RENAMES])
async def test_a_crash_at_a_call_that_makes_things_last_changes_nothing(calls, lab, new_story, needs):
    """Each daemon dies at a later such call, until one comes to its end; the outcome is that of a single life."""
    needs("strace")
    async with lab.open():
        story = new_story(lab)
        story.drop()
        async with anyio.create_task_group() as group:
            group.start_soon(story.cancel)
            deaths = 0
            while (ended := await lab.run(under=killed_at(calls, NUMBERS[deaths]))).killed:
                deaths += 1
        assert ended.code == 0, ended.log[-3000:]
        assert deaths > 1
        ended = await lab.run()
        assert ended.code == 0
        story.judge()
