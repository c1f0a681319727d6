"""When to look next: an output of the budget. `poll` names the aims, the requests left tell how far they can be met."""

from collections.abc import Iterable
from dataclasses import dataclass

OBSERVING_SHARE = 0.97
"""The part of the budget that looks may plan with. No more is kept free for submissions: they have a lane of their own,
which takes what it needs from the looks at once (`lanes`). The rest is for credentials, repeats and follow-ups."""

EASY, TIGHT = 0.8, 0.97
"""Parts of a window. Before the first is spent, looks take what they wish; beyond the second, their share only."""

AGE_SHARE = 0.1
"""A status may be seen late by this part of its age: six minutes after an hour, at once after a minute."""


@dataclass(frozen=True, slots=True)
class Aims:
    """What the account wishes for: seconds between two looks at the same thing."""

    min_interval: float
    max_interval: float

    def interval(self, age: float) -> float:
        """Seconds until something of this age is looked at again, were requests for nothing.

        Young things are looked at often, for that is when they change; old ones rarely.
        """
        return min(max(self.min_interval, age * AGE_SHARE), self.max_interval)


@dataclass(frozen=True, slots=True)
class Means:
    """What the account can afford: `requests` in each `per` seconds, for everything it does."""

    requests: int
    per: float

    def stretch(self, wishes: Iterable[tuple[int, float]], *, used: float) -> float:
        """By how much all intervals must grow; 1 when every wish can be met.

        A wish is (requests, seconds): so many requests each so many seconds. `used` is the part of the present window
        that is spent: where the budget would lapse, it is spent on looks; as it is used up, the wishes shrink together
        until they fit into the looks' share.
        """
        wished = sum(requests / seconds for requests, seconds in wishes)
        affordable = self.requests * OBSERVING_SHARE / self.per
        pressure = min(max((used - EASY) / (TIGHT - EASY), 0.0), 1.0)
        return 1.0 + pressure * max(0.0, wished / affordable - 1.0)
