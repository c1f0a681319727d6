"""When each poll of an account is due. In memory only: after a start all polls are due, paced by the rate limiter."""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from orchestrator.domain.model import BatchId, Poll
from orchestrator.domain.polling.targets import BudgetState, Forecast, PollDemand, PollTargets

MAX_FAILING = 8
"""Maximum polls in flight that failed last time. One that hangs occupies its place for minutes."""

_PATIENCE = 0.1
"""The part of the shortest interval by which a plan may be late."""


@dataclass(slots=True)
class _Entry:
    poll: Poll
    forecast: Forecast
    due: float
    answered_at: float
    """When it last completed; before that, when it was added."""
    demand: PollDemand
    answered: bool = False
    failures: int = 0
    """Since it last completed."""
    soonest: float = -math.inf
    """No new plan makes it due before this."""
    running: bool = False
    outdated: bool = False
    """The status of its batch changed while it was running, so it runs again at once."""


class Schedule:
    """The planned polls, each with the time when it is due. Times are seconds on the monotonic clock."""

    def __init__(self, targets: PollTargets, budget_state: Callable[[], BudgetState]) -> None:
        """`budget_state` returns the requests that polls may plan with now."""
        self._targets = targets
        self._budget_state = budget_state
        self._pace = 0.0
        self._entries: dict[str, _Entry] = {}

    @property
    def patience(self) -> float:
        """Seconds by which a plan may be late without harm: a small part of the shortest interval."""
        return self._targets.min_interval * _PATIENCE

    def want(self, polls: Iterable[tuple[Poll, Forecast]], *, now: float) -> None:
        """Replace the planned polls, given with their forecasts. Polls that are running stay until they end.

        A new poll is due one minimum interval after its youngest batch began, which may be at once. A known poll is
        due at once when the platform's status of its batch has changed. No poll stays due later than its new interval,
        which may be shorter: the poll may cover a younger batch, or more requests may be available.
        """
        before, planned = self._entries, list(polls)
        budget_state = self._budget_state()
        failing = {at for at, (poll, _) in enumerate(planned) if poll.name in before and before[poll.name].failures}
        costs = [(poll.cost, forecast) for poll, forecast in planned]
        demands = self._targets.demands(costs, budget_state, failing=failing)
        self._entries = {name: entry for name, entry in before.items() if entry.running}
        for (poll, forecast), demand in zip(planned, demands, strict=True):
            entry = before.get(poll.name)
            if entry is None:
                due = now + max(0.0, self._targets.min_interval - forecast.age)
                entry = _Entry(poll, forecast, due, answered_at=now, demand=demand)
            elif poll.word != entry.poll.word:
                entry.outdated = entry.running
                entry.due = min(entry.due, max(entry.soonest, now))
            entry.poll, entry.forecast, entry.demand = poll, forecast, demand
            self._entries[poll.name] = entry
        self._pace = budget_state.pace([entry.demand for entry in self._entries.values() if not entry.failures])
        for entry in self._entries.values():
            entry.due = min(entry.due, max(entry.soonest, now + budget_state.interval(entry.demand, self._pace)))

    def due(self, *, now: float) -> list[Poll]:
        """The polls that are due, the most urgent first: of new submissions, then by overdue time over interval.

        So the first status of a batch does not wait behind polls that became overdue during a stop. No poll starves,
        as there are no more first polls than submissions. Few polls that failed last time are returned at a time.
        """
        budget_state, failing = self._budget_state(), self._failing_capacity()
        ready: list[tuple[bool, float, _Entry]] = []
        for entry in self._entries.values():
            if entry.due <= now and not entry.running:
                first = not (entry.answered or entry.failures) and entry.forecast.age < self._targets.max_interval
                ready.append((first, (now - entry.due) / budget_state.interval(entry.demand, self._pace), entry))
        polls: list[Poll] = []
        for _, _, entry in sorted(ready, key=lambda each: each[:2], reverse=True):
            if entry.failures:
                if failing <= 0:
                    continue
                failing -= 1
            polls.append(entry.poll)
        return polls

    def next_due(self) -> float:
        """When the next poll that may start is due; infinity when there is none."""
        failing = self._failing_capacity()
        waiting = (entry for entry in self._entries.values() if not entry.running)
        return min((entry.due for entry in waiting if failing > 0 or not entry.failures), default=math.inf)

    def _failing_capacity(self) -> int:
        """How many more polls that failed last time may start."""
        return MAX_FAILING - sum(entry.running and entry.failures > 0 for entry in self._entries.values())

    @property
    def oldest(self) -> float | None:
        """When the poll that completed least recently completed, or was added; None when there is none."""
        return min((entry.answered_at for entry in self._entries.values()), default=None)

    def next_of(self, batches: Collection[BatchId]) -> float | None:
        """When the next poll of any of these batches is due; None when none of them is polled."""
        among = set(batches)
        of_them = (entry.due for entry in self._entries.values() if not among.isdisjoint(entry.poll.batches))
        return min(of_them, default=None)

    def start(self, poll: Poll) -> None:
        """Mark a poll as running."""
        self._entries[poll.name].running = True

    def done(self, poll: Poll, *, began: float, now: float) -> None:
        """Mark a poll as completed. The interval counts from when it began, so a slow poll runs no less often."""
        entry = self._entries[poll.name]
        interval = 0.0 if entry.outdated else self._budget_state().interval(entry.demand, self._pace)
        entry.running, entry.outdated, entry.soonest, entry.due = False, False, -math.inf, max(now, began + interval)
        entry.answered, entry.answered_at, entry.failures = True, now, 0

    def failed(self, poll: Poll, *, now: float, pause: float) -> None:
        """Mark a poll as failed; it is due again in `pause` seconds, and not before."""
        entry = self._entries[poll.name]
        entry.running, entry.soonest, entry.due = False, now + pause, now + pause
        entry.failures += 1

    def cost_within(self, seconds: float, *, now: float) -> int:
        """Requests that polls will take within the next `seconds`, repetitions included."""
        budget_state, end = self._budget_state(), now + seconds
        coming = (entry for entry in self._entries.values() if entry.due <= end)
        return sum(
            entry.poll.cost * (1 + int((end - max(entry.due, now)) / budget_state.interval(entry.demand, self._pace)))
            for entry in coming
        )
