"""The aborting step: stop on the platform what a cancelled job created there, also what it creates after the cancel."""

from collections import Counter
from collections.abc import Sequence

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.crashpoints import Point, reach
from orchestrator.domain.errors import Refused
from orchestrator.domain.model import Batch, Item, JobId
from orchestrator.platforms.platform import Platform
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import AbortsSent, Event

PORTION = 50
"""Aborts asked in one step; the rest follow, and urgent requests pass in between."""

ASKED_AGAIN: Micros = 3600 * SECOND
"""After which the platform is asked again to stop what still goes on: it may have declined in passing, or forgotten."""


class Aborting:
    """Asks the platform to stop what nobody wants any more. One request an item, and another each hour."""

    def __init__(self, *, account: str, platform: Platform, store: Store, clock: Clock, bus: Bus[Event]) -> None:
        self._account = account
        self._platform = platform
        self._store = store
        self._clock = clock
        self._bus = bus
        self._troubled: set[tuple[JobId, int]] = set()
        """Items whose abort failed the last time. They come last, so that one that always fails keeps no other back."""

    async def wanted(self) -> bool:
        """Whether anything waits to be stopped."""
        return bool(await self._to_abort(limit=1))

    async def advance(self) -> None:
        """Stop one portion. An item that the platform declines to stop counts as asked: mostly it has ended."""
        counted: Counter[bool] = Counter()
        try:
            for batch, item in sorted(await self._to_abort(limit=PORTION), key=self._is_troubled):
                counted[await self._stop(batch, item)] += 1
        finally:
            if counted:
                self._bus.publish(AbortsSent(self._account, counted[True], counted[False]))

    async def _stop(self, batch: Batch, item: Item) -> bool:
        """Ask for one; returns whether the platform agreed."""
        place = item.job, item.seq
        self._troubled.add(place)
        try:
            await self._platform.abort(batch, item)
            agreed = True
        except Refused:
            agreed = False
        self._troubled.discard(place)
        reach(Point.ABORT_SENT)
        await self._store.advance.abort_sent([item], now=self._clock.now())
        return agreed

    def _is_troubled(self, each: tuple[Batch, Item]) -> bool:
        _, item = each
        return (item.job, item.seq) in self._troubled

    async def _to_abort(self, *, limit: int) -> Sequence[tuple[Batch, Item]]:
        before = self._clock.now() - ASKED_AGAIN
        return await self._store.items.to_abort(self._account, limit=limit, asked_before=before)
