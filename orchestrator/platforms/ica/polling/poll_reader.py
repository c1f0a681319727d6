"""Reads the polls of `poll_plan`: sends one request, and turns the response into reports."""

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
from orchestrator.platforms.ica.polling.poll_memory import PollMemory
from orchestrator.platforms.ica.polling.poll_plan import Plan, Strategy
from orchestrator.platforms.ica.polling.routes import Route, only, read_route, wanted
from orchestrator.platforms.ica.protocol import requests, wire
from orchestrator.platforms.ica.protocol.pages_by_cursor import page_of, restarted
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.ica.protocol.wire import CreationItem, Job, Page
from orchestrator.platforms.ica.statuses import FINAL_ANALYSIS, FINAL_JOB

_BAD_REQUEST: Final = 400
_LOOPING: Final = 20
"""Pages beyond twice the expected number after which the page tokens are assumed to be endless."""
_SLACK: Final = 2
"""Pages of a sorted listing beyond the expected number after which reading stops; other polls find the rest."""


class PollReader:
    """Reads the polls of one account."""

    def __init__(
        self,
        *,
        session: Session,
        instance: str,
        page_size: int,
        strategy: Strategy,
        memory: PollMemory,
        plan: Plan,
        follow_ups: FollowUps,
    ) -> None:
        self._session = session
        self._instance = instance
        self._size = page_size
        self._strategy = strategy
        self._embedded = memory.embedded
        self._statuses = memory.statuses
        self._last_sweeps = memory.last_sweeps
        self._status_filter = memory.status_filter
        self._unlisted_analyses = memory.unlisted_analyses
        self._unanswered = memory.unanswered
        self._plan = plan
        self._follow_ups = follow_ups

    async def poll(self, poll: Poll) -> PollResult:
        """Read one page of a poll. A refused follow-up returns no reports; its own follow-ups may.

        Raises:
            PlatformError: as `Session.send`; Transient also for a response that cannot be decoded.
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

    # ------------------------------------------------------------ batches

    async def _jobs(self, poll: Poll) -> PollResult:
        offset = int(poll.cursor or 0)
        page = wire.JOBS.read(await self._session.send(requests.jobs(self._size, offset)))
        keys = {remote_id: key for key, remote_id in poll.subjects.items() if remote_id is not None}
        reports = [_batch_report(keys[job.subject_id], job) for job in page.rows if job.subject_id in keys]
        for report in reports:
            self._plan.listed(report.batch)
        rest = poll.subjects.keys() - {report.batch for report in reports}
        next_page = _next_offset(only(poll, rest), page, offset) if rest else None
        if next_page is None:
            self._plan.unlisted(rest)
        return PollResult(reports, next=next_page, bad_rows=page.bad_rows)

    async def _batch(self, poll: Poll, family: Family) -> PollResult:
        ((key, remote_id),) = poll.subjects.items()
        answer = await self._session.send(requests.batch(family.at, poll.project, remote_id or ""))
        job = read(answer, wire.REMOTE_BATCH).job
        if job is None or job.status is None:
            return PollResult([BatchReport(key, None, final=True)])
        return PollResult([_batch_report(key, job)])

    # ------------------------------------------------------------ the items of a batch

    async def _creation_items(self, poll: Poll) -> PollResult:
        (key,) = poll.subjects
        answer = await page_of(self._session, self._items(poll, ANALYSES), at=poll.cursor)
        if answer is None:
            return restarted(poll)
        page = wire.CREATION_ITEMS.read(answer)
        seen, learned = self._creation_reports(page.rows, key, first=poll.page == 0)
        if poll.named:
            ids = wanted(poll.named)
            self._note_unlisted([report for report in seen if report.remote_id in ids])
        next_page = _next_token(poll, page)
        if next_page is None:
            self._last_sweeps.ends(key)
        return PollResult([*seen, *learned], next=next_page, bad_rows=page.bad_rows + len(page.rows) - len(seen))

    def _creation_reports(
        self, rows: Sequence[CreationItem], key: BatchKey, *, first: bool
    ) -> tuple[list[ItemReport], list[Learned]]:
        """The reports of the rows. What they teach is learned first, as it decides which of them are hints."""
        learned = self._learned(rows)
        sweep = self._last_sweeps.page(key, first=first)
        seen: list[ItemReport] = []
        for row in rows:
            report = creation.report(row, key, hint=self._is_hint(row))
            if report is not None:
                seen.append(report)
                sweep.note(report)
        return seen, learned

    def _learned(self, rows: Sequence[CreationItem]) -> list[Learned]:
        learned: list[Learned] = []
        for row in rows:
            created = row.created_analysis
            if created is not None and row.processing.status == "SUCCEEDED":
                if (lesson := self._embedded.embedded(created.id, created.status)) is not None:
                    learned.append(lesson)
                if (lesson := self._statuses.observed(created.status)) is not None:
                    learned.append(lesson)
        return learned

    def _is_hint(self, row: CreationItem) -> bool:
        """Whether the status of the embedded analysis may be stale.

        Where searches report the same analyses, a page that lags behind would revert their statuses: there only a final
        status, which cannot be stale, is trusted.
        """
        if not self._embedded.live:
            return True
        ended = row.created_analysis is not None and row.created_analysis.status in FINAL_ANALYSIS
        return self._strategy != "items" and not ended

    def _items(self, poll: Poll, family: Family, statuses: Sequence[str] = ()) -> Call:
        (remote_id,) = poll.subjects.values()
        return requests.items(family.at, poll.project, remote_id or "", self._size, poll.cursor, statuses=statuses)

    async def _data_items(self, poll: Poll, family: Family) -> PollResult:
        answer = await page_of(self._session, self._items(poll, family), at=poll.cursor)
        return restarted(poll) if answer is None else self._reported(poll, family, answer)

    async def _unresolved(self, poll: Poll, family: Family) -> PollResult:
        """Read the open items. Follow-ups read the whole list for the others, and replace this where ICA refuses it."""
        try:
            answer = await page_of(self._session, self._items(poll, family, family.unresolved), at=poll.cursor)
        except Refused as refusal:
            learned = self._status_filter.refused() if refusal.status == _BAD_REQUEST else None
            if learned is None:
                raise
            return PollResult([learned], next=self._follow_ups.whole(poll), restarted=True)
        return restarted(poll) if answer is None else self._reported(poll, family, answer)

    def _reported(self, poll: Poll, family: Family, answer: Answer) -> PollResult:
        """The reports of a page of items."""
        (key,) = poll.subjects
        page = family.items.read(answer)
        if family.data is not None:
            seen = [family.data.report(row, key) for row in page.rows]
        else:
            reports = (creation.report(row, key, hint=self._is_hint(row)) for row in page.rows)
            seen = [report for report in reports if report is not None]
        return PollResult(seen, next=_next_token(poll, page), bad_rows=page.bad_rows + len(page.rows) - len(seen))

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
            case Route.UNSEARCHED:  # no request covers all; follow-ups request some one by one
                return PollResult([])

    async def _open(self, poll: Poll) -> PollResult:
        """Search the open analyses. When ICA refuses a learned status as a filter, restart without it."""
        tag = instance_tag(self._instance)
        call = requests.search(poll.project, tag, self._statuses.open, self._size, poll.cursor)
        try:
            answer = await page_of(self._session, call, at=poll.cursor)
        except Refused as refusal:
            learned = self._statuses.refused() if refusal.status == _BAD_REQUEST else None
            if learned is None:
                raise
            return restarted(poll, learned)
        return self._searched(poll, answer)

    async def _tagged(self, poll: Poll) -> PollResult:
        ((key, remote_id),) = poll.subjects.items()
        call = requests.search(poll.project, batch_tag(key), (), self._size, poll.cursor)
        answer = await page_of(self._session, call, at=poll.cursor)
        result = self._searched(poll, answer)
        seen = [report for report in result.observations if isinstance(report, ItemReport)]
        self._note_unlisted(report for report in seen if report.batch == key and report.state.final)
        if remote_id is None and result.next is None:  # without its id, the status of the batch cannot be requested
            return replace(result, observations=[*result.observations, BatchReport(key, None, final=True)])
        return result

    def _searched(self, poll: Poll, answer: Answer | None) -> PollResult:
        if answer is None:
            return restarted(poll)
        page = wire.ANALYSES.read(answer)
        seen = analyses.reports_of(page.rows, self._instance)
        return PollResult(self._direct(seen), next=_next_token(poll, page), bad_rows=page.bad_rows)

    async def _ended(self, poll: Poll) -> PollResult:
        offset = int(poll.cursor or 0)
        tag = instance_tag(self._instance)
        call = requests.ended(poll.project, tag, FINAL_ANALYSIS, self._size, offset)
        page = wire.ANALYSES.read(await self._session.send(call))
        ids = wanted(poll.named)
        seen = [report for report in analyses.reports_of(page.rows, self._instance) if report.remote_id in ids]
        reported_ids = {report.remote_id for report in seen}
        left = tuple(item for item in poll.named if item.remote_id not in reported_ids)
        next_page = _next_offset(replace(poll, named=left), page, offset) if left else None
        return PollResult(self._direct(seen), next=next_page, bad_rows=page.bad_rows)

    async def _analysis(self, poll: Poll) -> PollResult:
        """Read one analysis. It belongs to the item whatever its tags are; a deleted one gives no report."""
        (key,) = poll.subjects
        ((remote_id, item_key),) = wanted(poll.named).items()
        try:
            answer = await self._session.send(requests.analysis(poll.project, remote_id))
        except Missing:
            return PollResult([])
        row = read(answer, wire.ANALYSIS)
        report = analyses.analysis_report(row, key, None, item_key)
        self._note_unlisted([report])
        return PollResult(self._direct([report]))

    def _note_unlisted(self, seen: Iterable[ItemReport]) -> None:
        """Record what polls of one batch or analysis reported of analyses that searches do not list."""
        for report in seen:
            if report.state.final:
                self._unlisted_analyses.ended(report.batch)
            elif report.known_status and not report.hint:
                self._unlisted_analyses.still_open(report.batch)

    def _direct(self, seen: Sequence[ItemReport]) -> list[Observation]:
        """The reports of analyses that were read directly, and what was learned from them."""
        learned: list[Learned] = []
        for report in seen:
            status = report.status or ""
            self._embedded.direct(report.remote_id or "", status)
            if not report.known_status and (new := self._statuses.observed(status)) is not None:
                learned.append(new)
        return [*seen, *learned]


def _next_token(poll: Poll, page: Page[wire.Row]) -> Poll | None:
    """The poll of the next page; None after the last, and when the token was seen before."""
    if page.token is None or page.token in poll.trail or poll.page >= 2 * poll.cost + _LOOPING:
        return None
    return replace(poll, cursor=page.token, page=poll.page + 1, trail=poll.trail | {page.token})


def _next_offset(poll: Poll, page: Page[wire.Row], offset: int) -> Poll | None:
    """The poll of the next page. ICA may return short pages, so only its total or an empty page is the end."""
    next_offset = offset + len(page.rows) + page.bad_rows
    if next_offset in (offset, page.total) or poll.page + 1 >= poll.cost + _SLACK:
        return None
    return replace(poll, cursor=str(next_offset), page=poll.page + 1)


def _batch_report(key: BatchKey, job: Job | wire.BatchJob) -> BatchReport:
    return BatchReport(key, job.status, final=job.status in FINAL_JOB, detail=job.additional_status_information or None)
