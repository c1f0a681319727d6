"""What is read of one session at its end: its analyses, its inputs, its configurations, and then its own end."""

from dataclasses import replace
from typing import Final

import msgspec

from orchestrator.clock import Clock
from orchestrator.domain.errors import Missing
from orchestrator.domain.model import Item, ItemReport, ItemState, Poll, PollResult
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.http.calls import Call
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.batches.analyses import moment
from orchestrator.platforms.ica.protocol.pages_by_cursor import following, page_of, restarted
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.ica.sessions import session_calls
from orchestrator.platforms.ica.sessions.session_rows import (
    ORCHESTRATED,
    SessionRow,
    analysis_report,
    facts_of,
    listed,
)
from orchestrator.platforms.ica.sessions.session_sweeps import EndedSessions
from orchestrator.platforms.ica.statuses import ANALYSIS, FINAL_ANALYSIS
from orchestrator.platforms.status_table import state_of

CONFIRMED: Final = 60.0
"""Seconds after which a second "not found" counts: the first may be of a moment."""
_MOST_DENIED: Final = 4096

NO_SUCH_SESSION: Final = (
    "ICA has no workflow session with this id in the project: check the id, and `project` of the job, then `retry`"
)
DELETED_SESSION: Final = "ICA no longer has this workflow session: it was deleted, and how it ended is not known"

_ANALYSES, _INPUTS, _CONFIGURATIONS = "analyses", "inputs", "configurations"


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """What is read next, and what was read so far."""

    part: str
    token: str | None = None
    open: bool = False
    """Whether an analysis has not ended."""
    inputs: str | None = None
    """As JSON."""


_PLACE: Final = msgspec.json.Decoder(_Place)


class SessionEnds:
    """Reads sessions of one account that have ended, or that no search shows."""

    def __init__(self, session: Session, page_size: int, ended: EndedSessions, clock: Clock) -> None:
        self._session = session
        self._size = page_size
        self._ended = ended
        self._clock = clock
        self._denied: Bounded[str, float] = Bounded(_MOST_DENIED)
        """When ICA first said that it does not know a session."""

    async def read(self, poll: Poll) -> PollResult:
        """One request about a session that has ended; the last one reports its end, with its facts."""
        [item] = poll.named
        row = self._ended.get(_id_of(item))
        if row is None:
            return PollResult(())
        place = _PLACE.decode(poll.cursor) if poll.cursor is not None else _Place(_ANALYSES)
        if place.part == _ANALYSES:
            return await self._analyses(poll, item, row, place)
        if place.part == _INPUTS:
            inputs = await self._part(session_calls.inputs(poll.project, row.id))
            return PollResult((), next=_to(poll, _Place(_CONFIGURATIONS, inputs=inputs)))
        configurations = await self._part(session_calls.configurations(poll.project, row.id))
        facts = facts_of(row, inputs=place.inputs, configurations=configurations)
        return PollResult([self._end(poll, item, row, facts)])

    async def check(self, poll: Poll) -> tuple[PollResult, bool]:
        """Ask whether ICA knows a session that no search shows, and return whether it does."""
        [item] = poll.named
        session_id, now = _id_of(item), self._clock.monotonic()
        try:
            await self._session.send(session_calls.orchestrated(poll.project, session_id, 1, None))
        except Missing:
            first = self._denied.get(session_id)
            if first is None:
                self._denied[session_id] = now
            if first is None or now - first < CONFIRMED:
                return PollResult(()), False
            detail = NO_SUCH_SESSION if item.stage == stages.SEARCH else DELETED_SESSION
            return PollResult([_failed(poll, item, detail)]), False
        self._denied.pop(session_id)
        return PollResult(()), True

    async def _analyses(self, poll: Poll, item: Item, row: SessionRow, place: _Place) -> PollResult:
        try:
            call = session_calls.orchestrated(poll.project, row.id, self._size, place.token)
            answer = await page_of(self._session, call, at=place.token)
        except Missing:  # deleted since a search showed its end: that is known all the same
            return PollResult([self._end(poll, item, row, facts_of(row))])
        if answer is None:
            return restarted(poll)
        page, address = ORCHESTRATED.read(answer), poll.homes[item.job, item.batch or 0]
        reports = [analysis_report(each.analysis, address, parent=item.seq) for each in page.rows]
        goes_on = place.open or any(each.analysis.status not in FINAL_ANALYSIS for each in page.rows)
        token, _ = following(poll, page.token)
        if token is not None:
            follow_up = replace(_to(poll, _Place(_ANALYSES, token, goes_on)), trail=poll.trail | {token})
        elif goes_on:
            follow_up = None  # a session ends after its analyses
        else:
            follow_up = _to(poll, _Place(_INPUTS))
        return PollResult(reports, next=follow_up, bad_rows=page.bad_rows)

    async def _part(self, call: Call) -> str | None:
        """What a session has of this; None where it has none, or more than is kept."""
        try:
            return listed(await self._session.send(call))
        except Missing:
            return None

    def _end(self, poll: Poll, item: Item, row: SessionRow, facts: str) -> ItemReport:
        state, known = state_of(row.status, ANALYSIS)
        return ItemReport(
            batch=poll.homes[item.job, item.batch or 0],
            stage=stages.SESSION,
            state=state,
            status=row.status,
            seq=item.seq,
            key=item.key,
            remote_id=row.id,
            detail=row.summary or None,
            finished_at=moment(row.end_date),
            known_status=known,
            facts=facts,
        )


def _failed(poll: Poll, item: Item, detail: str) -> ItemReport:
    return ItemReport(
        batch=poll.homes[item.job, item.batch or 0],
        stage=item.stage,
        state=ItemState.FAILED,
        status=item.status,
        seq=item.seq,
        key=item.key,
        detail=detail,
    )


def _id_of(item: Item) -> str:
    """The id of a session: that of a named one is its key."""
    return item.remote_id or item.key


def _to(poll: Poll, place: _Place) -> Poll:
    return replace(poll, cursor=msgspec.json.encode(place).decode(), page=poll.page + 1)
