"""When to search for what has ended, and when to ask about one session or analysis again."""

import math
from dataclasses import dataclass
from typing import Final

from orchestrator.clock import Clock
from orchestrator.platforms.bounded_mapping import Bounded

PAGES_OF_SESSIONS: Final = 100
PAGES_OF_ANALYSES: Final = 200
"""Pages of open sessions and analyses between two searches for the latest ends, so that these add little to them..."""
LONGEST: Final = 600.0
"""... or so many seconds, if that is less..."""
SOON: Final = 60.0
"""... and these where a sweep takes few pages."""
_FIRST_REST, _LONGEST_REST = 30.0, 1800.0
"""Seconds until one session or analysis is asked about again, doubled each time; first and maximum."""
_MOST: Final = 16_384
_MOST_PROJECTS: Final = 1024


class EndSearches:
    """Spaces out the searches for the latest ends, by project and by what is searched for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pages: Bounded[str, int] = Bounded(_MOST_PROJECTS)
        self._last: Bounded[tuple[str, str], tuple[int, float]] = Bounded(2 * _MOST_PROJECTS)

    def page_read(self, project: str) -> None:
        """Record a page of what is open."""
        self._pages[project] = (self._pages.get(project) or 0) + 1

    def due(self, project: str, what: str, *, pages: int, few: bool) -> bool:
        """Whether to search now; if so, the next search waits for so many pages. `few`: a sweep takes few pages."""
        read, now = self._pages.get(project) or 0, self._clock.monotonic()
        before, at = self._last.get((project, what)) or (-pages, -math.inf)
        if read - before < pages and now - at < (SOON if few else LONGEST):
            return False
        self._last[project, what] = (read, now)
        return True


@dataclass(slots=True)
class _Asked:
    due: float
    rest: float


class Rests:
    """When single sessions and analyses may be asked about again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked: Bounded[str, _Asked] = Bounded(_MOST)

    def due(self, object_id: str) -> bool:
        """Whether it may be asked about now."""
        asked = self._asked.get(object_id)
        return asked is None or asked.due <= self._clock.monotonic()

    def waits_since(self, object_id: str) -> float:
        """When it became or becomes due; those never asked about come first."""
        asked = self._asked.get(object_id)
        return asked.due if asked is not None else -math.inf

    def ask(self, object_id: str) -> None:
        """Record that it is asked about now."""
        asked = self._asked.get(object_id)
        rest = _FIRST_REST if asked is None else min(2 * asked.rest, _LONGEST_REST)
        self._asked[object_id] = _Asked(self._clock.monotonic() + rest, rest)
