"""Tracks polls for many items that ICA does not answer, so that other polls replace them."""

from dataclasses import dataclass
from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.errors import PlatformError, Refused, Throttled, Transient
from orchestrator.domain.model import Poll, PollResult
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.ica.polling.routes import Route

LONG: Final = 600.0
"""Seconds for which a poll must fail to count as unanswered; a refused one counts at once."""
_ALIVE: Final = 3600.0
"""Seconds for which a project counts as existing after a poll has reported something of it."""
ANOTHER_TRY: Final = 3600.0
"""Seconds after which a refused follow-up is retried."""
_MOST: Final = 1024
_WATCHED: Final = frozenset({Route.JOBS, Route.OPEN, Route.ENDED})


@dataclass(frozen=True, slots=True)
class _Failing:
    since: float
    last: float
    refused: bool


class UnansweredPolls:
    """Remembers unanswered polls, by route and project, until they are answered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failing: Bounded[tuple[str, str], _Failing] = Bounded(_MOST)
        self._reported_at: Bounded[str, float] = Bounded(_MOST)
        """When something of a project was last reported."""

    def failed(self, poll: Poll, error: PlatformError) -> None:
        """Record a failed poll. Throttling and a rejected credential do not count."""
        if poll.route not in _WATCHED or isinstance(error, Throttled) or not isinstance(error, (Refused, Transient)):
            return
        now = self._clock.monotonic()
        before = self._failing.get((poll.route, poll.project))
        since = before.since if before is not None else now
        self._failing[poll.route, poll.project] = _Failing(since, now, refused=isinstance(error, Refused))

    def answered(self, poll: Poll, result: PollResult) -> None:
        """Record an answered poll."""
        self._failing.pop((poll.route, poll.project))
        if result.observations:
            self._reported_at[poll.project] = self._clock.monotonic()

    def is_there(self, project: str) -> bool:
        """Whether ICA knows the project, according to recent reports of other polls."""
        reported_at = self._reported_at.get(project)
        return reported_at is not None and self._clock.monotonic() - reported_at < _ALIVE

    def of(self, route: Route, project: str = "") -> bool:
        """Whether a poll of this route counts as unanswered."""
        failing = self._failing.get((route, project))
        return failing is not None and (failing.refused or failing.last - failing.since >= LONG)

    def skipped(self, route: Route, project: str) -> bool:
        """Whether a poll of this route is unanswered and not yet to be retried."""
        failing = self._failing.get((route, project))
        return failing is not None and self.of(route, project) and self._clock.monotonic() - failing.last < ANOTHER_TRY
