"""Looks for tests of the schedule, and what an account can afford."""

from orchestrator.domain.cadence import Aims, Means, Prospect
from orchestrator.domain.model import Look

AIMS = Aims(min_interval=10, max_interval=300)


def look(name, *, cost=1, word=None):
    return Look(name=name, route="items", project="p", subjects={}, batches=(), cost=cost, word=word)


def want(schedule, looks, *, now):
    """Looks with the age of what they cover; of its durations nothing is known, and each request promises as much."""
    schedule.want([(each, prospect(each, age)) for each, age in looks], now=now)


def prospect(look, age, **changes):
    known = {"age": max(0.0, age), "forecast": 0.1 * max(age, 1), "ends": look.cost}
    return Prospect(**(known | changes))


def means(used=0.0, requests=1000, per=300):
    """What an account can afford: a window of which so much is spent."""
    return lambda: Means(requests, per, used)


def names(looks):
    return [each.name for each in looks]
