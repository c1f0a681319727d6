"""Tracks open analyses that searches do not list, and decides when to poll for them.

An analysis is not listed because it ended, which other polls report at once; because ICA's index does not have it yet,
which passes; or because it or its tags were deleted, which only a request for the analysis itself shows. Such requests
are expensive, so a few are made per sweep, in turn, and less and less often while they find no ended analysis.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.clock import SECOND, Clock
from orchestrator.domain.model import Batch, BatchKey, Item, Poll

ASSUMED_LAG: Final = 180.0
"""Seconds that ICA's index is assumed to need to list a new analysis, until this has been measured."""
_LEAST_LAG, _MOST_LAG = 30.0, 900.0
_MARGIN: Final = 2.0
"""Factor on the measured lag, as samples are few and may be too low."""
_SAMPLES: Final = 16
_OLD: Final = _MOST_LAG
"""Seconds since submission: a batch older than this at a start counts as listed before."""

_FIRST_REST, _LONGEST_REST = 30.0, 1800.0
"""Seconds until a batch is polled alone again, doubled while that finds no ended analysis; first and maximum."""
LONGEST_UNSEARCHED: Final = 300.0
"""The maximum where ICA refuses searches, so that these polls are the only source."""
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 300.0
"""Seconds until the latest ends of a project are searched again while no more are missing; first and maximum."""
_LONGEST_YOUNG: Final = 30.0
"""The maximum while young analyses are missing: they may end before any search has listed them."""


class Lag:
    """Measures how long ICA's index needs to list an analysis after its creation was reported."""

    def __init__(self) -> None:
        self.seconds = ASSUMED_LAG
        self._samples: deque[float] = deque(maxlen=_SAMPLES)

    def shown(self, after: float) -> None:
        """Record that all analyses of a batch are listed; `after` seconds after creation some were not yet."""
        self._samples.append(after)
        self.seconds = min(max(_LEAST_LAG, _MARGIN * max(self._samples)), _MOST_LAG)

    def key_expired(self, after: float) -> None:
        """Record that an open analysis was not listed `after` seconds after its creation."""
        self.seconds = max(self.seconds, min(_MARGIN * after, _MOST_LAG))


@dataclass(slots=True)
class _Known:
    """The state of a batch: the first fields are about the index, those from `due` on about polling it alone.

    In the index, a batch is young until it is `shown`, or until the lag has passed since `joined`. It is polled alone
    in rounds: each visit (`visit`) delays the next one, and a round ends when every item had its turn (`in_turn`).
    """

    creating: int
    joined: float
    """When the creation of its newest analysis was observed."""
    created: int = 0
    """Number of open analyses."""
    missed_after: float = 0.0
    """Seconds from `joined` to the last time that some were neither listed nor among the latest ends."""
    shown: bool = False
    """Whether all of them were reported since `joined`."""
    unreported: int = 0
    """Number that was missing last time and not among the latest ends."""
    due: float = -math.inf
    rest: float = 0.0
    before: tuple[float, float] = (-math.inf, 0.0)
    """`due` and `rest` before the current visit."""
    visits: int = 0
    asked: int = 0
    """Sequence number of the last requested item."""
    asked_now: int = 0
    """Number of items requested in this round."""
    waiting: bool = False
    """Whether items are left in this round."""


@dataclass(slots=True)
class _EndsSearch:
    due: float = -math.inf
    pause: float = 0.0


class UnlistedAnalyses:
    """The unlisted analyses of one account. Has state per batch, not per item, and only for open batches."""

    def __init__(self, clock: Clock) -> None:
        self.lag = Lag()
        self._clock = clock
        self._known: dict[BatchKey, _Known] = {}
        self._ends: dict[str, _EndsSearch] = {}

    def plan(self, batches: Iterable[Batch]) -> None:
        """Set the batches with open analyses."""
        now = self._clock.monotonic()
        held, self._known, projects = self._known, {}, set[str]()
        for batch in batches:
            known = held.get(batch.key)
            if known is None:
                known = _Known(batch.creating, now, shown=self._is_old(batch))
            elif batch.creating < known.creating:
                known.joined, known.missed_after, known.shown = now, 0.0, False
            known.creating, known.created = batch.creating, batch.open - batch.creating
            self._known[batch.key] = known
            projects.add(batch.project)
        self._ends = {project: ends for project, ends in self._ends.items() if project in projects}

    def _is_old(self, batch: Batch) -> bool:
        since = batch.submitted_at or batch.sent_at
        return batch.creating == 0 and since is not None and (self._clock.now() - since) / SECOND > _OLD

    # ------------------------------------------------------------ results of polls

    def open_searched(self, poll: Poll, missing: Mapping[BatchKey, Sequence[Item]]) -> bool:
        """Record what a whole search of open analyses did not list; returns whether more are missing than before."""
        more_missing = False
        for key in poll.subjects:
            known, left = self._known.get(key), len(missing.get(key, ()))
            if known is None:
                continue
            more_missing = more_missing or left > known.unreported
            known.unreported = min(known.unreported, left)
            if not left:
                self._accounted(known)
        return more_missing

    def ends_searched(self, poll: Poll, missing: Mapping[BatchKey, Sequence[Item]]) -> None:
        """Record what a search of the latest ends did not list either."""
        for key in poll.subjects:
            known, left = self._known.get(key), len(missing.get(key, ()))
            if known is None:
                continue
            if not left:
                known.unreported = 0
                self._accounted(known)
                continue
            if left > known.unreported:
                known.due = -math.inf
            known.unreported, known.missed_after = left, self._clock.monotonic() - known.joined

    def _accounted(self, known: _Known) -> None:
        if not known.shown:
            known.shown = True
            self.lag.shown(known.missed_after)

    def still_open(self, key: BatchKey) -> None:
        """Record that an unlisted analysis is still open, as ICA reported directly."""
        known = self._known.get(key)
        if known is not None and not known.shown:
            self.lag.key_expired(self._clock.monotonic() - known.joined)

    def ended(self, key: BatchKey) -> None:
        """Record that a poll of this batch found an ended analysis: there may be more, so it is due at once."""
        known = self._known.get(key)
        if known is not None:
            known.rest, known.due = 0.0, min(known.due, self._clock.monotonic())

    # ------------------------------------------------------------ when to poll

    def young(self, key: BatchKey) -> bool:
        """Whether ICA's index may not have all analyses of this batch yet."""
        known = self._known.get(key)
        return known is not None and not known.shown and self._clock.monotonic() - known.joined < self.lag.seconds

    def due(self, key: BatchKey) -> bool:
        """Whether this batch is due to be polled alone."""
        return self.waits_since(key) <= self._clock.monotonic()

    def waits_since(self, key: BatchKey) -> float:
        """When the batch was or will be due; minus infinity when it was never polled alone."""
        known = self._known.get(key)
        return known.due if known is not None else -math.inf

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
        known = self._known.get(key)
        return known is not None and 2 * missing >= known.created

    def visit(self, key: BatchKey, *, unsearched: bool) -> int:
        """Record that a batch is polled alone now, and delay the next time; returns the number of visits before."""
        known = self._known.get(key)
        if known is None:
            return 0
        longest = LONGEST_UNSEARCHED if unsearched else _LONGEST_REST
        known.before = known.due, known.rest
        known.rest = min(max(_FIRST_REST, 2 * known.rest), longest)
        known.due = self._clock.monotonic() + known.rest
        known.visits += 1
        return known.visits - 1

    def waiting(self, key: BatchKey) -> bool:
        """Whether items of the batch are left in this round: they are requested before any other poll of the batch."""
        known = self._known.get(key)
        return known is not None and known.waiting

    def in_turn(self, key: BatchKey, items: Sequence[Item], most: int) -> Sequence[Item]:
        """Choose the next items to request, `most` at most. The batch stays due until every item had its turn."""
        known = self._known.get(key)
        if known is None:
            return items[:most]
        most = min(most, max(1, len(items) - known.asked_now))  # no item twice in a round
        chosen = sorted(items, key=lambda item: (item.seq <= known.asked, item.seq))[: max(0, most)]
        known.asked_now += len(chosen)
        known.waiting = known.asked_now < len(items)
        if not chosen:
            known.due, known.rest = known.before
        elif known.waiting:
            known.due, known.rest = self._clock.monotonic(), known.before[1]
        else:
            known.asked_now = 0
        if chosen:
            known.asked = chosen[-1].seq
        return chosen
