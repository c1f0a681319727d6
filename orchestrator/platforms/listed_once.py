"""A list that is read once for all that need it."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from orchestrator.clock import Micros

Listed = TypeVar("Listed")


class ListedOnce(Generic[Listed]):
    """What was begun before this process: read again only for a batch that needs what is older.

    Tasks that need it at the same time wait for one reading, which may take many requests.
    """

    def __init__(self, read: Callable[[Micros], Awaitable[Listed]]) -> None:
        """`read` lists what was begun at a time or later."""
        self._read = read
        self._held: tuple[Micros, Listed] | None = None
        self._reading = anyio.Lock()

    async def since(self, moment: Micros) -> Listed:
        """What was begun at `moment` or later, and possibly what is older."""
        async with self._reading:
            if self._held is None or self._held[0] > moment:
                self._held = moment, await self._read(moment)
            return self._held[1]
