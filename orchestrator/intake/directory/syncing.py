"""Syncs many files to the disk, several at a time.

A disk combines the flushes that several threads request at the same time, and performs those of one thread one after
the other: fifty files take a tenth of the time.
"""

from collections.abc import Callable, Sequence
from itertools import chain

import anyio
import anyio.to_thread

from orchestrator.durable import begin_sync, sync_file

AT_A_TIME = 8
"""Threads that sync: more of them gain nothing."""


async def sync_all(groups: Sequence[Sequence[int]], step: Callable[[], None]) -> list[OSError | None]:
    """Sync the descriptors of each group; `step` is called after each, by any thread.

    Returns:
        For each group the error that ended it, None where all of it is on the disk. One error holds up no other group.
    """
    errors: list[OSError | None] = [None] * len(groups)

    def sync_some(places: Sequence[int]) -> None:
        begin_sync(chain.from_iterable(groups[place] for place in places))
        for place in places:
            try:
                for descriptor in groups[place]:
                    sync_file(descriptor)
                    step()
            except OSError as error:
                errors[place] = error

    async with anyio.create_task_group() as threads:
        for first in range(min(AT_A_TIME, len(groups))):
            threads.start_soon(anyio.to_thread.run_sync, sync_some, range(first, len(groups), AT_A_TIME))
    return errors
