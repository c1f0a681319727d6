"""Computes poll intervals from the targets of the configuration (`poll:`) and the available request budget."""

import math
from collections.abc import Collection, Container
from dataclasses import dataclass

POLLING_SHARE = 0.97
"""The part of the budget that polls may plan with. Nothing is reserved for submissions: their lane of the rate limiter
takes precedence. The rest is for credentials, retries and follow-ups."""

EASY, TIGHT = 0.8, 0.97
"""Used parts of a window: below the first, polls run at their own interval; above the second, at the affordable one."""

CHANGE_SHARE = 0.1
"""A poll may wait until this part of what it covers is likely to have ended. When no durations are known, this is a
ninth of the age: seven minutes for an hour's work."""

IN_TIME = 0.01
"""An end is seen in time when it is seen within this part of the work's age, or within twice the minimum interval."""

SLACK = 2.0
"""Prompt polls run this many times as often as needed to see ends in time. So they can be stretched under a tight
budget, and there is a margin for delays: earlier pages, follow-ups, and requests that are sent first."""

MAX_STRETCH = 2.0
"""Under a tight budget, intervals differ from the average by at most this factor."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a poll is likely to find."""

    age: float
    """Seconds since the start of the youngest batch that it covers."""
    forecast: float
    """Seconds until `CHANGE_SHARE` of one of its batches is likely to have ended."""
    ends: float
    """Expected number of items that end per second until then."""
    idle: bool = False
    """Whether the platform reports that nothing has begun yet."""
    priority: int = 5
    """The highest priority of its jobs, 0 (first) to 9."""


@dataclass(frozen=True, slots=True)
class PollRest:
    """The shortest and longest useful interval of a poll, in seconds."""

    requests: int
    """Number of requests of the poll."""
    prompt: float
    """With this interval each end is seen in time, however unlikely it is."""
    frugal: float
    """With this interval `CHANGE_SHARE` is likely to have ended in the meantime."""

    def stretched(self, stretch: float) -> float:
        """The interval under `BudgetState.stretch`; beyond `SLACK`, only likely ends are seen in time."""
        stretched = self.prompt * stretch
        return stretched if stretch <= SLACK else min(stretched, self.frugal)


@dataclass(frozen=True, slots=True)
class PollTargets:
    """The configured minimum and maximum seconds between two polls of the same batch."""

    min_interval: float
    max_interval: float

    def demands(
        self, polls: Collection[tuple[int, Forecast]], budget_state: "BudgetState", *, failing: Container[int] = ()
    ) -> "list[PollDemand]":
        """The demand of each poll when the whole budget is available; polls are given as (requests, forecast).

        `failing`: the positions of those that failed last time. They run as their retry delays say, which is seldom,
        and leave their share of the budget to the others.
        """
        rests = [PollRest(requests, self.prompt(forecast), self.frugal(forecast)) for requests, forecast in polls]
        stretch = budget_state.stretch([rest for position, rest in enumerate(rests) if position not in failing])
        return [
            PollDemand(rest.requests, rest.stretched(stretch), weight)
            for rest, weight in zip(rests, weights(polls), strict=True)
        ]

    def prompt(self, forecast: Forecast) -> float:
        """The interval that shows each end in time, however unlikely it is."""
        return self._within(IN_TIME / SLACK * forecast.age)

    def frugal(self, forecast: Forecast) -> float:
        """The interval with which most polls find something; the maximum for work that has not begun."""
        return self.max_interval if forecast.idle else self._within(forecast.forecast)

    def _within(self, seconds: float) -> float:
        return min(max(self.min_interval, seconds), self.max_interval)


def weights(polls: Collection[tuple[int, Forecast]]) -> list[float]:
    """The relative interval of each poll, given as (requests, forecast): 1 on average, less is more urgent.

    The mean delay of what all polls find is least when intervals are proportional to the square root of requests per
    change. Weights are rounded to powers of two, so that similar polls run together. Four steps of priority are a
    factor of two.
    """
    if not polls:
        return []
    logs = [math.log2(requests / max(forecast.ends, 1e-12)) / 2 + forecast.priority / 4 for requests, forecast in polls]
    mean = sum(logs) / len(logs)
    most = math.log2(MAX_STRETCH)
    return [2.0 ** round(min(max(log - mean, -most), most)) for log in logs]


@dataclass(frozen=True, slots=True)
class PollDemand:
    """The requests and interval of a poll when the budget suffices."""

    requests: int
    seconds: float
    """The interval."""
    weight: float
    """See `weights`."""


@dataclass(frozen=True, slots=True)
class BudgetState:
    """The request budget of an account: `requests` in each `per` seconds, for everything it does."""

    requests: int
    per: float
    used: float
    """The used part of the current window."""

    def stretch(self, rests: Collection[PollRest]) -> float:
        """The least stretch, 1 or more, with which all polls fit into their share of the budget.

        Infinity when even frugal polls do not.
        """
        left = self.requests * POLLING_SHARE / self.per
        prompt = sum(rest.requests / rest.prompt for rest in rests)
        stretch = max(1.0, prompt / left)
        if stretch <= SLACK:
            return stretch
        # Polls that reach their frugal interval first stay there, so the others share the rest.
        for rest in sorted(rests, key=lambda rest: rest.frugal / rest.prompt):
            if stretch <= rest.frugal / rest.prompt:
                return stretch
            left -= rest.requests / rest.frugal
            prompt -= rest.requests / rest.prompt
            stretch = prompt / left if left > 0 else math.inf
        return math.inf

    def pace(self, demands: Collection[PollDemand]) -> float:
        """The interval of a poll of weight 1 with which all polls fit into their share; 0 if they fit anyway.

        Other polls wait in proportion to their weight, but at least their own interval. So polls with long intervals
        keep them, and the others share the rest: no poll waits longer than `MAX_STRETCH` times this, or than its own
        interval.
        """
        left = self.requests * POLLING_SHARE / self.per
        if sum(demand.requests / demand.seconds for demand in demands) <= left:
            return 0.0
        comparison = sum(demand.requests / demand.weight for demand in demands)
        pace = comparison / left
        # Polls whose own interval is longer than this pace requires keep it, the longest first.
        for demand in sorted(demands, key=lambda demand: demand.seconds / demand.weight, reverse=True)[:-1]:
            if demand.seconds <= pace * demand.weight:
                break
            left -= demand.requests / demand.seconds
            comparison -= demand.requests / demand.weight
            pace = comparison / left
        return pace

    def interval(self, demand: PollDemand, pace: float) -> float:
        """The interval of a poll, given the `pace` of all.

        While budget is left in the window, each poll has its own interval. As the window is used up, the interval grows
        to the affordable one.
        """
        pressure = min(max((self.used - EASY) / (TIGHT - EASY), 0.0), 1.0)
        affordable = max(demand.seconds, pace * demand.weight)
        return float(demand.seconds ** (1.0 - pressure) * affordable**pressure)
