"""What the polls of one account have shown so far, which planning, reading and follow-ups share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from orchestrator.clock import Clock
from orchestrator.platforms.ica.polling.last_sweeps import LastSweeps
from orchestrator.platforms.ica.polling.learning import EmbeddedStatus, SearchStatuses
from orchestrator.platforms.ica.polling.status_filter import StatusFilter
from orchestrator.platforms.ica.polling.unanswered_polls import UnansweredPolls
from orchestrator.platforms.ica.polling.unlisted_analyses import UnlistedAnalyses


@dataclass(frozen=True, slots=True)
class PollMemory:
    """The state that outlives a single poll. All of it is bounded."""

    embedded: EmbeddedStatus
    statuses: SearchStatuses
    last_sweeps: LastSweeps
    status_filter: StatusFilter
    unlisted_analyses: UnlistedAnalyses
    unanswered: UnansweredPolls

    @classmethod
    def from_learned(cls, learned: Mapping[str, str], page_size: int, clock: Clock) -> Self:
        """The memory at a start; `learned` has the values of earlier `Learned` observations by name."""
        return cls(
            embedded=EmbeddedStatus(learned, clock),
            statuses=SearchStatuses(learned),
            last_sweeps=LastSweeps(),
            status_filter=StatusFilter(learned, page_size),
            unlisted_analyses=UnlistedAnalyses(clock),
            unanswered=UnansweredPolls(clock),
        )
