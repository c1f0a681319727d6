"""How long the engine waits before it tries again."""

from collections.abc import Callable
from functools import partial
from random import Random

from orchestrator.domain.backoff import Backoff

Pauses = Callable[[int], float]
"""Failures in a row, counted from 1 → seconds."""


def pauses(random: Random) -> Pauses:
    """The engine's own: from half a second to a minute, with jitter, so that many steps do not come back at once."""
    return partial(Backoff(floor=0.5, first=1.0, cap=60.0).delay, random=random)
