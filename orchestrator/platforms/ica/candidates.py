"""The remote batches that may be a given one: ICA has no list of batches, but each job has the id of its batch."""

from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.clock import Micros
from orchestrator.domain.errors import Refused
from orchestrator.domain.model import Batch, BatchKey
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.declaration import SentBesides
from orchestrator.platforms.http.calls import Call
from orchestrator.platforms.ica.batches.analyses import moment
from orchestrator.platforms.ica.batches.families import Family
from orchestrator.platforms.ica.protocol import requests, wire
from orchestrator.platforms.ica.protocol.listing import MOST_PAGES, pages
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.ica.protocol.wire import Job
from orchestrator.platforms.listed_once import ListedOnce
from orchestrator.platforms.pages import EndlessListingError

_MOST_CANDIDATES: Final = 100
"""Maximum candidate batches; with more, the search is inconclusive."""
_FEW_CANDIDATES: Final = 20
"""Batches that are read when there are more candidates: those created closest to the last send."""


@dataclass(slots=True)
class Unread:
    """Counts the rows of a search that were invalid or had no item; what was searched for may be among them."""

    rows: int = 0

    def refuse(self, batch: Batch) -> None:
        """Raise Refused when there are any, as "not found" is then inconclusive."""
        if self.rows:
            raise Refused(f"ICA returned {self.rows} rows that cannot be read: they may be of batch {batch.key}")


@dataclass(frozen=True, slots=True)
class _Listed:
    """The jobs that ICA listed."""

    jobs: list[Job]
    unread: int


@dataclass(slots=True)
class Candidates:
    """Searches the jobs of one account."""

    session: Session
    size: int
    """Of pages."""
    claimed: Bounded[str, BatchKey]
    """Remote batches whose batch is known: remote id → key."""
    started_at: Micros
    """When this process began, by the local clock: what was planned later was sent by no earlier process."""
    sent_besides: SentBesides
    _before: ListedOnce[_Listed] = field(init=False)

    def __post_init__(self) -> None:
        self._before = ListedOnce(self._list)

    def none_possible(self, batch: Batch) -> bool:
        """Whether this batch cannot have been sent: it was planned in the lifetime of this process, and never sent."""
        return batch.first_sent_at is None and (batch.planned_at or 0) >= self.started_at

    async def of(self, batch: Batch, family: Family, unread: Unread, *, slack: Micros) -> Iterator[str]:
        """The remote batches created since the first send, the most likely first; `slack` is for ICA's clock.

        Raises:
            Refused: there are too many, once the first ones were taken.
        """
        sent_at = batch.first_sent_at or batch.planned_at or batch.sent_at or 0
        last_sent_at = max(sent_at, batch.sent_at or 0) if batch.first_sent_at is not None else sent_at
        young = await self._jobs_since(batch, sent_at - slack, unread)
        jobs = [job for job in young if self._may_be(job, batch, family)]
        jobs.sort(key=lambda job: abs((moment(job.time_created) or 0) - last_sent_at))
        return _likeliest(batch, list(dict.fromkeys(job.subject_id for job in jobs)))

    async def unknown(self, batch: Batch, family: Family, unread: Unread, *, since: Micros) -> Sequence[str]:
        """The latest remote batches since then that are in no record: a few, as other programs may create many."""
        jobs = await self._jobs_since(batch, since, unread)
        ids = list(dict.fromkeys(job.subject_id for job in jobs if self._may_be(job, batch, family)))
        known = (await self.sent_besides(batch, since, ids)).ids
        return [each for each in ids if each not in known][:_FEW_CANDIDATES]

    async def all_items(self, batch: Batch, family: Family, remote_id: str, unread: Unread) -> list[Any]:
        """All items of a remote batch."""
        rows: list[Any] = []

        def ask(token: str | None) -> Call:
            return requests.items(family.at, batch.project, remote_id, self.size, token)

        what = f"ICA's list of the items of batch {remote_id}"
        async with aclosing(pages(self.session, ask, family.items, what=what)) as listing:
            async for page in listing:
                rows += page.rows
                unread.rows += page.bad_rows
        return rows

    def _may_be(self, job: Job, batch: Batch, family: Family) -> bool:
        place = job.bundle if family.at.scope == "bundles" else job.project
        return (
            self.claimed.get(job.subject_id) in (None, batch.key)
            and (place is None or place.id.lower() == batch.project.lower())  # a queue file may have it in capitals
            and family.may_have(job.subject_type)
        )

    async def _jobs_since(self, batch: Batch, since: Micros, unread: Unread) -> Sequence[Job]:
        """The jobs created since then. What an earlier process may have begun is listed once for all batches."""
        listed = await (self._list(since) if batch.first_sent_at is not None else self._before.since(since))
        unread.rows += listed.unread
        return [job for job in listed.jobs if (moment(job.time_created) or since) >= since]

    async def _list(self, since: Micros) -> _Listed:
        """The list has the newest first, so a page of only older jobs ends it."""
        jobs: list[Job] = []
        offset = unread = 0
        for _ in range(MOST_PAGES):
            page = wire.JOBS.read(await self.session.send(requests.jobs(self.size, offset)))
            young = [job for job in page.rows if (moment(job.time_created) or since) >= since]
            jobs += young
            unread += page.bad_rows
            offset += len(page.rows) + page.bad_rows
            if not (young or page.bad_rows) or offset == page.total:
                return _Listed(jobs, unread)
        raise EndlessListingError("ICA's list of jobs does not end")


def _likeliest(batch: Batch, candidates: Sequence[str]) -> Iterator[str]:
    """Yield all candidates; when there are too many, the first few, and then raise Refused, as it is inconclusive."""
    too_many = len(candidates) > _MOST_CANDIDATES
    yield from candidates[:_FEW_CANDIDATES] if too_many else candidates
    if too_many:
        raise Refused(f"ICA has {len(candidates)} jobs that may be batch {batch.key}: too many to read")
