"""How long to wait before asking again."""

from dataclasses import dataclass
from random import Random

_LAST_DOUBLING = 62
"""Beyond this the ceiling has long been reached; a larger exponent would only overflow."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter over a floor: attempt n waits between `floor` and `floor + first * 2**(n-1)`, and `cap` at most.

    The jitter keeps many callers from coming back in step; the floor keeps the lucky ones from coming back at once.
    All three are seconds.
    """

    floor: float
    first: float
    cap: float

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= self.cap or self.first <= 0:
            raise ValueError(f"a backoff needs 0 <= floor <= cap and first > 0, not {self}")

    def delay(self, attempt: int, random: Random) -> float:
        """Seconds to wait after attempt number `attempt`, counted from 1, has failed."""
        doublings = min(max(attempt - 1, 0), _LAST_DOUBLING)
        spread = min(self.first * 2.0**doublings, self.cap - self.floor)
        return self.floor + random.random() * spread
