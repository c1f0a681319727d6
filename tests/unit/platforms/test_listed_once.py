"""Lists that are read once for all batches."""

import anyio
import pytest

from orchestrator.platforms.listed_once import ListedOnce

pytestmark = pytest.mark.anyio


class Lister:
    """Reads a list, and waits for `go` in the middle of it."""

    def __init__(self):
        self.read = []
        self.go = anyio.Event()
        self.error = None

    async def __call__(self, since):
        self.read.append(since)
        await self.go.wait()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return f"since {since}"


async def test_tasks_that_need_it_together_wait_for_one_reading():
    """After a restart eight batches are reconciled at a time, and a list may have many pages."""
    lister, found = Lister(), []
    listed = ListedOnce(lister)

    async def ask(moment):
        found.append(await listed.since(moment))

    async with anyio.create_task_group() as group:
        for moment in (5, 6, 7):
            group.start_soon(ask, moment)
        await anyio.wait_all_tasks_blocked()
        lister.go.set()
    assert (lister.read, found) == ([5], ["since 5"] * 3)


async def test_it_is_read_again_only_for_what_is_older():
    """A list that reaches back further serves the later ones too."""
    lister = Lister()
    lister.go.set()
    listed = ListedOnce(lister)
    assert [await listed.since(moment) for moment in (5, 3, 4)] == ["since 5", "since 3", "since 3"]
    assert lister.read == [5, 3]


async def test_a_failed_reading_is_repeated():
    """The error goes to the task that read; the next one reads for itself."""
    lister = Lister()
    lister.go.set()
    lister.error = OSError("cut")
    listed = ListedOnce(lister)
    with pytest.raises(OSError, match="cut"):
        await listed.since(5)
    assert await listed.since(5) == "since 5"
