"""Exponential backoff, with and without jitter."""

from dataclasses import dataclass
from random import Random

_LAST_DOUBLING = 62
"""Maximum exponent; larger ones would only overflow, as the cap is reached long before."""


def doubled(first: float, attempt: int, cap: float) -> float:
    """`first` seconds after attempt number 1, twice as many after each that follows, and `cap` at most."""
    return min(first * 2.0 ** min(max(attempt - 1, 0), _LAST_DOUBLING), cap)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter over a floor: attempt n waits between `floor` and `floor + first * 2**(n-1)`, and `cap` at most.

    All three are seconds. The jitter spreads callers that failed together; the floor prevents immediate retries.
    """

    floor: float
    first: float
    cap: float

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= self.cap or self.first <= 0:
            raise ValueError(f"a backoff needs 0 <= floor <= cap and first > 0, not {self}")

    def delay(self, attempt: int, random: Random) -> float:
        """Seconds to wait after attempt number `attempt`, counted from 1, has failed."""
        return self.floor + random.random() * doubled(self.first, attempt, self.cap - self.floor)
