"""The aborting step: aborts on the platform what a cancelled job created there, before or after the cancellation."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import anyio

from orchestrator.clock import SECOND, Clock, Micros
from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.errors import Refused, Throttled, Unauthorised
from orchestrator.domain.model import Batch, Item, JobId
from orchestrator.platforms.platform import Platform
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import AbortsSent, Event

PORTION = 50
"""Aborts sent in one step; more urgent requests go out between steps."""

AT_A_TIME = 8
"""Maximum aborts in flight; the rate limiter, not this, sets the pace."""

ASKED_AGAIN: Micros = 3600 * SECOND
"""Time after which an abort is repeated for an item that is still running: the first may have been lost or refused."""

FIRST_REST, LONGEST_REST = 15.0, 900.0
"""Seconds until a failed abort is retried, doubled with each failure; first and maximum."""

MOST_RESTING = 200
"""Maximum failed aborts that are remembered. When more fail, the oldest of them count as sent for an hour."""

Place = tuple[JobId, int]


@dataclass(frozen=True, slots=True)
class _Rest:
    until: float
    seconds: float


class Aborting:
    """Sends the aborts of one account: one request per item, repeated each hour while the item is running.

    A failed abort is retried after a growing delay, and does not delay the others.
    """

    def __init__(self, *, account: str, platform: Platform, store: Store, clock: Clock, bus: Bus[Event]) -> None:
        self._account = account
        self._platform = platform
        self._store = store
        self._clock = clock
        self._bus = bus
        self._kinds = frozenset(name for name, kind in platform.kinds.items() if kind.abortable)
        self._resting: dict[Place, _Rest] = {}

    async def wanted(self) -> bool:
        """Whether any item is to be aborted now."""
        return bool(await self._to_abort(limit=1))

    async def advance(self) -> None:
        """Abort up to `PORTION` items. A refused abort counts as sent: usually the item has ended.

        Raises:
            OrchestratorError: some aborts failed, and no others are due.
        """
        counted: Counter[bool] = Counter()
        try:
            await self._stop_all(await self._to_abort(limit=PORTION), counted)
        finally:
            if counted:
                self._bus.publish(AbortsSent(self._account, counted[True], counted[False]))

    async def _stop_all(self, portion: Sequence[tuple[Batch, Item]], counted: Counter[bool]) -> None:
        failures: list[Exception] = []
        for begin in range(0, len(portion), AT_A_TIME):
            some = portion[begin : begin + AT_A_TIME]
            outcomes = await self._ask_all(some)
            crash_point(CrashPoint.ABORT_SENT)
            counted.update(outcome for outcome in outcomes if not isinstance(outcome, Exception))
            failures += [outcome for outcome in outcomes if isinstance(outcome, Exception)]
            await self._note([item for _, item in some], outcomes)
            for failure in failures:
                if isinstance(failure, (Throttled, Unauthorised)):
                    raise failure
        others_wait = len(portion) == PORTION and len(self._resting) < MOST_RESTING
        if failures and not others_wait:
            raise failures[0]

    async def _ask_all(self, some: Sequence[tuple[Batch, Item]]) -> list[bool | Exception]:
        """Send these aborts concurrently; returns for each whether the platform accepted it, or the error."""
        outcomes: list[bool | Exception] = [False] * len(some)

        async def ask(place: int, batch: Batch, item: Item) -> None:
            outcomes[place] = await self._ask(batch, item)

        async with anyio.create_task_group() as group:
            for place, (batch, item) in enumerate(some):
                group.start_soon(ask, place, batch, item)
        return outcomes

    async def _ask(self, batch: Batch, item: Item) -> bool | Exception:
        try:
            await self._platform.abort(batch, item)
        except Refused:
            return False
        except Exception as failure:  # noqa: BLE001 - a failure must not cancel the others; it is raised after them
            return failure
        return True

    async def _note(self, items: Sequence[Item], outcomes: Sequence[bool | Exception]) -> None:
        asked = []
        for item, outcome in zip(items, outcomes, strict=True):
            place = item.job, item.seq
            if not isinstance(outcome, Exception) or self._has_failed_enough(place):
                self._resting.pop(place, None)
                asked.append(item)
            elif not isinstance(outcome, (Throttled, Unauthorised)):
                self._rest(place)
        if asked:
            await self._store.advance.abort_sent(asked, now=self._clock.now())

    # ------------------------------------------------------------ what failed

    def _has_failed_enough(self, place: Place) -> bool:
        """Whether the item must make room for others."""
        rest = self._resting.get(place)
        return rest is not None and rest.seconds >= LONGEST_REST and len(self._resting) >= MOST_RESTING

    def _rest(self, place: Place) -> None:
        """Delay the retry of a failed abort, unless too many are delayed already."""
        before = self._resting.pop(place, None)
        if len(self._resting) < MOST_RESTING:
            seconds = min(2 * before.seconds, LONGEST_REST) if before is not None else FIRST_REST
            self._resting[place] = _Rest(self._clock.monotonic() + seconds, seconds)

    async def _to_abort(self, *, limit: int) -> Sequence[tuple[Batch, Item]]:
        """The next items to abort. Those whose retry is delayed are left out; those whose delay has ended come last."""
        now = self._clock.monotonic()
        for place, rest in list(self._resting.items()):
            if now - rest.until > LONGEST_REST:  # not retried since: the item has ended
                del self._resting[place]
        wall, most = self._clock.now(), limit + len(self._resting)
        found = await self._store.items.to_abort(
            self._account, self._kinds, limit=most, now=wall, asked_before=wall - ASKED_AGAIN
        )
        fresh = [each for each in found if _place(each) not in self._resting]
        due = {place for place, rest in self._resting.items() if rest.until <= now}
        rested = [each for each in found if _place(each) in due]
        return [*fresh, *rested][:limit]


def _place(each: tuple[Batch, Item]) -> Place:
    _, item = each
    return item.job, item.seq
