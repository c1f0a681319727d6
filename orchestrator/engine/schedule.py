"""When each look of an account is due. In memory only: at a start everything open is due, and the budget orders it."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from orchestrator.domain.cadence import Aims, Means, Prospect, Stretch, weights
from orchestrator.domain.model import Look

_PATIENCE = 0.1


@dataclass(slots=True)
class _Entry:
    look: Look
    prospect: Prospect
    due: float
    answered_at: float
    """When it was last asked to its end; before that, when it was first wanted."""
    interval: float
    """Seconds to the next time, were requests for nothing."""
    weight: float = 1.0
    soonest: float = -math.inf
    """No new wish brings it forward beyond this."""
    running: bool = False
    moved: bool = False
    """The platform's word for what it is about changed while it was being asked."""


class Schedule:
    """The looks that are wanted, each with its next time. Times are seconds on the monotonic clock."""

    def __init__(self, aims: Aims, means: Means, used: Callable[[], float]) -> None:
        """`used` tells the part of the present window that is spent."""
        self._aims = aims
        self._means = means
        self._used = used
        self._entries: dict[str, _Entry] = {}

    @property
    def patience(self) -> float:
        """Seconds for which nobody minds when a new wish is not heard yet: a small part of the shortest interval."""
        return self._aims.min_interval * _PATIENCE

    def want(self, looks: Iterable[tuple[Look, Prospect]], *, now: float) -> None:
        """These are the looks wanted from now on, with what each is likely to find.

        A look that is new is due one minimal interval after what it covers began, which may be at once. One that was
        resting is due at once when the platform's word for what it is about has changed; and when it now covers
        something younger, it rests no longer than is right for that.
        """
        before = self._entries
        wanted: dict[str, _Entry] = {}
        younger: list[_Entry] = []
        for look, prospect in looks:
            entry = before.get(look.name)
            interval = self._aims.interval(prospect)
            if entry is None:
                due = now + max(0.0, self._aims.min_interval - prospect.age)
                entry = _Entry(look, prospect, due, answered_at=now, interval=interval)
            else:
                if prospect.age < entry.prospect.age:
                    younger.append(entry)
                if look.word != entry.look.word:
                    entry.moved = entry.running
                    entry.due = min(entry.due, max(entry.soonest, now))
            entry.look, entry.prospect, entry.interval = look, prospect, interval
            wanted[look.name] = entry
        for entry, weight in zip(
            wanted.values(), weights([(each.look.cost, each.prospect) for each in wanted.values()]), strict=True
        ):
            entry.weight = weight
        self._entries = {name: entry for name, entry in before.items() if entry.running} | wanted
        stretch = self._stretch()
        for entry in younger:
            entry.due = min(entry.due, max(entry.soonest, now + entry.interval * stretch.of(entry.weight)))

    def due(self, *, now: float) -> list[Look]:
        """The looks to ask now, the longest overdue first."""
        ready = [entry for entry in self._entries.values() if entry.due <= now and not entry.running]
        return [entry.look for entry in sorted(ready, key=lambda entry: entry.due)]

    def next_due(self) -> float:
        """When the next look is due; infinity when none is wanted."""
        return min((entry.due for entry in self._entries.values() if not entry.running), default=math.inf)

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
        rest = 0.0 if entry.moved else entry.interval * self._stretch().of(entry.weight)
        entry.running, entry.moved, entry.soonest, entry.due = False, False, -math.inf, max(now, began + rest)
        entry.answered_at = now

    def failed(self, look: Look, *, now: float, pause: float) -> None:
        """It was not answered; asked again after `pause` seconds at the soonest."""
        entry = self._entries[look.name]
        entry.running, entry.soonest, entry.due = False, now + pause, now + pause

    def cost_within(self, seconds: float, *, now: float) -> int:
        """Requests that the looks of the coming seconds will take, those that come again included."""
        stretch, end = self._stretch(), now + seconds
        coming = (entry for entry in self._entries.values() if entry.due <= end)
        return sum(
            entry.look.cost * (1 + int((end - max(entry.due, now)) / (entry.interval * stretch.of(entry.weight))))
            for entry in coming
        )

    def _stretch(self) -> Stretch:
        wishes = ((each.look.cost, each.interval, each.weight) for each in self._entries.values())
        return self._means.stretch(wishes, used=self._used())
