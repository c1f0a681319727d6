"""The slots of one budget, and when each may be used again.

The law: *a slot is taken before the send and comes free one window after the response.* The platform counts a request
at some moment between its send and its response. The next request on the same slot leaves at least one window after
that response, so it is counted at least one window after the first. Each slot is therefore counted at most once in any
window, and N slots at most N times: for a sliding window and for a fixed one of any anchor, at any latency, without a
shared clock.
"""

import math
from bisect import bisect_left, insort
from dataclasses import dataclass

from orchestrator.platforms.rate_limit.slots import SlotStore, ThrottleState

DRIFT = 2e-4
"""How much faster our clock may run than the platform's: each is off by at most 100 parts in a million."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a platform grants a credential: `requests` in any `per` seconds, of which we use a share."""

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
        """Requests that may be counted in one window on our account."""
        return max(1, math.floor(self.requests * self.use_at_most + 1e-9))  # 0.57 of 100 is 57, whatever floats say


class Window:
    """Slots, each free, in flight, or on its way back."""

    def __init__(self, limit: Limit, store: SlotStore, now: float) -> None:
        self.size = limit.slots
        self.in_flight = 0
        self.returned = 0
        """Slots that came back since the start: the difference of two readings tells what came back in between."""
        self._hold = limit.per * (1 + DRIFT)
        self._store = store
        self._free: list[int] = []
        released = store.open(self.size, limit.per, now)
        self._returning = sorted((at + self._hold, slot) for slot, at in enumerate(released))
        self.free(now)

    def free(self, now: float) -> int:
        """How many slots may be taken."""
        returning = self._returning
        if returning and returning[0][0] <= now:
            back = bisect_left(returning, (now, self.size))
            self._free.extend(slot for _, slot in returning[:back])
            del returning[:back]
            self.returned += back
        return len(self._free)

    @property
    def next_return(self) -> float:
        """When the next slot comes back; infinity while none is on its way."""
        return self._returning[0][0] if self._returning else math.inf

    @property
    def standing(self) -> ThrottleState:
        """How the account stands with the platform, by what was kept last."""
        return self._store.standing

    def keep(self, standing: ThrottleState) -> None:
        """Remember it beyond the end of the process."""
        self._store.keep(standing)

    def returns_before(self, at: float) -> int:
        """How many slots will have come back before `at`."""
        return bisect_left(self._returning, (at, -1))

    def take(self, now: float) -> int:
        """Stamp a free slot; the request may leave once this has returned."""
        slot = self._free.pop()
        self._store.take(slot, now)
        self.in_flight += 1
        return slot

    def release(self, slot: int, at: float) -> None:
        """The platform counted the request at `at` or earlier: the slot comes back one window later."""
        self._store.release(slot, at)
        self.in_flight -= 1
        insort(self._returning, (at + self._hold, slot))

    def put_back(self, slot: int) -> None:
        """The request never left: the slot is free at once."""
        self._store.undo(slot)
        self.in_flight -= 1
        self._free.append(slot)
