"""The aborting step: stop on the platform what a cancelled job created there, also what it creates after the cancel."""

from orchestrator.clock import Clock
from orchestrator.crashpoints import Point, reach
from orchestrator.domain.errors import Refused
from orchestrator.platforms.platform import Platform
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import AbortsSent, Event

PORTION = 50
"""Aborts asked in one step; the rest follow, and urgent requests pass in between."""


class Aborting:
    """Asks the platform to stop what nobody wants any more. One request an item; asked once."""

    def __init__(self, *, account: str, platform: Platform, store: Store, clock: Clock, bus: Bus[Event]) -> None:
        self._account = account
        self._platform = platform
        self._store = store
        self._clock = clock
        self._bus = bus

    async def wanted(self) -> bool:
        """Whether anything waits to be stopped."""
        return bool(await self._store.items.to_abort(self._account, limit=1))

    async def advance(self) -> None:
        """Stop one portion. An item that the platform no longer stops (it ended) counts as asked."""
        sent = refused = 0
        for batch, item in await self._store.items.to_abort(self._account, limit=PORTION):
            try:
                await self._platform.abort(batch, item)
                sent += 1
            except Refused:
                refused += 1
            reach(Point.ABORT_SENT)
            await self._store.advance.abort_sent([item], now=self._clock.now())
        if sent or refused:
            self._bus.publish(AbortsSent(self._account, sent, refused))
