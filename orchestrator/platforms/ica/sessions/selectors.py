"""Selectors of workflow sessions, as a poll is given them, and what they match."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from orchestrator.domain.model import BatchKey, Item, JobId, Poll
from orchestrator.domain.units import SECOND, Micros
from orchestrator.platforms.ica.batches.analyses import moment
from orchestrator.platforms.ica.protocol.wire import Wire
from orchestrator.platforms.ica.sessions.session_rows import SessionRow
from orchestrator.platforms.ica.sessions.time_window import NOW, Window, parse_moment

INDEX_LAG: Final[Micros] = 180 * SECOND
"""How long a new session is assumed to be missing from searches."""


class _Asked(Wire):
    id: str | None = None
    name: str | None = None
    user_reference: str | None = None
    technical_tags: list[str] | None = None
    user_tags: list[str] | None = None
    status: str | list[str] | None = None
    since: str | None = None
    until: str | None = None


_ASKED: Final = msgspec.json.Decoder(_Asked)


@dataclass(frozen=True, slots=True)
class Selector:
    """An item that selects sessions."""

    batch: BatchKey
    seq: int
    key: str
    found: int
    """Sessions under it when the sweep began."""
    window: Window
    user_reference: str | None
    technical_tags: frozenset[str]
    user_tags: frozenset[str]
    statuses: frozenset[str]
    """Empty: any."""

    def matches(self, row: SessionRow) -> bool:
        """Whether it selects a session as it is now. Tags: all that it names must be there."""
        technical = row.tags.technical_tags if row.tags is not None else None
        user = row.tags.user_tags if row.tags is not None else None
        return (
            (self.user_reference is None or row.user_reference == self.user_reference)
            and (not self.statuses or row.status in self.statuses)
            and self.technical_tags.issubset(technical or ())
            and self.user_tags.issubset(user or ())
            and moment(row.time_created) in self.window
        )

    @property
    def complete_from(self) -> Micros:
        """A search of all statuses that begins now or later shows every session of its window."""
        return self.window.until + INDEX_LAG


@dataclass(frozen=True, slots=True)
class Followed:
    """What one job follows."""

    address: BatchKey
    """One of its batches: reports to the job go there."""
    selectors: tuple[Selector, ...]
    ids: frozenset[str]
    """The named sessions that were not found so far."""

    def selector_of(self, row: SessionRow) -> Selector | None:
        """The first that selects a session."""
        return next((each for each in self.selectors if each.matches(row)), None)


def followed(poll: Poll, accepted: Mapping[BatchKey, Micros]) -> list[Followed]:
    """What the jobs of a poll follow, by the items that came along; `accepted`: when the job of each batch was."""
    addresses: dict[JobId, BatchKey] = {}
    for (job, _), key in poll.homes.items():
        addresses.setdefault(job, key)
    items: dict[JobId, list[Item]] = {job: [] for job in addresses}
    for item in poll.named:
        items[item.job].append(item)
    return [_of_job(poll, address, items[job], accepted) for job, address in addresses.items()]


def _of_job(poll: Poll, address: BatchKey, items: Iterable[Item], accepted: Mapping[BatchKey, Micros]) -> Followed:
    selectors, ids = [], set()
    for item in items:
        asked = _ASKED.decode(item.request or b"{}")
        key = poll.homes.get((item.job, item.batch or 0))
        if asked.id is not None:
            ids.add(asked.id)
        elif key is not None:
            selectors.append(_selector(item, asked, key, accepted.get(key, 0)))
    return Followed(address, tuple(selectors), frozenset(ids))


def _selector(item: Item, asked: _Asked, batch: BatchKey, accepted: Micros) -> Selector:
    since = parse_moment(asked.since).at(accepted) if asked.since is not None else None
    until = (parse_moment(asked.until) if asked.until is not None else NOW).at(accepted)
    statuses: Collection[str] = (asked.status,) if isinstance(asked.status, str) else asked.status or ()
    return Selector(
        batch=batch,
        seq=item.seq,
        key=item.key,
        found=item.found,
        window=Window(since, until),
        user_reference=asked.user_reference,
        technical_tags=frozenset(asked.technical_tags or ()),
        user_tags=frozenset(asked.user_tags or ()),
        statuses=frozenset(statuses),
    )
