"""What an account teaches us about its ICA. Nobody outside knows these things, and they may differ by tenant.

Each class starts from what was remembered, and returns a `Learnt` exactly when it learns something new.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from orchestrator.clock import Clock
from orchestrator.domain.model import Learned
from orchestrator.platforms.bounded import Bounded
from orchestrator.platforms.ica.statuses import ANALYSIS, FINAL_ANALYSIS, OPEN_ANALYSIS

_MAX_WATCHED: Final = 4096
"""Analyses that are watched to learn whether embedded words move."""
_PATIENCE: Final = 600.0
"""Seconds for which a page may go on contradicting an analysis's own end before it counts as a snapshot."""
_MOST_WORDS: Final = 16
"""Words beyond the documented ones that a search asks for."""
_LONGEST_WORD: Final = 64
_NONE: Final = "-"
"""Remembered in place of words when ICA refused to be asked for them."""


class Liveness(StrEnum):
    """What the analysis embedded in a batch's item shows."""

    UNKNOWN = "unknown"
    LIVE = "live"
    """The analysis as it is, or not long ago."""
    SNAPSHOT = "snapshot"
    """The analysis as it was when it was created."""


@dataclass(slots=True)
class _EmbeddedAnalysis:
    word: str
    ended: bool = False
    against_since: float | None = None


class EmbeddedStatus:
    """Learns whether embedded words may be believed: one that changed after creation proves it.

    A page that goes on showing an open word for an analysis that has told its own end speaks against it.
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

    def embedded(self, analysis_id: str, word: str) -> Learned | None:
        """A page showed this word inside the item that created the analysis."""
        watched = self._watched.get(analysis_id)
        if watched is None:
            self._watched[analysis_id] = _EmbeddedAnalysis(word)
            return None
        if watched.word != word:
            self._watched[analysis_id] = _EmbeddedAnalysis(word, watched.ended)
            return self._learn(Liveness.LIVE)
        if watched.ended and word not in FINAL_ANALYSIS:
            return self._against(watched)
        return None

    def direct(self, analysis_id: str, word: str) -> None:
        """The analysis itself said this."""
        watched = self._watched.get(analysis_id)
        if watched is not None:
            watched.ended = word in FINAL_ANALYSIS

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
    """Learns the words for open analyses that the documentation does not have, so that searches can ask for them."""

    NAME: Final = "words"

    def __init__(self, memory: Mapping[str, str]) -> None:
        held = memory.get(self.NAME, "")
        self._refused = held == _NONE
        self._more = [] if self._refused else [word for word in held.split(",") if word]

    @property
    def open(self) -> tuple[str, ...]:
        """All words that a search for open analyses asks for."""
        return (*OPEN_ANALYSIS, *self._more)

    def met(self, word: str) -> Learned | None:
        """ICA used this word for an analysis."""
        if word in ANALYSIS or word in self._more or self._refused:
            return None
        if len(self._more) >= _MOST_WORDS or not _askable(word):
            return None
        self._more.append(word)
        return Learned(self.NAME, ",".join(self._more))

    def refused(self) -> Learned | None:
        """ICA refused a search; returns None when no word of ours can be the reason."""
        if not self._more:
            return None
        self._refused, self._more = True, []
        return Learned(self.NAME, _NONE)


def _askable(word: str) -> bool:
    return len(word) <= _LONGEST_WORD and word.isascii() and word.replace("_", "").isalnum()
