"""Searches for the latest ends of sessions and analyses that a sweep of the open ones no longer shows."""

from collections import defaultdict
from dataclasses import replace
from typing import Final, TypeVar

from orchestrator.domain.errors import Missing, Refused
from orchestrator.domain.model import BatchKey, ItemReport, ItemState, Poll, PollResult
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.protocol import requests, wire
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.ica.protocol.wire import Page
from orchestrator.platforms.ica.sessions import session_calls
from orchestrator.platforms.ica.sessions.session_rows import ANALYSES, SESSIONS, analysis_report
from orchestrator.platforms.ica.sessions.session_sweeps import EndedSessions
from orchestrator.platforms.ica.statuses import FINAL_ANALYSIS

DELETED_ANALYSIS: Final = "ICA no longer has this analysis: it was deleted, and how it ended is not known"
Row = TypeVar("Row")


class EndedSearches:
    """The searches of one account, by offset and sorted; what they miss, others find."""

    def __init__(self, session: Session, page_size: int, ended: EndedSessions) -> None:
        self._session = session
        self._size = page_size
        self._ended = ended

    async def sessions(self, poll: Poll) -> PollResult:
        """A page of the sessions that ended last. None is reported: each has a poll of its own."""
        offset = int(poll.cursor or 0)
        call = session_calls.ended_sessions(poll.project, FINAL_ANALYSIS, self._size, offset)
        try:
            page = SESSIONS.read(await self._session.send(call))
        except Refused:
            return PollResult(())  # a sweep of all statuses takes its place
        for row in page.rows:
            self._ended.note(row)
        left = any(self._ended.get(item.remote_id or "") is None for item in poll.named)
        return PollResult((), next=_next(poll, page, offset) if left else None, bad_rows=page.bad_rows)

    async def analyses(self, poll: Poll) -> PollResult:
        """A page of the analyses that ended last, with the reports of those that are named."""
        offset = int(poll.cursor or 0)
        call = session_calls.ended_analyses(poll.project, FINAL_ANALYSIS, self._size, offset)
        try:
            page = ANALYSES.read(await self._session.send(call))
        except Refused:
            return PollResult(())  # the end of their session shows them
        homes: defaultdict[str, list[BatchKey]] = defaultdict(list)
        for item in poll.named:
            homes[item.remote_id or ""].append(poll.homes[item.job, item.batch or 0])
        reports = [analysis_report(row, home) for row in page.rows for home in homes.pop(row.id, ())]
        named = tuple(item for item in poll.named if item.remote_id in homes)
        follow_up = _next(replace(poll, named=named), page, offset) if named else None
        return PollResult(reports, next=follow_up, bad_rows=page.bad_rows)

    async def analysis(self, poll: Poll) -> PollResult:
        """One analysis, by its id."""
        [item] = poll.named
        home = poll.homes[item.job, item.batch or 0]
        try:
            answer = await self._session.send(requests.analysis(poll.project, item.remote_id or ""))
        except Missing:
            gone = ItemReport(
                batch=home,
                stage=stages.ANALYSIS,
                state=ItemState.FAILED,
                status=item.status,
                seq=item.seq,
                key=item.key,
                remote_id=item.remote_id,
                detail=DELETED_ANALYSIS,
            )
            return PollResult([gone])
        return PollResult([analysis_report(read(answer, wire.ANALYSIS), home)])


def _next(poll: Poll, page: Page[Row], offset: int) -> Poll | None:
    """The poll of the next page, of which there are no more than what is missing may fill, and one."""
    after = offset + len(page.rows) + page.bad_rows
    if after in (offset, page.total) or poll.page >= poll.cost:
        return None
    return replace(poll, cursor=str(after), page=poll.page + 1)
