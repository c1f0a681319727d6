"""Learns undocumented behaviour of an account's ICA, which may differ by tenant.

Each class starts from what was stored, and returns a `Learned` exactly when it learns something new.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.errors import Refused
from orchestrator.domain.model import Learned
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.ica.statuses import ANALYSIS, FINAL_ANALYSIS, OPEN_ANALYSIS

_MAX_WATCHED: Final = 4096
"""Maximum analyses that are watched to learn whether embedded statuses change."""
_PATIENCE: Final = 600.0
"""Seconds for which a page may contradict the end of an analysis before embedded statuses count as snapshots."""
_MAX_STATUSES: Final = 16
"""Maximum undocumented statuses that a search asks for."""
_MAX_LENGTH: Final = 64
_BAD_REQUEST: Final = 400
_NONE: Final = "-"
"""Stored in place of statuses when ICA refused to search for them."""


class Liveness(StrEnum):
    """What the analysis embedded in a batch's item is."""

    UNKNOWN = "unknown"
    LIVE = "live"
    """The current analysis."""
    SNAPSHOT = "snapshot"
    """The analysis at its creation."""


@dataclass(slots=True)
class _EmbeddedAnalysis:
    status: str
    ended: bool = False
    against_since: float | None = None


class EmbeddedStatus:
    """Learns whether embedded statuses are live: a change after creation proves it.

    Pages that keep an open status for an analysis that has ended prove a snapshot.
    """

    NAME: Final = "embedded"

    def __init__(self, memory: Mapping[str, str], clock: Clock) -> None:
        known = memory.get(self.NAME)
        self.liveness = Liveness(known) if known in list(Liveness) else Liveness.UNKNOWN
        self._clock = clock
        self._watched: Bounded[str, _EmbeddedAnalysis] = Bounded(_MAX_WATCHED)

    @property
    def live(self) -> bool:
        return self.liveness is Liveness.LIVE

    def embedded(self, analysis_id: str, status: str) -> Learned | None:
        """Record the status of an analysis embedded in its creation item."""
        watched = self._watched.get(analysis_id)
        if watched is None:
            self._watched[analysis_id] = _EmbeddedAnalysis(status)
            return None
        if watched.status != status:
            self._watched[analysis_id] = _EmbeddedAnalysis(status, watched.ended)
            return self._learn(Liveness.LIVE)
        if watched.ended and status not in FINAL_ANALYSIS:
            return self._against(watched)
        return None

    def direct(self, analysis_id: str, status: str) -> None:
        """Record the status of an analysis that was read directly."""
        watched = self._watched.get(analysis_id)
        if watched is not None:
            watched.ended = status in FINAL_ANALYSIS

    def _against(self, watched: _EmbeddedAnalysis) -> Learned | None:
        now = self._clock.monotonic()
        if watched.against_since is None:
            watched.against_since = now
        return self._learn(Liveness.SNAPSHOT) if now - watched.against_since >= _PATIENCE else None

    def _learn(self, liveness: Liveness) -> Learned | None:
        if liveness is self.liveness:
            return None
        self.liveness = liveness
        return Learned(self.NAME, liveness.value)


class SearchStatuses:
    """Learns undocumented statuses of open analyses, so that searches can ask for them."""

    NAME: Final = "words"

    def __init__(self, memory: Mapping[str, str]) -> None:
        held = memory.get(self.NAME, "")
        self._refused = held == _NONE
        self._more = [] if self._refused else [status for status in held.split(",") if status]

    @property
    def open(self) -> tuple[str, ...]:
        """All statuses that a search for open analyses asks for."""
        return (*OPEN_ANALYSIS, *self._more)

    def observed(self, status: str) -> Learned | None:
        """Record a status of an analysis."""
        if status in ANALYSIS or status in self._more or self._refused:
            return None
        if len(self._more) >= _MAX_STATUSES or not _searchable(status):
            return None
        self._more.append(status)
        return Learned(self.NAME, ",".join(self._more))

    def refused_by(self, refusal: Refused) -> Learned | None:
        """Record that a search was refused; returns None when no learned status can be the reason."""
        return self.refused() if refusal.status == _BAD_REQUEST else None

    def refused(self) -> Learned | None:
        """Record a refused search; returns None when no learned status can be the reason."""
        if not self._more:
            return None
        self._refused, self._more = True, []
        return Learned(self.NAME, _NONE)


def _searchable(status: str) -> bool:
    return len(status) <= _MAX_LENGTH and status.isascii() and status.replace("_", "").isalnum()
