"""How many requests a platform grants, counted as platforms do: when a request arrives.

Beside granting and refusing it keeps, for the judge, the worst number of requests that fell into any one window.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Window = Literal["sliding", "fixed", "fixed_from_first", "none"]
"""`fixed` windows follow one another on the server's clock; `fixed_from_first` begins with the first request after the
last window has ended; `none` counts (in a sliding window) but refuses nothing."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`requests` in `per` seconds, for each user on its own."""

    requests: int = 1000
    per: float = 300.0
    window: Window = "sliding"
    count_refused: bool = False
    """Whether a refused request uses up budget too."""
    elsewhere: int = 0
    """So many requests of each window are used up by other programs of the same user, as soon as it begins."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left to a user, as platforms write it into headers."""

    limit: int
    left: int
    resets_in: float
    """Seconds until there is more."""


@dataclass(slots=True)
class Usage:
    """What one user has asked for so far."""

    requests: int = 0
    refused: int = 0
    worst: int = 0
    """The most requests in any one window, refused ones included."""


class Budget:
    """Counts each user's requests against the limit."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._counted: dict[str, _Counter] = {}
        self._arrived: dict[str, _Counter] = {}
        self._usage: dict[str, Usage] = {}

    @property
    def usage(self) -> Mapping[str, Usage]:
        """By user."""
        return self._usage

    def limit_to(self, limit: Limit) -> None:
        """Apply another limit from now on; a changed one starts with empty windows and a fresh judgement."""
        if limit == self._limit:
            return
        self._limit = limit
        self._counted.clear()
        self._arrived.clear()
        self._usage.clear()

    def admit(self, user: str, now: float) -> float | None:
        """Count a request that arrives; None when it is granted, else the seconds until budget is free again."""
        usage = self._usage.setdefault(user, Usage())
        arrived = self._arrived.setdefault(user, _counter(self._limit))
        arrived.add(now)
        usage.requests += 1
        usage.worst = max(usage.worst, arrived.count(now))
        counted = self._counted.setdefault(user, _counter(self._limit))
        refused = self._limit.window != "none" and counted.count(now) >= self._limit.requests - self._limit.elsewhere
        if not refused:
            counted.add(now)
            return None
        wait = counted.free_in(now) if counted.count(now) else self._limit.per
        usage.refused += 1
        if self._limit.count_refused:
            counted.add(now)
        return wait

    def standing(self, user: str, now: float) -> Standing:
        """What is left now; asking uses up nothing."""
        limit, counted = self._limit, self._counted.get(user)
        used = counted.count(now) if counted is not None else 0
        if counted is None or not used:
            return Standing(limit.requests, limit.requests, limit.per)
        left = max(0, limit.requests - limit.elsewhere - used)
        return Standing(limit.requests, left, counted.free_in(now))


class _Counter(Protocol):
    def count(self, now: float) -> int: ...

    def add(self, now: float) -> None: ...

    def free_in(self, now: float) -> float: ...


def _counter(limit: Limit) -> _Counter:
    match limit.window:
        case "sliding" | "none":
            return _Sliding(limit.per)
        case "fixed":
            return _Fixed(limit.per)
        case "fixed_from_first":
            return _FixedFromFirst(limit.per)


class _Sliding:
    """The requests of the last `per` seconds."""

    def __init__(self, per: float) -> None:
        self._per = per
        self._times: deque[float] = deque()

    def count(self, now: float) -> int:
        while self._times and self._times[0] + self._per <= now:
            self._times.popleft()
        return len(self._times)

    def add(self, now: float) -> None:
        self._times.append(now)

    def free_in(self, now: float) -> float:
        return self._times[0] + self._per - now


class _Fixed:
    """Windows that follow one another, aligned to zero of the clock."""

    def __init__(self, per: float) -> None:
        self._per = per
        self._number = -1
        self._count = 0

    def count(self, now: float) -> int:
        number = math.floor(now / self._per)
        if number != self._number:
            self._number, self._count = number, 0
        return self._count

    def add(self, now: float) -> None:
        self._count = self.count(now) + 1

    def free_in(self, now: float) -> float:
        return (self._number + 1) * self._per - now


class _FixedFromFirst:
    """A window begins with the first request after the last one has ended."""

    def __init__(self, per: float) -> None:
        self._per = per
        self._ends = -math.inf
        self._count = 0

    def count(self, now: float) -> int:
        if now >= self._ends:
            self._count = 0
        return self._count

    def add(self, now: float) -> None:
        if self.count(now) == 0:
            self._ends = now + self._per
        self._count += 1

    def free_in(self, now: float) -> float:
        return self._ends - now
