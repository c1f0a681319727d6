"""When to look next: an output of the budget. `poll` names the aims, the requests left tell how far they can be met."""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass

OBSERVING_SHARE = 0.97
"""The part of the budget that looks may plan with. No more is kept free for submissions: they have a lane of their own,
which takes what it needs from the looks at once (`lanes`). The rest is for credentials, repeats and follow-ups."""

EASY, TIGHT = 0.8, 0.97
"""Parts of a window. Before the first is spent, looks take what they wish; beyond the second, their share only."""

CHANGE_SHARE = 0.1
"""A look is due when this part of what it covers is likely to have changed. Where nothing is known of durations, that
is a tenth of the age: an hour's work is looked at six minutes later, a minute's at once."""

FAVOUR = 4.0
"""Under a tight budget the most promising look waits that much less than the average, the least promising as much more.
"""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a look is likely to find."""

    age: float
    """Seconds since the youngest thing that it covers began."""
    hazard: float
    """The part that ends in a second, of the batch where that is most."""
    ends: float
    """Items of all its batches that end in a second."""
    idle: bool = False
    """The platform says that nothing has begun there yet."""


@dataclass(frozen=True, slots=True)
class Aims:
    """What the account wishes for: seconds between two looks at the same thing."""

    min_interval: float
    max_interval: float

    def interval(self, prospect: Prospect) -> float:
        """Seconds until the same is asked again, were requests for nothing: soon where things are likely to end."""
        if prospect.idle:
            return self.max_interval
        return min(max(self.min_interval, CHANGE_SHARE / prospect.hazard), self.max_interval)


def weights(looks: Collection[tuple[int, Prospect]]) -> list[float]:
    """How unwilling each look is to wait, given as (requests, prospect); 1 for the average, less is more urgent.

    The mean delay of what all looks find is least when intervals go with the square root of requests a change. They are
    rounded to doublings, so that looks at much the same go round together.
    """
    if not looks:
        return []
    logs = [math.log2(requests / max(prospect.ends, 1e-12)) / 2 for requests, prospect in looks]
    mean = sum(logs) / len(logs)
    most = math.log2(FAVOUR)
    return [2.0 ** round(min(max(log - mean, -most), most)) for log in logs]


@dataclass(frozen=True, slots=True)
class Stretch:
    """By how much intervals grow, so that all looks fit into the budget."""

    pressure: float
    """0 while there is more than enough, 1 when looks must keep to their share."""
    scale: float
    """What the interval of a look of weight 1 grows by under full pressure."""

    def of(self, weight: float) -> float:
        """The factor for a look of this weight; never less than 1."""
        return 1.0 + self.pressure * max(0.0, self.scale * weight - 1.0)


@dataclass(frozen=True, slots=True)
class Means:
    """What the account can afford: `requests` in each `per` seconds, for everything it does."""

    requests: int
    per: float

    def stretch(self, wishes: Iterable[tuple[int, float, float]], *, used: float) -> Stretch:
        """How far intervals must grow for these wishes: so many requests each so many seconds, and a weight.

        `used` is the part of the present window that is spent: where the budget would lapse, it is spent on looks; as
        it is used up, the wishes shrink until they fit into the looks' share, those of little weight the least.
        """
        affordable = self.requests * OBSERVING_SHARE / self.per
        wished = weighed = 0.0
        for requests, seconds, weight in wishes:
            wished += requests / seconds
            weighed += requests / seconds / weight
        pressure = min(max((used - EASY) / (TIGHT - EASY), 0.0), 1.0)
        return Stretch(pressure, weighed / affordable if wished > affordable else 0.0)
