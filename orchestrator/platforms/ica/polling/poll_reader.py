"""Asks the questions of `plan`: one request, and what its answer tells."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal, assert_never

from orchestrator.domain.errors import Missing, PlatformError, Refused
from orchestrator.domain.identity import batch_tag, instance_tag
from orchestrator.domain.model import BatchKey, BatchReport, ItemReport, Learned, Observation, Poll, PollResult
from orchestrator.platforms.http.calls import Answer, Call
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.ica.batches import analyses, creation
from orchestrator.platforms.ica.batches.families import ANALYSES, Family
from orchestrator.platforms.ica.polling.follow_ups import FollowUps
from orchestrator.platforms.ica.polling.last_sweeps import LastSweeps
from orchestrator.platforms.ica.polling.learning import EmbeddedStatus, SearchStatuses
from orchestrator.platforms.ica.polling.poll_plan import Plan, Strategy
from orchestrator.platforms.ica.polling.routes import Route, only, read_route, wanted
from orchestrator.platforms.ica.polling.status_filter import StatusFilter
from orchestrator.platforms.ica.polling.unanswered_polls import UnansweredPolls
from orchestrator.platforms.ica.polling.unlisted_analyses import UnlistedAnalyses
from orchestrator.platforms.ica.protocol import requests, wire
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.ica.protocol.wire import CreationItem, Job, Page
from orchestrator.platforms.ica.statuses import FINAL_ANALYSIS, FINAL_JOB

_FORGOTTEN: Final = frozenset({400, 410})
"""How ICA declines a page token that it no longer knows."""
_BAD_REQUEST: Final = 400
_LOOPING: Final = 20
"""Pages beyond twice the expected number after which the page tokens are taken to have no end."""
_SLACK: Final = 2
"""Pages beyond the expected number after which what a sorted listing has not shown is sought otherwise."""


class PollReader:
    """Looks at one account."""

    def __init__(
        self,
        *,
        session: Session,
        instance: str,
        page_size: int,
        strategy: Strategy,
        embedded: EmbeddedStatus,
        words: SearchStatuses,
        last_sweeps: LastSweeps,
        status_filter: StatusFilter,
        plan: Plan,
        follow_ups: FollowUps,
        unlisted_analyses: UnlistedAnalyses,
        unanswered: UnansweredPolls,
    ) -> None:
        self._session = session
        self._instance = instance
        self._size = page_size
        self._strategy = strategy
        self._embedded = embedded
        self._words = words
        self._last_sweeps = last_sweeps
        self._status_filter = status_filter
        self._plan = plan
        self._follow_ups = follow_ups
        self._unlisted_analyses = unlisted_analyses
        self._unanswered = unanswered

    async def poll(self, poll: Poll) -> PollResult:
        """Ask for one page of `look`. A refused follow-up tells nothing; whatever is asked behind it may.

        Raises:
            PlatformError: as `Session.send`; Transient also for an answer that cannot be read.
        """
        try:
            result = await self._ask(poll)
        except PlatformError as error:
            self._unanswered.failed(poll, error)
            if isinstance(error, Refused) and poll.named and poll.route != Route.ANALYSIS:
                return PollResult([])
            if isinstance(error, Missing) and poll.route == Route.OPEN and self._unanswered.is_there(poll.project):
                raise Refused(error.message, error.status, error.code, error.detail, error.server_date) from error
            raise
        self._unanswered.answered(poll, result)
        return result

    async def _ask(self, poll: Poll) -> PollResult:
        route, family = read_route(poll)
        match route:
            case Route.JOBS:
                result = await self._jobs(poll)
            case Route.BATCH:
                result = await self._batch(poll, family)
            case Route.ITEMS if family.data is None:
                result = await self._creation_items(poll)
            case Route.ITEMS:
                result = await self._data_items(poll, family)
            case Route.UNRESOLVED:
                result = await self._unresolved(poll, family)
            case Route.OPEN | Route.ENDED | Route.TAGGED | Route.ANALYSIS | Route.UNSEARCHED:
                result = await self._analyses(poll, route)
            case _:
                assert_never(route)
        return result

    # ------------------------------------------------------------ the words of batches

    async def _jobs(self, poll: Poll) -> PollResult:
        offset = int(poll.cursor or 0)
        page = wire.JOBS.read(await self._session.send(requests.jobs(self._size, offset)))
        keys = {remote_id: key for key, remote_id in poll.subjects.items() if remote_id is not None}
        seen = [_worded(keys[job.subject_id], job) for job in page.rows if job.subject_id in keys]
        for word in seen:
            self._plan.listed(word.batch)
        rest = poll.subjects.keys() - {word.batch for word in seen}
        follow_ups = _next_offset(only(poll, rest), page, offset) if rest else None
        if follow_ups is None:
            self._plan.unlisted(rest)
        return PollResult(seen, next=follow_ups, bad_rows=page.bad_rows)

    async def _batch(self, poll: Poll, family: Family) -> PollResult:
        ((key, remote_id),) = poll.subjects.items()
        answer = await self._session.send(requests.batch(poll.project, family.segment, remote_id or ""))
        job = read(answer, wire.REMOTE_BATCH).job
        if job is None or job.status is None:
            return PollResult([BatchReport(key, None, final=True)])
        return PollResult([_worded(key, job)])

    # ------------------------------------------------------------ the items of a batch

    async def _creation_items(self, poll: Poll) -> PollResult:
        (key,) = poll.subjects
        answer = await self._page(poll, self._items(poll, ANALYSES))
        if answer is None:
            return _anew(poll)
        page = wire.CREATION_ITEMS.read(answer)
        seen, learned = self._told(page.rows, key, first=poll.page == 0)
        if poll.named:
            ids = wanted(poll.named)
            self._found([told for told in seen if told.remote_id in ids])
        follow_ups = _next_token(poll, page)
        if follow_ups is None:
            self._last_sweeps.ends(key)
        return PollResult([*seen, *learned], next=follow_ups, bad_rows=page.bad_rows + len(page.rows) - len(seen))

    def _told(
        self, rows: Sequence[CreationItem], key: BatchKey, *, first: bool
    ) -> tuple[list[ItemReport], list[Learned]]:
        """What the rows say. Embedded words are learnt from first, as they decide how far these rows are believed."""
        learned = self._learned(rows)
        sweep = self._last_sweeps.page(key, first=first)
        seen: list[ItemReport] = []
        for row in rows:
            told = creation.tell(row, key, hint=self._doubted(row))
            if told is not None:
                seen.append(told)
                sweep.note(told)
        return seen, learned

    def _learned(self, rows: Sequence[CreationItem]) -> list[Learned]:
        learned: list[Learned] = []
        for row in rows:
            created = row.created_analysis
            if created is not None and row.processing.status == "SUCCEEDED":
                if (lesson := self._embedded.embedded(created.id, created.status)) is not None:
                    learned.append(lesson)
                if (lesson := self._words.met(created.status)) is not None:
                    learned.append(lesson)
        return learned

    def _doubted(self, row: CreationItem) -> bool:
        """Whether the word of the embedded analysis may be stale.

        Where searches tell of the same analyses, a page that lags behind them would turn their words back: there only
        an end, which does not lag behind anything, is believed.
        """
        if not self._embedded.live:
            return True
        ended = row.created_analysis is not None and row.created_analysis.status in FINAL_ANALYSIS
        return self._strategy != "items" and not ended

    def _items(self, poll: Poll, family: Family, words: Sequence[str] = ()) -> Call:
        (remote_id,) = poll.subjects.values()
        return requests.items(poll.project, family.segment, remote_id or "", self._size, poll.cursor, statuses=words)

    async def _data_items(self, poll: Poll, family: Family) -> PollResult:
        answer = await self._page(poll, self._items(poll, family))
        return _anew(poll) if answer is None else self._reported(poll, family, answer)

    async def _unresolved(self, poll: Poll, family: Family) -> PollResult:
        """Those that go on; what it leaves out, the whole list tells. That is asked too where ICA takes no words."""
        try:
            answer = await self._page(poll, self._items(poll, family, family.unresolved))
        except Refused as refusal:
            learned = self._status_filter.refused() if refusal.status == _BAD_REQUEST else None
            if learned is None:
                raise
            return PollResult([learned], next=self._follow_ups.whole(poll), restarted=True)
        return _anew(poll) if answer is None else self._reported(poll, family, answer)

    def _reported(self, poll: Poll, family: Family, answer: Answer) -> PollResult:
        """What a page of items says, row by row."""
        (key,) = poll.subjects
        page = family.items.read(answer)
        if family.data is not None:
            told = [family.data.report(row, key) for row in page.rows]
        else:
            told = [seen for row in page.rows if (seen := creation.tell(row, key, hint=self._doubted(row))) is not None]
        return PollResult(told, next=_next_token(poll, page), bad_rows=page.bad_rows + len(page.rows) - len(told))

    # ------------------------------------------------------------ analyses

    async def _analyses(
        self, poll: Poll, route: Literal[Route.OPEN, Route.ENDED, Route.TAGGED, Route.ANALYSIS, Route.UNSEARCHED]
    ) -> PollResult:
        match route:
            case Route.OPEN:
                return await self._open(poll)
            case Route.ENDED:
                return await self._ended(poll)
            case Route.TAGGED:
                return await self._tagged(poll)
            case Route.ANALYSIS:
                return await self._analysis(poll)
            case Route.UNSEARCHED:  # nothing tells of all; each is asked for in its turn, as a follow-up
                return PollResult([])

    async def _open(self, poll: Poll) -> PollResult:
        """Those that go on. A word learnt from ICA may be one that its filter does not take: then without it."""
        tag = instance_tag(self._instance)
        call = requests.search(poll.project, tag, self._words.open, self._size, poll.cursor)
        try:
            answer = await self._page(poll, call)
        except Refused as refusal:
            learned = self._words.refused() if refusal.status == _BAD_REQUEST else None
            if learned is None:
                raise
            return replace(_anew(poll), observations=[learned])
        return self._searched(poll, answer)

    async def _tagged(self, poll: Poll) -> PollResult:
        ((key, remote_id),) = poll.subjects.items()
        answer = await self._page(poll, requests.search(poll.project, batch_tag(key), (), self._size, poll.cursor))
        result = self._searched(poll, answer)
        seen = [told for told in result.observations if isinstance(told, ItemReport)]
        self._found(told for told in seen if told.batch == key and told.state.final)
        if remote_id is None and result.next is None:  # nobody knows the batch's id, so nobody can ask for its word
            return replace(result, observations=[*result.observations, BatchReport(key, None, final=True)])
        return result

    def _searched(self, poll: Poll, answer: Answer | None) -> PollResult:
        if answer is None:
            return _anew(poll)
        page = wire.ANALYSES.read(answer)
        seen = analyses.tell(page.rows, self._instance)
        return PollResult(self._direct(seen), next=_next_token(poll, page), bad_rows=page.bad_rows)

    async def _ended(self, poll: Poll) -> PollResult:
        offset = int(poll.cursor or 0)
        tag = instance_tag(self._instance)
        call = requests.ended(poll.project, tag, FINAL_ANALYSIS, self._size, offset)
        page = wire.ANALYSES.read(await self._session.send(call))
        ids = wanted(poll.named)
        seen = [told for told in analyses.tell(page.rows, self._instance) if told.remote_id in ids]
        reported_ids = {told.remote_id for told in seen}
        left = tuple(item for item in poll.named if item.remote_id not in reported_ids)
        follow_ups = _next_offset(replace(poll, named=left), page, offset) if left else None
        return PollResult(self._direct(seen), next=follow_ups, bad_rows=page.bad_rows)

    async def _analysis(self, poll: Poll) -> PollResult:
        """One analysis. It is the item's whatever its tags say; when it is gone there is nothing to tell."""
        (key,) = poll.subjects
        ((remote_id, item_key),) = wanted(poll.named).items()
        try:
            answer = await self._session.send(requests.analysis(poll.project, remote_id))
        except Missing:
            return PollResult([])
        row = read(answer, wire.ANALYSIS)
        told = analyses.analysis_report(row, key, None, item_key)
        self._found([told])
        return PollResult(self._direct([told]))

    def _found(self, seen: Iterable[ItemReport]) -> None:
        """What questions about one batch or analysis told, of those that searches do not show."""
        for told in seen:
            if told.state.final:
                self._unlisted_analyses.ended(told.batch)
            elif told.known_status and not told.hint:
                self._unlisted_analyses.still_open(told.batch)

    def _direct(self, seen: Sequence[ItemReport]) -> list[Observation]:
        """Words from the analyses themselves, and what they teach."""
        learned: list[Learned] = []
        for told in seen:
            status = told.status or ""
            self._embedded.direct(told.remote_id or "", status)
            if not told.known_status and (word := self._words.met(status)) is not None:
                learned.append(word)
        return [*seen, *learned]

    # ------------------------------------------------------------ pages

    async def _page(self, poll: Poll, call: Call) -> Answer | None:
        """The answer, or None when ICA no longer knows the place in the listing that `look` had reached."""
        try:
            return await self._session.send(call)
        except Refused as refusal:
            if poll.cursor is None or refusal.status not in _FORGOTTEN:
                raise
            return None


def _anew(poll: Poll) -> PollResult:
    return PollResult([], next=replace(poll, cursor=None, page=0, trail=frozenset()), restarted=True)


def _next_token(poll: Poll, page: Page[wire.Row]) -> Poll | None:
    """The following page; None after the last, and when the token was seen before."""
    if page.token is None or page.token in poll.trail or poll.page >= 2 * poll.cost + _LOOPING:
        return None
    return replace(poll, cursor=page.token, page=poll.page + 1, trail=poll.trail | {page.token})


def _next_offset(poll: Poll, page: Page[wire.Row], offset: int) -> Poll | None:
    """The following page. ICA may send fewer rows than asked for, so only its total or an empty page tells the end."""
    follow_ups = offset + len(page.rows) + page.bad_rows
    if follow_ups in (offset, page.total) or poll.page + 1 >= poll.cost + _SLACK:
        return None
    return replace(poll, cursor=str(follow_ups), page=poll.page + 1)


def _worded(key: BatchKey, job: Job | wire.BatchJob) -> BatchReport:
    word = job.status
    return BatchReport(key, word, final=word in FINAL_JOB, detail=job.additional_status_information or None)
