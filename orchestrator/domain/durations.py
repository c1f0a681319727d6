"""How long things took from their submission to their end: what tells when the next ones are likely to end."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

PRIOR = 2.0
"""What is believed of things that nobody has seen end: as if so many had ended in a time that many times their age, so
that the chance falls as 1/age. Weighs little once some dozens have ended."""

STEPS = 2
"""Classes for each doubling of the duration."""

MOST = 2000.0
"""Beyond so many ends the old ones count half: a pipeline that was made faster is believed after some hundred runs."""

_LONGEST = 60 * STEPS
"""Beyond the age of the universe; a duration that comes from a clock gone wild must not make the table long."""


@dataclass(slots=True)
class Durations:
    """Of one kind of work. A histogram over doublings, so it is as fine for seconds as for days, and never large."""

    counts: list[float] = field(default_factory=list)
    """How many ended in each class; the class `i` begins at 2^(i / STEPS) - 1 seconds."""

    @property
    def total(self) -> float:
        """How many ends it is made of; old ones count less."""
        return sum(self.counts)

    def note(self, seconds: float) -> None:
        """Something ended this long after its submission."""
        place = _class_of(seconds)
        self.counts += [0.0] * (place + 1 - len(self.counts))
        self.counts[place] += 1
        if self.total > MOST:
            self.counts = [count / 2 for count in self.counts]

    def remaining(self, age: float, share: float) -> float:
        """Seconds within which this share of the things this old, none of which has ended, is likely to end.

        A quantile of the remaining time. What ended sooner than this age says nothing about them any more; what ended
        later counts, spread evenly over its class; and `PRIOR` stands for what nobody has seen.
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
        """The end of each class from that of `age` on, with how many ended in it, or in what of it is later."""
        first = _class_of(age)
        for place, count in enumerate(self.counts[first:], start=first):
            begin, end = _begin(place), _begin(place + 1)
            if end > age:
                yield end, count * min(1.0, (end - age) / (end - begin))

    def as_text(self) -> str:
        """To be remembered; `from_text` reads it."""
        return ",".join(f"{place}:{count:g}" for place, count in enumerate(self.counts) if count)

    @classmethod
    def from_text(cls, text: str) -> "Durations":
        """What `as_text` wrote. What cannot be read is left out: it is learnt again."""
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
