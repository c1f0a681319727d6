"""The slots of one rate limiter, and when each may be used again.

The law: *a slot is taken before the send and comes free one window after the response.* The platform counts a request
at some moment between its send and its response. The next request on the same slot leaves at least one window after
that response, so it is counted at least one window after the first. Each slot is therefore counted at most once in any
window, and N slots at most N times: for a sliding window and for a fixed one of any anchor, at any latency, without a
shared clock.
"""

import math
from bisect import bisect_left, insort
from dataclasses import dataclass

from orchestrator.platforms.rate_limit.slots import NEVER, SlotStore, ThrottleState

DRIFT = 2e-4
"""How much faster the local clock may run than the platform's: each is off by at most 100 ppm."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of a platform per credential: `requests` in any `per` seconds, of which a share is used."""

    requests: int
    per: float
    use_at_most: float = 1.0

    def __post_init__(self) -> None:
        if self.requests < 1:
            raise ValueError(f"a budget needs at least 1 request, not {self.requests}")
        if not 0 < self.per < math.inf:
            raise ValueError(f"a budget needs a window of more than 0 seconds, not {self.per}")
        if not 0 < self.use_at_most <= 1:
            raise ValueError(f"use_at_most is a share above 0 and up to 1, not {self.use_at_most}")

    @property
    def slots(self) -> int:
        """Requests that may be counted in one window."""
        return max(1, math.floor(self.requests * self.use_at_most + 1e-9))  # 0.57 of 100 is 57, whatever floats say


class Window:
    """Slots, each free, in flight, or returning: released less than a window ago."""

    def __init__(self, limit: Limit, store: SlotStore, now: float) -> None:
        self.size = limit.slots
        self.in_flight = 0
        self.returned = 0
        """Number of slots that became free since the start; the difference of two readings is what returned between."""
        self._hold = limit.per * (1 + DRIFT)
        self._store = store
        released = store.open(self.size, limit.per, now)
        self._free = [slot for slot, at in enumerate(released) if at == NEVER]
        self._returning = sorted((at + self._hold, slot) for slot, at in enumerate(released) if at != NEVER)
        self.free(now)

    def free(self, now: float) -> int:
        """The number of slots that may be taken."""
        returning = self._returning
        if returning and returning[0][0] <= now:
            back = bisect_left(returning, (now, self.size))
            self._free.extend(slot for _, slot in returning[:back])
            del returning[:back]
            self.returned += back
        return len(self._free)

    @property
    def next_return(self) -> float:
        """When the next returning slot becomes free; infinity when there is none."""
        return self._returning[0][0] if self._returning else math.inf

    @property
    def throttle(self) -> ThrottleState:
        """The throttling of the account that was stored last."""
        return self._store.throttle

    def keep(self, throttle: ThrottleState) -> None:
        """Store the throttling of the account across restarts."""
        self._store.keep(throttle)

    def returns_before(self, at: float) -> int:
        """How many returning slots become free before `at`."""
        return bisect_left(self._returning, (at, -1))

    def take(self, now: float) -> int:
        """Take a free slot; the request may be sent once this has returned."""
        slot = self._free.pop()
        self._store.take(slot, now)
        self.in_flight += 1
        return slot

    def release(self, slot: int, at: float) -> None:
        """Release a slot whose request was counted at `at` or earlier: it becomes free one window later."""
        self._store.release(slot, at)
        self.in_flight -= 1
        insort(self._returning, (at + self._hold, slot))

    def put_back(self, slot: int) -> None:
        """Free a slot at once, as its request was not sent."""
        self._store.undo(slot)
        self.in_flight -= 1
        self._free.append(slot)
