"""What became of a job's items, gathered in one pass over them: reasons, a time line, the first that did not succeed.

Its memory is bounded, whatever the number of items and whatever the platform writes about them.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import Item, ItemState, Job
from orchestrator.engine.result_document import Link, reason_of

MOST_LISTED = 1000
"""Unsuccessful items that are kept for the list."""
MOST_REASONS = 500
"""Different reasons that are kept apart; all others are counted together."""
BINS = 120
"""Periods of the time line."""
LONGEST_TEXT = 300
"""Characters of a detail, an id or a key that are kept; the results for programs have all of them."""
LONGEST_LINK = 2000
"""Characters of an address; a longer one is left out, as it could not be cut."""

_RESOLUTION = 0.02
"""Durations are counted in classes, each longer than the one before by this part: few, whatever the number of items."""
_FEWEST_DURATIONS = 4
_MINUTE = 60
_WHOLE_MINUTES = 600
"""Seconds from which on a duration is given in minutes, as it is not known more exactly."""
_TOKEN = re.compile(r"\w+(?:[.:-]\w+)*")
_CODE = re.compile(r"[0-9]{1,4}|[^0-9]*")
"""A part of a reason that may be the same for many items: a word, or a short number such as 404."""
_MASKED = "…"
_NAMES_ONE = 4
"""Characters of a key from which on a reason that has them speaks of this item; a shorter one is part of words."""


@dataclass(slots=True)
class Reason:
    """Items that ended in one state for one reason."""

    state: ItemState
    text: str
    """The reason of the first of them in full."""
    first: str
    """Key of the first of them."""
    items: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """One item that did not succeed."""

    key: str
    parent: str | None
    batch: int | None
    stage: str
    state: ItemState
    status: str | None
    reason: str | None
    remote_id: str | None
    link: str | None
    attempts: int
    finished_at: Micros | None


@dataclass(slots=True)
class Timeline:
    """How many items were submitted and ended in each of `BINS` periods of equal length."""

    start: Micros
    end: Micros
    submitted: list[int] = field(default_factory=lambda: [0] * BINS)
    ended: dict[ItemState, list[int]] = field(default_factory=dict)

    def add(self, item: Item) -> None:
        """Count one item."""
        if item.submitted_at is not None:
            self.submitted[self._bin(item.submitted_at)] += 1
        if item.state.final and item.finished_at is not None:
            self.ended.setdefault(item.state, [0] * BINS)[self._bin(item.finished_at)] += 1

    def time(self, bins: int) -> Micros:
        """When the first `bins` periods are over."""
        return self.start + (self.end - self.start) * bins // BINS

    def _bin(self, at: Micros) -> int:
        length = max(1, self.end - self.start)
        return min(BINS - 1, max(0, (at - self.start) * BINS // length))


class Outcome:
    """Gathers what the report says of the items. Items under which others were found are left out, as in the counts."""

    def __init__(self, job: Job, now: Micros, link: Link | None = None) -> None:
        self._link = link
        self.timeline = Timeline(job.created_at, max(job.settled_at or now, job.created_at + 1))
        self.listed: list[Listed] = []
        self.unsuccessful = 0
        self.read = 0
        """Items that were read, those left out included."""
        self.attempted_again = 0
        """Items that were submitted more than once."""
        self.recovered = 0
        """Those of them that succeeded."""
        self._took: Counter[int] = Counter()
        self._reasons: dict[tuple[ItemState, str], Reason] = {}
        self._other_reasons: dict[ItemState, Reason] = {}

    def add(self, items: Sequence[Item]) -> None:
        """Take in the next items, in their order."""
        for item in items:
            self.read += 1
            if item.found:
                continue
            self.timeline.add(item)
            self._add_attempts(item)
            if item.state is ItemState.ATTENTION or (item.state.final and item.state is not ItemState.SUCCEEDED):
                self._add_unsuccessful(item)

    @property
    def reasons(self) -> Sequence[Reason]:
        """The reasons, the most frequent first; what was not kept apart stands at the end."""
        known = sorted(self._reasons.values(), key=lambda reason: -reason.items)
        return [*known, *self._other_reasons.values()]

    def took(self, share: float) -> Micros | None:
        """How long this share of the items that succeeded took at most, within 2%; None where too few succeeded."""
        total = self._took.total()
        if total < _FEWEST_DURATIONS:
            return None
        seen = 0
        for place in sorted(self._took):
            seen += self._took[place]
            if seen >= share * total:
                seconds = math.expm1(place * _RESOLUTION)
                return (
                    round(seconds / _MINUTE) * _MINUTE * SECOND
                    if seconds >= _WHOLE_MINUTES
                    else round(seconds) * SECOND
                )
        return None

    def _add_attempts(self, item: Item) -> None:
        succeeded = item.state is ItemState.SUCCEEDED
        self.attempted_again += item.attempts > 1
        self.recovered += item.attempts > 1 and succeeded
        if succeeded and item.submitted_at is not None and item.finished_at is not None:
            seconds = max(0.0, (item.finished_at - item.submitted_at) / SECOND)
            self._took[math.ceil(math.log1p(seconds) / _RESOLUTION)] += 1

    def _add_unsuccessful(self, item: Item) -> None:
        self.unsuccessful += 1
        reason = reason_of(item)
        group = (item.state, _pattern(reason or "", item))
        found = self._reasons.get(group)
        if found is None:
            found = self._new_reason(group, reason, item)
        found.items += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(_listed(item, reason, self._link))

    def _new_reason(self, group: tuple[ItemState, str], text: str | None, item: Item) -> Reason:
        if len(self._reasons) < MOST_REASONS:
            return self._reasons.setdefault(group, Reason(item.state, clipped(text or ""), clipped(item.key)))
        other = Reason(item.state, "other reasons", clipped(item.key))
        return self._other_reasons.setdefault(item.state, other)


def clipped(text: str) -> str:
    """The text, cut where it is longer than a table cell should be."""
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"


def cumulated(numbers: Sequence[int]) -> Iterator[int]:
    """0, then the sums of the first one, two, … numbers."""
    total = 0
    yield total
    for number in numbers:
        total += number
        yield total


def states_in_order(ended: Mapping[ItemState, Sequence[int]]) -> Sequence[ItemState]:
    """The states that occur, the good ones first."""
    return [state for state in ItemState if state in ended]


def _pattern(reason: str, item: Item) -> str:
    """The reason without what names this one item, so that equal reasons fall together."""
    text = reason[: 4 * LONGEST_TEXT]
    for own in (item.key, item.remote_id):
        if own and len(own) >= _NAMES_ONE:
            text = text.replace(own, _MASKED)
    # Ids, times and long numbers differ from item to item.
    return _TOKEN.sub(lambda token: token[0] if _CODE.fullmatch(token[0]) else _MASKED, text)[:LONGEST_TEXT]


def _listed(item: Item, reason: str | None, link: Link | None) -> Listed:
    address = link(item.remote_id) if link is not None else None
    return Listed(
        key=clipped(item.key),
        parent=clipped(item.parent_key) if item.parent_key is not None else None,
        batch=item.batch,
        stage=item.stage,
        state=item.state,
        status=clipped(item.status) if item.status is not None else None,
        reason=clipped(reason) if reason is not None else None,
        remote_id=clipped(item.remote_id) if item.remote_id is not None else None,
        link=address if address is None or len(address) <= LONGEST_LINK else None,
        attempts=item.attempts,
        finished_at=item.finished_at,
    )
