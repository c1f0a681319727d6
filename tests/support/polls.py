"""Polls for tests of the schedule, and what an account can afford."""

from orchestrator.domain.model import Poll
from orchestrator.domain.polling.targets import BudgetState, Forecast, PollTargets

AIMS = PollTargets(min_interval=10, max_interval=300)


def poll(name, *, cost=1, word=None):
    return Poll(name=name, route="items", project="p", subjects={}, batches=(), cost=cost, word=word)


def want(schedule, polls, *, now):
    """Looks with the age of what they cover; of its durations nothing is known, and each request promises as much."""
    schedule.want([(each, forecast(each, age)) for each, age in polls], now=now)


def forecast(poll, age, **changes):
    known = {"age": max(0.0, age), "forecast": 0.1 * max(age, 1), "ends": poll.cost}
    return Forecast(**(known | changes))


def budget_state(used=0.0, requests=1000, per=300):
    """What an account can afford: a window of which so much is spent."""
    return lambda: BudgetState(requests, per, used)


def names(polls):
    return [each.name for each in polls]
