"""When each look of an account is due. In memory only: at a start everything open is due, and the budget orders it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.cadence import Aims, Means, interval
from orchestrator.domain.model import Look


@dataclass(slots=True)
class _Entry:
    look: Look
    age: float
    due: float
    running: bool = False


class Schedule:
    """The looks that are wanted, each with its next time. Times are seconds on the monotonic clock."""

    def __init__(self, aims: Aims, means: Means) -> None:
        self._aims = aims
        self._means = means
        self._entries: dict[str, _Entry] = {}

    def want(self, looks: Iterable[tuple[Look, float]], *, now: float) -> None:
        """These are the looks wanted from now on, with the age in seconds of the youngest thing that each covers.

        A look that is new is due one minimal interval after what it covers began, which may be at once.
        """
        wanted: dict[str, _Entry] = {}
        for look, age in looks:
            entry = self._entries.get(look.name)
            if entry is None:
                entry = _Entry(look, age, due=now + max(0.0, self._aims.min_interval - age))
            entry.look, entry.age = look, age
            wanted[look.name] = entry
        self._entries = wanted | {name: entry for name, entry in self._entries.items() if entry.running}

    def due(self, *, now: float) -> list[Look]:
        """The looks to ask now, the longest overdue first."""
        ready = [entry for entry in self._entries.values() if entry.due <= now and not entry.running]
        return [entry.look for entry in sorted(ready, key=lambda entry: entry.due)]

    def next_due(self) -> float:
        """When the next look is due; infinity when none is wanted."""
        return min((entry.due for entry in self._entries.values() if not entry.running), default=math.inf)

    def start(self, look: Look) -> None:
        """It is being asked."""
        self._entries[look.name].running = True

    def done(self, look: Look, *, now: float) -> None:
        """It was asked to its end."""
        self._again(look, now + self._interval(look))

    def failed(self, look: Look, *, now: float, pause: float) -> None:
        """It was not answered; asked again after `pause` seconds at the soonest."""
        self._again(look, now + pause)

    def cost_within(self, seconds: float, *, now: float) -> int:
        """Requests that the looks due in the coming seconds will take."""
        return sum(entry.look.cost for entry in self._entries.values() if entry.due <= now + seconds)

    def _again(self, look: Look, due: float) -> None:
        entry = self._entries.get(look.name)
        if entry is not None:
            entry.running = False
            entry.due = due

    def _interval(self, look: Look) -> float:
        entry = self._entries.get(look.name)
        if entry is None:
            return self._aims.max_interval
        round_cost = sum(each.look.cost for each in self._entries.values())
        return interval(self._aims, self._means, age=entry.age, round_cost=round_cost)
