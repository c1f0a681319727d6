"""Which of the questions that tell of many ICA does not answer, so that others are asked in their place."""

from dataclasses import dataclass
from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.errors import PlatformError, Refused, Throttled, Transient
from orchestrator.domain.model import Poll, PollResult
from orchestrator.platforms.bounded import Bounded
from orchestrator.platforms.ica.polling.routes import Route

LONG: Final = 600.0
"""Seconds for which a question fails before it counts as one that is not answered; a refusal counts at once."""
_ALIVE: Final = 3600.0
"""Seconds for which a project that told of something is there, whatever it does not answer."""
ANOTHER_TRY: Final = 3600.0
"""Seconds after which a refused follow-up is tried again."""
_MOST: Final = 1024
_WATCHED: Final = frozenset({Route.JOBS, Route.OPEN, Route.ENDED})


@dataclass(frozen=True, slots=True)
class _Failing:
    since: float
    last: float
    refused: bool


class UnansweredPolls:
    """Remembers, by the kind of question and its project, until it is answered."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failing: Bounded[tuple[str, str], _Failing] = Bounded(_MOST)
        self._told: Bounded[str, float] = Bounded(_MOST)
        """When something was told of a project."""

    def failed(self, poll: Poll, error: PlatformError) -> None:
        """This question was not answered. That the budget is spent or the credential refused says nothing of it."""
        if poll.route not in _WATCHED or isinstance(error, Throttled) or not isinstance(error, (Refused, Transient)):
            return
        now = self._clock.monotonic()
        before = self._failing.get((poll.route, poll.project))
        since = before.since if before is not None else now
        self._failing[poll.route, poll.project] = _Failing(since, now, refused=isinstance(error, Refused))

    def answered(self, poll: Poll, result: PollResult) -> None:
        """It was."""
        self._failing.pop((poll.route, poll.project))
        if result.observations:
            self._told[poll.project] = self._clock.monotonic()

    def is_there(self, project: str) -> bool:
        """Whether ICA knows the project, by what other questions told of late."""
        told = self._told.get(project)
        return told is not None and self._clock.monotonic() - told < _ALIVE

    def of(self, route: Route, project: str = "") -> bool:
        """Whether no answer is to be expected."""
        failing = self._failing.get((route, project))
        return failing is not None and (failing.refused or failing.last - failing.since >= LONG)

    def lasts(self, route: Route, project: str) -> bool:
        """The same, until it is time to try again."""
        failing = self._failing.get((route, project))
        return failing is not None and self.of(route, project) and self._clock.monotonic() - failing.last < ANOTHER_TRY
