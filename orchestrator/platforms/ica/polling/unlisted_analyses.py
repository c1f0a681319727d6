"""Tracks open analyses that searches do not list, and decides when to poll for them.

An analysis is not listed because it ended, which other polls report at once; because ICA's index does not have it yet,
which passes (`index_lag`); or because it or its tags were deleted, which only a request for the analysis itself shows.
Such requests are expensive, so a few are made per sweep, in turn, and less and less often while they find no ended
analysis (`visits`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from orchestrator.clock import SECOND, Clock
from orchestrator.domain.model import Batch, BatchKey, Item, Poll
from orchestrator.platforms.ica.polling.index_lag import LONGEST_LAG, Lag, Listing
from orchestrator.platforms.ica.polling.visits import Phase, Visits

_OLD: Final = LONGEST_LAG
"""Seconds since submission: a batch older than this at a start counts as listed before."""
_LONGEST_REST: Final = 1800.0
"""Maximum seconds until a batch is polled alone again."""
LONGEST_UNSEARCHED: Final = 300.0
"""The maximum where ICA refuses searches, so that these polls are the only source."""
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 300.0
"""Seconds until the latest ends of a project are searched again while no more are missing; first and maximum."""
_LONGEST_YOUNG: Final = 30.0
"""The maximum while young analyses are missing: they may end before any search has listed them."""


@dataclass(slots=True)
class _Tracked:
    """A batch with open analyses."""

    creating: int
    listing: Listing
    created: int = 0
    """Number of open analyses."""
    visits: Visits = field(default_factory=Visits)


@dataclass(slots=True)
class _EndsSearch:
    due: float = -math.inf
    pause: float = 0.0


class UnlistedAnalyses:
    """The unlisted analyses of one account. Has state per batch, not per item, and only for open batches."""

    def __init__(self, clock: Clock) -> None:
        self.lag = Lag()
        self._clock = clock
        self._tracked: dict[BatchKey, _Tracked] = {}
        self._ends: dict[str, _EndsSearch] = {}

    def plan(self, batches: Iterable[Batch]) -> None:
        """Set the batches with open analyses."""
        now = self._clock.monotonic()
        held, self._tracked, projects = self._tracked, {}, set[str]()
        for batch in batches:
            tracked = held.get(batch.key)
            if tracked is None:
                tracked = _Tracked(batch.creating, Listing(now, complete=self._is_old(batch)))
            elif batch.creating < tracked.creating:
                tracked.listing.restart(now)
            tracked.creating, tracked.created = batch.creating, batch.open - batch.creating
            self._tracked[batch.key] = tracked
            projects.add(batch.project)
        self._ends = {project: ends for project, ends in self._ends.items() if project in projects}

    def _is_old(self, batch: Batch) -> bool:
        since = batch.submitted_at or batch.sent_at
        return batch.creating == 0 and since is not None and (self._clock.now() - since) / SECOND > _OLD

    # ------------------------------------------------------------ results of polls

    def open_searched(self, poll: Poll, missing: Mapping[BatchKey, Sequence[Item]]) -> bool:
        """Record what a whole search of open analyses did not list; returns whether more are missing than before."""
        more_missing = False
        for key, tracked in self._of(poll):
            left, listing = len(missing.get(key, ())), tracked.listing
            more_missing = more_missing or left > listing.unreported
            listing.unreported = min(listing.unreported, left)
            if not left:
                listing.accounted(self.lag)
        return more_missing

    def ends_searched(self, poll: Poll, missing: Mapping[BatchKey, Sequence[Item]]) -> None:
        """Record what a search of the latest ends did not list either."""
        for key, tracked in self._of(poll):
            left, listing = len(missing.get(key, ())), tracked.listing
            if not left:
                listing.unreported = 0
                listing.accounted(self.lag)
                continue
            if left > listing.unreported:
                tracked.visits.hurry()
            listing.unreported, listing.missed_after = left, self._clock.monotonic() - listing.created_at

    def _of(self, poll: Poll) -> Iterable[tuple[BatchKey, _Tracked]]:
        return [(key, self._tracked[key]) for key in poll.subjects if key in self._tracked]

    def still_open(self, key: BatchKey) -> None:
        """Record that an unlisted analysis is still open, as ICA reported directly."""
        if key in self._tracked:
            self._tracked[key].listing.not_listed(self._clock.monotonic(), self.lag)

    def ended(self, key: BatchKey) -> None:
        """Record that a poll of this batch found an ended analysis."""
        if key in self._tracked:
            self._tracked[key].visits.found_end(self._clock.monotonic())

    # ------------------------------------------------------------ when to poll

    def young(self, key: BatchKey) -> bool:
        """Whether ICA's index may not have all analyses of this batch yet."""
        tracked = self._tracked.get(key)
        return tracked is not None and tracked.listing.young(self._clock.monotonic(), self.lag)

    def due(self, key: BatchKey) -> bool:
        """Whether this batch is due to be polled alone."""
        return self.waits_since(key) <= self._clock.monotonic()

    def waits_since(self, key: BatchKey) -> float:
        """When the batch was or will be due; minus infinity when it was never polled alone."""
        tracked = self._tracked.get(key)
        return tracked.visits.due if tracked is not None else -math.inf

    def ends_due(self, project: str, *, more_missing: bool, young: bool) -> bool:
        """Whether to search the latest ends of the project now; if so, the next search is delayed."""
        now, ends = self._clock.monotonic(), self._ends.setdefault(project, _EndsSearch())
        if not more_missing and now < ends.due:
            return False
        longest = _LONGEST_YOUNG if young else _LONGEST_PAUSE
        ends.pause = _FIRST_PAUSE if more_missing else min(max(_FIRST_PAUSE, 2 * ends.pause), longest)
        ends.due = now + ends.pause
        return True

    # ------------------------------------------------------------ polling a batch alone

    def large(self, key: BatchKey, missing: int) -> bool:
        """Whether `missing` is at least half of the open analyses of the batch."""
        tracked = self._tracked.get(key)
        return tracked is not None and 2 * missing >= tracked.created

    def visit(self, key: BatchKey, *, unsearched: bool) -> int:
        """Record that a batch is polled alone now, and delay the next time; returns the number of visits before."""
        tracked = self._tracked.get(key)
        if tracked is None:
            return 0
        return tracked.visits.visit(self._clock.monotonic(), LONGEST_UNSEARCHED if unsearched else _LONGEST_REST)

    def waiting(self, key: BatchKey) -> bool:
        """Whether items of the batch are left in this round: they are requested before any other poll of the batch."""
        tracked = self._tracked.get(key)
        return tracked is not None and tracked.visits.phase is Phase.PARTWAY

    def in_turn(self, key: BatchKey, items: Sequence[Item], most: int) -> Sequence[Item]:
        """Choose the next items to request, `most` at most. The batch stays due until every item had its turn."""
        tracked = self._tracked.get(key)
        return items[:most] if tracked is None else tracked.visits.choose(items, most, self._clock.monotonic())
