"""When to look next: an output of the budget. `poll` names the aims, the requests left name the floor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Aims:
    """What the account wishes for: seconds between two looks at the same thing."""

    min_interval: float
    max_interval: float


@dataclass(frozen=True, slots=True)
class Means:
    """What the account can afford: `requests` in each `per` seconds, for everything it does."""

    requests: int
    per: float


OBSERVING_SHARE = 0.6
"""The part of the budget that looks may plan with; submissions, credentials and stragglers live on the rest."""

AGE_SHARE = 0.1
"""A status may be seen late by this part of its age: six minutes after an hour, at once after a minute."""


def interval(aims: Aims, means: Means, *, age: float, round_cost: int) -> float:
    """Seconds until something of this age is looked at again, when looking once at everything costs `round_cost`.

    Young things are looked at often, for that is when they change; old ones rarely. A round never takes less than the
    budget's share allows, whatever the aims say.
    """
    wished = min(max(aims.min_interval, age * AGE_SHARE), aims.max_interval)
    return max(wished, round_cost * means.per / (means.requests * OBSERVING_SHARE))
