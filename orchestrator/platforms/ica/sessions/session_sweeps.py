"""Sweeps over a project's sessions: all that are open each time, and all of any status when a whole view is needed.

A whole view is taken first of all of each batch, so also after a start; once more behind the end of each selector's
window; and when a session can be found no other way.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from orchestrator.clock import Clock, Micros
from orchestrator.domain.errors import Refused
from orchestrator.domain.model import Batch, BatchKey, ItemReport, ItemState, Observation, Poll, PollResult
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.polling.learning import SearchStatuses
from orchestrator.platforms.ica.protocol.pages_by_cursor import following, page_of, restarted
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.ica.sessions import session_calls
from orchestrator.platforms.ica.sessions.selectors import Followed, Selector, followed
from orchestrator.platforms.ica.sessions.session_rows import SESSIONS, SessionRow, session_report
from orchestrator.platforms.ica.statuses import FINAL_ANALYSIS

_MOST_ENDED: Final = 16_384
"""Ended sessions whose last row is kept; one that is forgotten is searched for again."""


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where a sweep is."""

    whole: bool
    began: Micros
    token: str | None = None


_PLACE: Final = msgspec.json.Decoder(_Place)


class EndedSessions:
    """The last rows of sessions that have ended."""

    def __init__(self) -> None:
        self._rows: Bounded[str, SessionRow] = Bounded(_MOST_ENDED)
        self._wanted: Bounded[str, None] = Bounded(_MOST_ENDED)

    def want(self, ids: Iterable[str]) -> None:
        """Keep the rows of these as soon as any search shows that they have ended."""
        for session_id in ids:
            self._wanted[session_id] = None

    def note(self, row: SessionRow, *, wanted: bool = False) -> None:
        """Keep a row, if it is the last of a session that is followed."""
        if row.status in FINAL_ANALYSIS and (wanted or row.id in self._wanted):
            self._wanted.pop(row.id)
            self._rows[row.id] = row

    def get(self, session_id: str) -> SessionRow | None:
        """The last row of a session; None while it is not known to have ended."""
        return self._rows.get(session_id)


class SessionSweeps:
    """The sweeps of one account."""

    def __init__(
        self, session: Session, page_size: int, statuses: SearchStatuses, ended: EndedSessions, clock: Clock
    ) -> None:
        self._session = session
        self._size = page_size
        self._statuses = statuses
        self._ended = ended
        self._clock = clock
        self._accepted: dict[BatchKey, Micros] = {}
        self._whole: dict[BatchKey, Micros] = {}
        """When the last whole view of each batch began."""
        self._selectors: dict[BatchKey, int] = {}
        """Open selectors in each batch, when it was swept last."""
        self._wanted_at: dict[str, float] = {}
        """By project: when a whole view is due although none was planned."""

    def plan(self, batches: Sequence[Batch]) -> None:
        """Set the batches that are followed."""
        self._accepted = {batch.key: batch.planned_at or 0 for batch in batches}
        self._whole = {key: began for key, began in self._whole.items() if key in self._accepted}
        self._selectors = {key: count for key, count in self._selectors.items() if key in self._accepted}
        projects = {batch.project for batch in batches}
        self._wanted_at = {project: at for project, at in self._wanted_at.items() if project in projects}

    def has_sessions(self, batch: Batch) -> bool:
        """Whether a session of it may be open: not where nothing but selectors is, which found none so far."""
        return batch.open > self._selectors.get(batch.key, 0)

    def want_whole(self, project: str, within: float) -> None:
        """Take a whole view of this project in so many seconds at the latest."""
        at = self._clock.monotonic() + within
        self._wanted_at[project] = min(at, self._wanted_at.get(project, math.inf))

    async def read(self, poll: Poll) -> PollResult:
        """One page of a sweep, with the reports of all jobs that follow sessions of the project."""
        jobs = followed(poll, self._accepted)
        place = _PLACE.decode(poll.cursor) if poll.cursor is not None else self._begin(poll, jobs)
        statuses = () if place.whole else self._statuses.open
        call = session_calls.sessions(poll.project, statuses, self._size, place.token)
        try:
            answer = await page_of(self._session, call, at=place.token)
        except Refused as refusal:
            if place.whole or (learned := self._statuses.refused_by(refusal)) is None:
                raise
            return restarted(poll, learned)
        if answer is None:
            return restarted(poll)
        page = SESSIONS.read(answer)
        reports: list[Observation] = []
        for row in page.rows:
            if (learned := self._statuses.observed(row.status)) is not None:
                reports.append(learned)
            reports += [self._report(job, row) for job in jobs]
        token, complete = following(poll, page.token)
        if token is None:
            if complete and place.whole:
                self._whole |= dict.fromkeys(poll.subjects, place.began)
            reports += [self._selector_report(selector) for job in jobs for selector in job.selectors]
        cursor = msgspec.json.encode(msgspec.structs.replace(place, token=token)).decode()
        return PollResult(reports, next=_at(poll, cursor, token), bad_rows=page.bad_rows)

    def _begin(self, poll: Poll, jobs: Sequence[Followed]) -> _Place:
        now = self._clock.now()
        for key in poll.subjects:
            self._selectors[key] = 0
        for selector in (selector for job in jobs for selector in job.selectors):
            self._selectors[selector.batch] += 1
        whole = self._needs_whole(poll, jobs, now)
        if whole:
            self._wanted_at.pop(poll.project, None)
        return _Place(whole, now)

    def _needs_whole(self, poll: Poll, jobs: Sequence[Followed], now: Micros) -> bool:
        if any(key not in self._whole for key in poll.subjects):
            return True
        if self._wanted_at.get(poll.project, math.inf) <= self._clock.monotonic():
            return True
        selectors = (selector for job in jobs for selector in job.selectors)
        return any(now >= selector.complete_from > self._whole[selector.batch] for selector in selectors)

    def _report(self, job: Followed, row: SessionRow) -> ItemReport:
        selector = job.selector_of(row)
        self._ended.note(row, wanted=selector is not None or row.id in job.ids)
        if selector is None:
            return session_report(row, job.address, parent=None)
        return session_report(row, selector.batch, parent=selector.seq)

    def _selector_report(self, selector: Selector) -> ItemReport:
        """It ends, in the state of what it found, once a whole view began late enough to show all of its window."""
        done = self._whole.get(selector.batch, -1) >= selector.complete_from
        return ItemReport(
            batch=selector.batch,
            stage=stages.SEARCH,
            state=ItemState.SUCCEEDED if done else ItemState.RUNNING,
            status=None,
            seq=selector.seq,
            key=selector.key,
            by_children=done,
            facts=f'{{"found":{selector.found}}}' if done else None,
        )


def _at(poll: Poll, cursor: str, token: str | None) -> Poll | None:
    if token is None:
        return None
    return replace(poll, cursor=cursor, page=poll.page + 1, trail=poll.trail | {token})
