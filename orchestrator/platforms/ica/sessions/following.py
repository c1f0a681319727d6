"""Follows the workflow sessions of one account, and the analyses that they orchestrate. Nothing is sent.

| what is open | poll | requests |
| --- | --- | --- |
| selectors, named sessions, found sessions | SESSIONS, per project | one per page of open sessions; at times of all |
| their analyses | ANALYSES, per project | one per page of the project's open analyses |
| what these show no longer | ENDED_SESSIONS, ENDED_ANALYSES | a page now and then, the latest end first |
| a session that has ended | END | its analyses, its inputs, its configurations: mostly three |
| a session, an analysis that no search shows | CHECK, ANALYSIS | one, seldom |
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Final, assert_never

from orchestrator.clock import Clock
from orchestrator.domain.errors import Refused
from orchestrator.domain.model import Batch, Item, Observation, Poll, PollResult, Stage
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.polling.learning import SearchStatuses
from orchestrator.platforms.ica.polling.routes import question
from orchestrator.platforms.ica.protocol.pages_by_cursor import following, page_of, restarted
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.ica.sessions import session_calls
from orchestrator.platforms.ica.sessions.ended_searches import EndedSearches
from orchestrator.platforms.ica.sessions.pacing_of_ends import PAGES_OF_ANALYSES, PAGES_OF_SESSIONS, EndSearches, Rests
from orchestrator.platforms.ica.sessions.selectors import INDEX_LAG, followed
from orchestrator.platforms.ica.sessions.session_ends import SessionEnds
from orchestrator.platforms.ica.sessions.session_rows import ANALYSES, analysis_report
from orchestrator.platforms.ica.sessions.session_sweeps import EndedSessions, SessionSweeps
from orchestrator.platforms.pages import pages

KIND: Final = "ica.workflow_session"
PREFIX: Final = "workflow_session/"
"""Of the routes of its polls."""


class SessionRoute(StrEnum):
    """The kinds of polls."""

    SESSIONS = f"{PREFIX}sessions"
    ANALYSES = f"{PREFIX}analyses"
    ENDED_SESSIONS = f"{PREFIX}ended_sessions"
    ENDED_ANALYSES = f"{PREFIX}ended_analyses"
    END = f"{PREFIX}end"
    CHECK = f"{PREFIX}check"
    ANALYSIS = f"{PREFIX}analysis"


MOST_SINGLE: Final = 20
"""Sessions or analyses that are asked about one by one behind one sweep; the others follow behind later ones."""
MOST_ENDS: Final = 50
"""Sessions whose end is read behind one sweep: 150 requests, which the default budget has in 45 s. Fewer would leave
more and more of 5,000 sessions that end in a night unread, and sweeps would go on for them."""
_MOST_NAMED: Final = 5000
"""Ended sessions or analyses that are searched for at a time."""
_MOST_MISSED: Final = 16_384
_SEEN_BY_NONE: Final = 2
"""Searches for the latest ends without a session or analysis, until it is asked about alone."""
_FEW_PAGES: Final = 2
"""Pages of a sweep over sessions and analyses beside which a search for the latest ends costs nothing that counts."""
_MOST_PROJECTS: Final = 1024
_LAG: Final = INDEX_LAG / 1_000_000


class WorkflowSessions:
    """The polls of one account for its workflow sessions."""

    def __init__(self, session: Session, page_size: int, statuses: SearchStatuses, clock: Clock) -> None:
        self._session = session
        self._size = page_size
        self._statuses = statuses
        self._ended = EndedSessions()
        self._sweeps = SessionSweeps(session, page_size, statuses, self._ended, clock)
        self._ends = SessionEnds(session, page_size, self._ended, clock)
        self._searches = EndedSearches(session, page_size, self._ended)
        self._pacing = EndSearches(clock)
        self._rests = Rests(clock)
        self._missed: Bounded[str, int] = Bounded(_MOST_MISSED)
        """How often a search for the latest ends did not show a session or analysis."""
        self._cost: Bounded[str, int] = Bounded(2 * _MOST_PROJECTS)
        """The pages of the last sweep, by the name of its poll."""

    def polls(self, batches: Sequence[Batch]) -> list[Poll]:
        """The polls for these batches of sessions."""
        self._sweeps.plan(batches)
        projects: defaultdict[str, list[Batch]] = defaultdict(list)
        for batch in batches:
            if batch.open:
                projects[batch.project].append(batch)
        return [poll for project, some in projects.items() for poll in self._of_project(project, some)]

    def _of_project(self, project: str, batches: Sequence[Batch]) -> Iterable[Poll]:
        found = pages(sum(batch.found_open for batch in batches), self._size)
        poll = self._sweep(
            _of_sessions(project), SessionRoute.SESSIONS, batches, {stages.SEARCH, stages.SESSION}, found
        )
        yield replace(poll, criteria=frozenset({stages.SEARCH}))
        if any(self._sweeps.has_sessions(batch) for batch in batches):
            yield self._sweep(
                f"analyses of sessions:{project}", SessionRoute.ANALYSES, batches, {stages.ANALYSIS}, found
            )

    def _sweep(self, name: str, route: SessionRoute, batches: Sequence[Batch], expects: set[Stage], cost: int) -> Poll:
        cost = self._cost.get(name) or cost
        return question(name, route, batches[0].project, batches, cost=cost, expects=expects)

    # ------------------------------------------------------------ reading

    async def poll(self, poll: Poll) -> PollResult:
        """Read one page of a poll."""
        match SessionRoute(poll.route):
            case SessionRoute.SESSIONS:
                result = self._counted(poll, await self._sweeps.read(poll))
            case SessionRoute.ANALYSES:
                result = self._counted(poll, await self._open_analyses(poll))
            case SessionRoute.ENDED_SESSIONS:
                result = await self._searches.sessions(poll)
            case SessionRoute.ENDED_ANALYSES:
                result = await self._searches.analyses(poll)
            case SessionRoute.END:
                result = await self._ends.read(poll)
            case SessionRoute.CHECK:
                result, is_there = await self._ends.check(poll)
                if is_there:
                    self._sweeps.want_whole(poll.project, _LAG)
            case SessionRoute.ANALYSIS:
                result = await self._searches.analysis(poll)
            case route:
                assert_never(route)
        return result

    def _counted(self, poll: Poll, result: PollResult) -> PollResult:
        self._pacing.page_read(poll.project)
        if result.next is None:
            self._cost[poll.name] = poll.page + 1
        return result

    async def _open_analyses(self, poll: Poll) -> PollResult:
        """Open analyses of the project: each belongs below the session that it names; else only known ones count."""
        call = session_calls.analyses(poll.project, self._statuses.open, self._size, poll.cursor)
        try:
            answer = await page_of(self._session, call, at=poll.cursor)
        except Refused as refusal:
            if (learned := self._statuses.refused_by(refusal)) is None:
                raise
            return restarted(poll, learned)
        if answer is None:
            return restarted(poll)
        page = ANALYSES.read(answer)
        addresses = [job.address for job in followed(poll, {})]
        reports: list[Observation] = []
        for row in page.rows:
            if (learned := self._statuses.observed(row.status)) is not None:
                reports.append(learned)
            session_id = row.workflow_session.id if row.workflow_session is not None else None
            reports += [analysis_report(row, address, parent_key=session_id) for address in addresses]
        token, _ = following(poll, page.token)
        if token is None:
            return PollResult(reports, bad_rows=page.bad_rows)
        follow_up = replace(poll, cursor=token, page=poll.page + 1, trail=poll.trail | {token})
        return PollResult(reports, next=follow_up, bad_rows=page.bad_rows)

    # ------------------------------------------------------------ what sweeps do not show

    def follow_up(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll] | None:
        """The polls for items that a whole poll did not report. None: nothing follows from that yet."""
        polls: Sequence[Poll] = ()
        match SessionRoute(poll.route):
            case SessionRoute.SESSIONS:
                polls = self._after_sessions(poll, missing)
            case SessionRoute.ENDED_SESSIONS:
                polls = self._after_ended_sessions(poll, missing)
            case SessionRoute.ANALYSES:
                polls = self._after_analyses(poll, missing)
            case SessionRoute.ENDED_ANALYSES:
                polls = self._unshown(poll, SessionRoute.ANALYSIS, missing)
            case SessionRoute.END | SessionRoute.CHECK | SessionRoute.ANALYSIS:
                pass
            case route:
                assert_never(route)
        return polls or (None if missing else ())

    def _after_sessions(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll]:
        """Read the sessions that have ended; search for the end of others; ask about named ones that nothing shows."""
        gone = [item for item in missing if item.stage == stages.SESSION]
        named = [item for item in missing if item.stage == stages.SEARCH]
        polls = self._read_ended(poll, gone)
        polls += self._one_by_one(
            poll, SessionRoute.CHECK, [item for item in named if self._ended.get(item.key) is None]
        )
        unknown = [item for item in gone if self._ended.get(_id_of(item)) is None][:_MOST_NAMED]
        if unknown and self._is_time(poll, SessionRoute.ENDED_SESSIONS):
            self._ended.want(_id_of(item) for item in unknown)
            polls.append(self._ended_poll(poll, SessionRoute.ENDED_SESSIONS, stages.SESSION, unknown))
        return polls

    def _after_ended_sessions(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll]:
        unknown = [item for item in missing if self._ended.get(_id_of(item)) is None]
        polls = [*self._read_ended(poll, missing), *self._unshown(poll, SessionRoute.CHECK, unknown)]
        if unknown and any(each.route == SessionRoute.CHECK for each in polls):
            self._sweeps.want_whole(poll.project, 0.0)
        return polls

    def _after_analyses(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll]:
        known = [item for item in missing if item.remote_id is not None][:_MOST_NAMED]
        if not known or not self._is_time(poll, SessionRoute.ENDED_ANALYSES):
            return ()
        return [self._ended_poll(poll, SessionRoute.ENDED_ANALYSES, stages.ANALYSIS, known)]

    def _is_time(self, poll: Poll, route: SessionRoute) -> bool:
        """Whether to search for the latest ends now."""
        sweep = sum(self._cost.get(name) or 0 for name in (_of_sessions(poll.project), _of_analyses(poll.project)))
        between = PAGES_OF_SESSIONS if route is SessionRoute.ENDED_SESSIONS else PAGES_OF_ANALYSES
        return self._pacing.due(poll.project, route, pages=between, few=sweep <= _FEW_PAGES)

    def _read_ended(self, poll: Poll, items: Iterable[Item]) -> list[Poll]:
        return self._one_by_one(
            poll, SessionRoute.END, [item for item in items if self._ended.get(_id_of(item)) is not None]
        )

    def _unshown(self, poll: Poll, route: SessionRoute, items: Sequence[Item]) -> list[Poll]:
        """Ask about those alone that the searches for the latest ends did not show either."""
        for item in items:
            self._missed[_id_of(item)] = (self._missed.get(_id_of(item)) or 0) + 1
        return self._one_by_one(
            poll, route, [item for item in items if (self._missed.get(_id_of(item)) or 0) >= _SEEN_BY_NONE]
        )

    def _one_by_one(self, poll: Poll, route: SessionRoute, items: Sequence[Item]) -> list[Poll]:
        """A poll for each of these, a few at a time, those that have waited longest first."""
        due = [item for item in items if self._rests.due(_id_of(item))]
        due.sort(key=lambda item: self._rests.waits_since(_id_of(item)))
        asked = due[: MOST_ENDS if route is SessionRoute.END else MOST_SINGLE]
        for item in asked:
            self._rests.ask(_id_of(item))
        return [_alone(poll, route, item) for item in asked]

    def _ended_poll(self, poll: Poll, route: SessionRoute, stage: Stage, items: Sequence[Item]) -> Poll:
        return replace(
            poll,
            name=f"{route.removeprefix(PREFIX)}:{poll.project}",
            route=route,
            cost=pages(len(items), self._size),
            expects=frozenset({stage}),
            criteria=frozenset(),
            named=tuple(items),
            cursor=None,
            page=0,
            trail=frozenset(),
        )


def _of_sessions(project: str) -> str:
    """The name of the sweep over a project's sessions."""
    return f"sessions:{project}"


def _of_analyses(project: str) -> str:
    return f"analyses of sessions:{project}"


def _alone(poll: Poll, route: SessionRoute, item: Item) -> Poll:
    return replace(
        poll,
        name=f"{route.removeprefix(PREFIX)}:{_id_of(item)}",
        route=route,
        cost=1,
        expects=frozenset(),
        criteria=frozenset(),
        named=(item,),
        cursor=None,
        page=0,
        trail=frozenset(),
    )


def _id_of(item: Item) -> str:
    return item.remote_id or item.key
