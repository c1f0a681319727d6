"""When to look next: an output of the budget. `poll` names the aims, the requests left tell how far they can be met."""

import math
from collections.abc import Collection
from dataclasses import dataclass

POLLING_SHARE = 0.97
"""The part of the budget that looks may plan with. No more is kept free for submissions: they have a lane of their own,
which takes what it needs from the looks at once (`lanes`). The rest is for credentials, repeats and follow-ups."""

EASY, TIGHT = 0.8, 0.97
"""Parts of a window. Before the first is spent, looks take what they wish; beyond the second, their share only."""

CHANGE_SHARE = 0.1
"""A look may rest until so large a part of what it covers is likely to have ended. Where nothing is known of durations,
that is a ninth of the age: an hour's work is looked at seven minutes later, a minute's at once."""

IN_TIME = 0.01
"""Of the age of work: an end is seen in time before the work is so much older, or twice the minimal interval."""

SLACK = 2.0
"""Prompt looks come so many times as often as ends seen in time ask for. So they may be stretched to that where the
budget asks for it, and there is room for what delays an answer: the pages before it, the follow-up behind it, requests
that others send first."""

MAX_STRETCH = 2.0
"""Under a tight budget the most promising look waits that much less than the average, the least promising as much more.
"""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a look is likely to find."""

    age: float
    """Seconds since the youngest thing that it covers began."""
    forecast: float
    """Seconds until `CHANGE_SHARE` of a batch is likely to have ended, of the batch where that comes first."""
    ends: float
    """Items of all its batches that end in a second, until then."""
    idle: bool = False
    """The platform says that nothing has begun there yet."""
    priority: int = 5
    """Of the job that matters most, 0 (first) to 9."""


@dataclass(frozen=True, slots=True)
class PollRest:
    """Between which bounds a look may rest, in seconds."""

    requests: int
    """What the look takes."""
    prompt: float
    """So that each end is seen in time, however unlikely it was."""
    frugal: float
    """So that a tenth is likely to have ended meanwhile."""

    def stretched(self, stretch: float) -> float:
        """The rest under a `Means.stretch`. Where not all ends can be seen in time, the likely ones are."""
        stretched = self.prompt * stretch
        return stretched if stretch <= SLACK else min(stretched, self.frugal)


@dataclass(frozen=True, slots=True)
class PollTargets:
    """What the account wishes for: seconds between two looks at the same thing."""

    min_interval: float
    max_interval: float

    def demands(self, polls: Collection[tuple[int, Forecast]], budget_state: "BudgetState") -> "list[PollDemand]":
        """What each look would take if all had the budget that is idle; looks are given as (requests, prospect)."""
        rests = [PollRest(requests, self.prompt(forecast), self.frugal(forecast)) for requests, forecast in polls]
        stretch = budget_state.stretch(rests)
        return [
            PollDemand(rest.requests, rest.stretched(stretch), weight)
            for rest, weight in zip(rests, weights(polls), strict=True)
        ]

    def prompt(self, forecast: Forecast) -> float:
        """Seconds between two looks that show each end in time, however unlikely it is."""
        return self._within(IN_TIME / SLACK * forecast.age)

    def frugal(self, forecast: Forecast) -> float:
        """Seconds between two looks that find something most times. What has not begun cannot end."""
        return self.max_interval if forecast.idle else self._within(forecast.forecast)

    def _within(self, seconds: float) -> float:
        return min(max(self.min_interval, seconds), self.max_interval)


def weights(polls: Collection[tuple[int, Forecast]]) -> list[float]:
    """How unwilling each look is to wait, given as (requests, prospect); 1 for the average, less is more urgent.

    The mean delay of what all looks find is least when intervals go with the square root of requests a change. They are
    rounded to doublings, so that looks at much the same go round together. Four steps of priority make a doubling too.
    """
    if not polls:
        return []
    logs = [math.log2(requests / max(forecast.ends, 1e-12)) / 2 + forecast.priority / 4 for requests, forecast in polls]
    mean = sum(logs) / len(logs)
    most = math.log2(MAX_STRETCH)
    return [2.0 ** round(min(max(log - mean, -most), most)) for log in logs]


@dataclass(frozen=True, slots=True)
class PollDemand:
    """What a look takes where the budget suffices."""

    requests: int
    seconds: float
    """Between two times."""
    weight: float
    """As `weights` tells."""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What the account can afford: `requests` in each `per` seconds, for everything it does."""

    requests: int
    per: float
    used: float
    """The part of the present window that is spent."""

    def stretch(self, rests: Collection[PollRest]) -> float:
        """The least stretch, 1 or more, with which all looks take no more than an easy part of the budget.

        Infinity where even frugal looks take more.
        """
        left = self.requests * EASY / self.per
        prompt = sum(rest.requests / rest.prompt for rest in rests)
        stretch = max(1.0, prompt / left)
        if stretch <= SLACK:
            return stretch
        # Those that are not stretched so far are frugal before: they keep to that, the least stretched first.
        for rest in sorted(rests, key=lambda rest: rest.frugal / rest.prompt):
            if stretch <= rest.frugal / rest.prompt:
                return stretch
            left -= rest.requests / rest.frugal
            prompt -= rest.requests / rest.prompt
            stretch = prompt / left if left > 0 else math.inf
        return math.inf

    def pace(self, wishes: Collection[PollDemand]) -> float:
        """The seconds that a look of weight 1 must wait, so that all of them fit into the looks' share; 0 if they do.

        A look of another weight waits in proportion, and none less than it wishes to. So those that are content with
        long intervals keep them, and what they leave is shared by the others: no look waits longer than `FAVOUR` times
        this, or than it wishes.
        """
        left = self.requests * POLLING_SHARE / self.per
        if sum(demand.requests / demand.seconds for demand in wishes) <= left:
            return 0.0
        comparison = sum(demand.requests / demand.weight for demand in wishes)
        pace = comparison / left
        # Those that wish for more than their part at this pace are content: the most content first.
        for demand in sorted(wishes, key=lambda demand: demand.seconds / demand.weight, reverse=True)[:-1]:
            if demand.seconds <= pace * demand.weight:
                break
            left -= demand.requests / demand.seconds
            comparison -= demand.requests / demand.weight
            pace = comparison / left
        return pace

    def interval(self, demand: PollDemand, pace: float) -> float:
        """Seconds between two times of a look, given the `pace` of all.

        Where the budget would lapse, it is spent on looks: each has its wish. As the window is used up, the interval
        grows to what all can afford.
        """
        pressure = min(max((self.used - EASY) / (TIGHT - EASY), 0.0), 1.0)
        affordable = max(demand.seconds, pace * demand.weight)
        return float(demand.seconds ** (1.0 - pressure) * affordable**pressure)
