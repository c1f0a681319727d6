"""A histogram of durations from submission to end, which forecasts when open items are likely to end."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

PRIOR = 2.0
"""The prior for unobserved durations, as a number of ends: the chance of an end falls as 1/age. It has little weight
once some dozens have ended."""

STEPS = 2
"""Classes per doubling of the duration."""

MOST = 2000.0
"""Beyond this number of ends all counts are halved, so that a changed pipeline is learned within some hundred runs."""

_LONGEST = 60 * STEPS
"""The last class; bounds the table when a wrong clock gives an absurd duration."""


@dataclass(slots=True)
class Durations:
    """The durations of one kind of work, in logarithmic classes."""

    counts: list[float] = field(default_factory=list)
    """Number of ends in each class; class `i` begins at 2^(i / STEPS) - 1 seconds."""

    @property
    def total(self) -> float:
        """Total number of ends; old ones count less."""
        return sum(self.counts)

    def note(self, seconds: float) -> None:
        """Add the duration of an item that ended."""
        place = _class_of(seconds)
        self.counts += [0.0] * (place + 1 - len(self.counts))
        self.counts[place] += 1
        if self.total > MOST:
            self.counts = [count / 2 for count in self.counts]

    def remaining(self, age: float, share: float) -> float:
        """Seconds within which `share` of open items of this age is likely to end: a quantile of the remaining time.

        Only durations longer than the age count, spread evenly over their class, and `PRIOR` for unobserved ones.
        """
        since = age = max(age, 1.0)
        later = list(self._later_than(age))
        unended = PRIOR + sum(count for _, count in later)
        left = (1.0 - share) * unended
        for until, count in later:
            then = unended - count - PRIOR * (age / since - age / until)
            if then <= left:
                return since + (unended - left) / (unended - then) * (until - since) - age
            since, unended = until, then
        return PRIOR * age / left - age

    def _later_than(self, age: float) -> Iterator[tuple[float, float]]:
        """The end of each class from that of `age` on, with the number of ends in its part later than `age`."""
        first = _class_of(age)
        for place, count in enumerate(self.counts[first:], start=first):
            begin, end = _begin(place), _begin(place + 1)
            if end > age:
                yield end, count * min(1.0, (end - age) / (end - begin))

    def as_text(self) -> str:
        """Serialize for the store; `from_text` reads it."""
        return ",".join(f"{place}:{count:g}" for place, count in enumerate(self.counts) if count)

    @classmethod
    def from_text(cls, text: str) -> "Durations":
        """Parse the output of `as_text`; invalid parts are skipped."""
        read = cls()
        for part in text.split(","):
            place, _, count = part.partition(":")
            try:
                at, number = int(place), float(count)
            except ValueError:
                continue
            if 0 <= at <= _LONGEST and 0 < number <= MOST:
                read.counts += [0.0] * (at + 1 - len(read.counts))
                read.counts[at] = number
        return read


def _class_of(seconds: float) -> int:
    return min(int(STEPS * math.log2(1.0 + max(seconds, 0.0))), _LONGEST)


def _begin(place: int) -> float:
    return math.exp2(place / STEPS) - 1.0
