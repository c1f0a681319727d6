"""When each look of an account is due. In memory only: at a start everything open is due, and the budget orders it."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.domain.cadence import Aims, Means, Prospect, Wish
from orchestrator.domain.model import Look

MOST_DOUBTFUL = 8
"""Looks under way at a time whose last answer was an error. One that hangs keeps its place for minutes."""

_PATIENCE = 0.1


@dataclass(slots=True)
class _Entry:
    look: Look
    prospect: Prospect
    due: float
    answered_at: float
    """When it was last asked to its end; before that, when it was first wanted."""
    wish: Wish
    answered: bool = False
    failures: int = 0
    """Since the last answer."""
    soonest: float = -math.inf
    """No new wish brings it forward beyond this."""
    running: bool = False
    moved: bool = False
    """The platform's word for what it is about changed while it was being asked."""


class Schedule:
    """The looks that are wanted, each with its next time. Times are seconds on the monotonic clock."""

    def __init__(self, aims: Aims, means: Callable[[], Means]) -> None:
        """`means` tells what the account can afford now."""
        self._aims = aims
        self._means = means
        self._pace = 0.0
        self._entries: dict[str, _Entry] = {}

    @property
    def patience(self) -> float:
        """Seconds for which nobody minds when a new wish is not heard yet: a small part of the shortest interval."""
        return self._aims.min_interval * _PATIENCE

    def want(self, looks: Iterable[tuple[Look, Prospect]], *, now: float) -> None:
        """These are the looks wanted from now on, with what each is likely to find.

        A look that is new is due one minimal interval after what it covers began, which may be at once. One that is
        resting is due at once when the platform's word for what it is about has changed; and it rests from now on no
        longer than is right now, as it may cover something younger, or requests may be left over that were not before.
        """
        before, wanted = self._entries, list(looks)
        means = self._means()
        wishes = self._aims.wishes([(look.cost, prospect) for look, prospect in wanted], means)
        self._entries = {name: entry for name, entry in before.items() if entry.running}
        for (look, prospect), wish in zip(wanted, wishes, strict=True):
            entry = before.get(look.name)
            if entry is None:
                due = now + max(0.0, self._aims.min_interval - prospect.age)
                entry = _Entry(look, prospect, due, answered_at=now, wish=wish)
            elif look.word != entry.look.word:
                entry.moved = entry.running
                entry.due = min(entry.due, max(entry.soonest, now))
            entry.look, entry.prospect, entry.wish = look, prospect, wish
            self._entries[look.name] = entry
        self._pace = means.pace([entry.wish for entry in self._entries.values()])
        for entry in self._entries.values():
            entry.due = min(entry.due, max(entry.soonest, now + means.interval(entry.wish, self._pace)))

    def due(self, *, now: float) -> list[Look]:
        """The looks to ask now: what was just submitted first, then what is the most overdue for how often it comes.

        So a first status does not wait behind all that a start, or a closed account, has left overdue. Nobody starves:
        there are no more first looks than submissions. Of those that failed the last time, few are asked at a time.
        """
        means, doubtful = self._means(), self._places_of_doubtful()
        ready: list[tuple[bool, float, _Entry]] = []
        for entry in self._entries.values():
            if entry.due <= now and not entry.running:
                first = not (entry.answered or entry.failures) and entry.prospect.age < self._aims.max_interval
                ready.append((first, (now - entry.due) / means.interval(entry.wish, self._pace), entry))
        looks: list[Look] = []
        for _, _, entry in sorted(ready, key=lambda each: each[:2], reverse=True):
            if entry.failures:
                if doubtful <= 0:
                    continue
                doubtful -= 1
            looks.append(entry.look)
        return looks

    def next_due(self) -> float:
        """When the next look is due that may be asked by then; infinity when there is none."""
        doubtful = self._places_of_doubtful()
        waiting = (entry for entry in self._entries.values() if not entry.running)
        return min((entry.due for entry in waiting if doubtful > 0 or not entry.failures), default=math.inf)

    def _places_of_doubtful(self) -> int:
        """How many more that failed the last time may be asked."""
        return MOST_DOUBTFUL - sum(entry.running and entry.failures > 0 for entry in self._entries.values())

    @property
    def oldest(self) -> float | None:
        """When the look that was answered least recently was answered, or first wanted; None when none is wanted."""
        return min((entry.answered_at for entry in self._entries.values()), default=None)

    def start(self, look: Look) -> None:
        """It is being asked."""
        self._entries[look.name].running = True

    def done(self, look: Look, *, began: float, now: float) -> None:
        """It was asked to its end. The interval counts from its beginning, so that a long question rests no longer."""
        entry = self._entries[look.name]
        rest = 0.0 if entry.moved else self._means().interval(entry.wish, self._pace)
        entry.running, entry.moved, entry.soonest, entry.due = False, False, -math.inf, max(now, began + rest)
        entry.answered, entry.answered_at, entry.failures = True, now, 0

    def failed(self, look: Look, *, now: float, pause: float) -> None:
        """It was not answered; asked again after `pause` seconds at the soonest."""
        entry = self._entries[look.name]
        entry.running, entry.soonest, entry.due = False, now + pause, now + pause
        entry.failures += 1

    def cost_within(self, seconds: float, *, now: float) -> int:
        """Requests that the looks of the coming seconds will take, those that come again included."""
        means, end = self._means(), now + seconds
        coming = (entry for entry in self._entries.values() if entry.due <= end)
        return sum(
            entry.look.cost * (1 + int((end - max(entry.due, now)) / means.interval(entry.wish, self._pace)))
            for entry in coming
        )
