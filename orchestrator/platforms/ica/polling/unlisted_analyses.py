"""Open analyses that searches do not show: since when, what was asked about them, and when it is worth asking again.

An analysis may be absent because it ended, which other questions tell at once; because ICA's index has not got it yet,
which time tells; or because it was deleted, or its tags were, which nothing tells but a question for itself. Those are
dear, so they are asked in turn, a few a sweep, and ever more rarely where they find nothing that ended.
"""

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.clock import SECOND, Clock
from orchestrator.domain.model import Batch, BatchKey, Item, Poll

ASSUMED_LAG: Final = 180.0
"""Seconds that ICA's index may take to show a new analysis, until it has shown how long it takes."""
_LEAST_LAG, _MOST_LAG = 30.0, 900.0
_MARGIN: Final = 2.0
"""We look now and then, and what was seen may be a lucky case."""
_SAMPLES: Final = 16
_OLD: Final = _MOST_LAG
"""Seconds from its submission: a batch that is older when we meet it first, after a start, has been shown before."""

_FIRST_REST, _LONGEST_REST = 30.0, 1800.0
"""Seconds for which a batch is left alone after questions about it that found nothing ended; doubled each time."""
LONGEST_UNSEARCHED: Final = 300.0
"""The same where no search tells anything: then such questions are all that there is."""
_FIRST_PAUSE, _LONGEST_PAUSE = 10.0, 300.0
"""Seconds for which the latest ends of a project are not searched again when nothing more is missing than before."""
_LONGEST_YOUNG: Final = 30.0
"""The same while young analyses are missing: they may end before any search has shown them."""


class Lag:
    """How long it takes ICA's index to show an analysis that ICA told us of."""

    def __init__(self) -> None:
        self.seconds = ASSUMED_LAG
        self._samples: deque[float] = deque(maxlen=_SAMPLES)

    def shown(self, after: float) -> None:
        """All of a batch are there; so long after we knew of them some were not."""
        self._samples.append(after)
        self.seconds = min(max(_LEAST_LAG, _MARGIN * max(self._samples)), _MOST_LAG)

    def key_expired(self, after: float) -> None:
        """One that goes on was not there yet."""
        self.seconds = max(self.seconds, min(_MARGIN * after, _MOST_LAG))


@dataclass(slots=True)
class _Known:
    """What is known of a batch."""

    creating: int
    joined: float
    """When the newest of its analyses came to be known."""
    created: int = 0
    """Open analyses."""
    missed_after: float = 0.0
    """Seconds from then to the last time that some were neither shown nor among the latest ends."""
    shown: bool = False
    """Whether all of them were accounted for since."""
    unreported: int = 0
    """So many were missing the last time, and the latest ends did not tell of them."""
    due: float = -math.inf
    rest: float = 0.0
    before: tuple[float, float] = (-math.inf, 0.0)
    """`due` and `rest` before the present visit."""
    visits: int = 0
    asked: int = 0
    """Number of the item asked about last."""
    asked_now: int = 0
    """Items asked about in this round."""
    waiting: bool = False
    """Whether there are others who wait for their turn."""


@dataclass(slots=True)
class _EndsSearch:
    due: float = -math.inf
    pause: float = 0.0


class UnlistedAnalyses:
    """Of one account. Knows batches, never items, and forgets those that are not open."""

    def __init__(self, clock: Clock) -> None:
        self.lag = Lag()
        self._clock = clock
        self._known: dict[BatchKey, _Known] = {}
        self._ends: dict[str, _EndsSearch] = {}

    def plan(self, batches: Iterable[Batch]) -> None:
        """These have open analyses."""
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

    # ------------------------------------------------------------ what searches told

    def open_searched(self, poll: Poll, missing: Mapping[BatchKey, Sequence[Item]]) -> bool:
        """A whole search for what goes on did not tell of these; returns whether more are missing than before."""
        news = False
        for key in poll.subjects:
            known, left = self._known.get(key), len(missing.get(key, ()))
            if known is None:
                continue
            news = news or left > known.unreported
            known.unreported = min(known.unreported, left)
            if not left:
                self._accounted(known)
        return news

    def ends_searched(self, poll: Poll, missing: Mapping[BatchKey, Sequence[Item]]) -> None:
        """The latest ends of the project did not tell of these either."""
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
        """An analysis that searches do not show does; ICA said so itself."""
        known = self._known.get(key)
        if known is not None and not known.shown:
            self.lag.key_expired(self._clock.monotonic() - known.joined)

    def ended(self, key: BatchKey) -> None:
        """A question about this batch found one that ended: there may be more."""
        known = self._known.get(key)
        if known is not None:
            known.rest, known.due = 0.0, min(known.due, self._clock.monotonic())

    # ------------------------------------------------------------ when to ask

    def young(self, key: BatchKey) -> bool:
        """Whether a search may not have got all of this batch yet."""
        known = self._known.get(key)
        return known is not None and not known.shown and self._clock.monotonic() - known.joined < self.lag.seconds

    def due(self, key: BatchKey) -> bool:
        """Whether it is time to ask about this batch."""
        return self.waits_since(key) <= self._clock.monotonic()

    def waits_since(self, key: BatchKey) -> float:
        """When it was or will be due; what never was asked about comes first."""
        known = self._known.get(key)
        return known.due if known is not None else -math.inf

    def ends_due(self, project: str, *, news: bool, young: bool) -> bool:
        """Whether to search the latest ends of the project, which is noted."""
        now, ends = self._clock.monotonic(), self._ends.setdefault(project, _EndsSearch())
        if not news and now < ends.due:
            return False
        longest = _LONGEST_YOUNG if young else _LONGEST_PAUSE
        ends.pause = _FIRST_PAUSE if news else min(max(_FIRST_PAUSE, 2 * ends.pause), longest)
        ends.due = now + ends.pause
        return True

    # ------------------------------------------------------------ what is asked

    def large(self, key: BatchKey, missing: int) -> bool:
        """Whether so many are a large part of the batch."""
        known = self._known.get(key)
        return known is not None and 2 * missing >= known.created

    def visit(self, key: BatchKey, *, unsearched: bool) -> int:
        """It is asked about now, and not again for a while; returns how often that was done before."""
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
        """Whether items of the batch wait for their turn: nothing else need be asked before."""
        known = self._known.get(key)
        return known is not None and known.waiting

    def in_turn(self, key: BatchKey, items: Sequence[Item], most: int) -> Sequence[Item]:
        """The next few of these. Until all have had their turn, the batch stays due; behind others that got nothing."""
        known = self._known.get(key)
        if known is None:
            return items[:most]
        most = min(most, max(1, len(items) - known.asked_now))  # nobody twice in a round
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
