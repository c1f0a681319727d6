"""Asks the questions of `plan`: one request, and what its answer tells."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal, assert_never

from orchestrator.domain.errors import Missing, PlatformError, Refused
from orchestrator.domain.identity import batch_tag, instance_tag
from orchestrator.domain.model import BatchKey, BatchSeen, ItemSeen, Learnt, Look, Observation, Sighting
from orchestrator.platforms.calls import Answer, Call
from orchestrator.platforms.ica import analyses, creation, requests, wire
from orchestrator.platforms.ica.absent import Absent
from orchestrator.platforms.ica.auth import Session
from orchestrator.platforms.ica.families import ANALYSES, Family
from orchestrator.platforms.ica.following import Following
from orchestrator.platforms.ica.learning import Embedded, Words
from orchestrator.platforms.ica.narrow import Narrow
from orchestrator.platforms.ica.plan import Plan, Strategy
from orchestrator.platforms.ica.questions import Route, only, read_route, wanted
from orchestrator.platforms.ica.silence import Silence
from orchestrator.platforms.ica.statuses import FINAL_ANALYSIS, FINAL_JOB
from orchestrator.platforms.ica.sweeps import Sweeps
from orchestrator.platforms.ica.wire import CreationItem, Job, Page
from orchestrator.platforms.reading import read

_FORGOTTEN: Final = frozenset({400, 410})
"""How ICA declines a page token that it no longer knows."""
_BAD_REQUEST: Final = 400
_LOOPING: Final = 20
"""Pages beyond twice the expected number after which the page tokens are taken to have no end."""
_SLACK: Final = 2
"""Pages beyond the expected number after which what a sorted listing has not shown is sought otherwise."""


class Sight:
    """Looks at one account."""

    def __init__(
        self,
        *,
        session: Session,
        instance: str,
        page_size: int,
        strategy: Strategy,
        embedded: Embedded,
        words: Words,
        sweeps: Sweeps,
        narrow: Narrow,
        plan: Plan,
        following: Following,
        absent: Absent,
        silence: Silence,
    ) -> None:
        self._session = session
        self._instance = instance
        self._size = page_size
        self._strategy = strategy
        self._embedded = embedded
        self._words = words
        self._sweeps = sweeps
        self._narrow = narrow
        self._plan = plan
        self._following = following
        self._absent = absent
        self._silence = silence

    async def look(self, look: Look) -> Sighting:
        """Ask for one page of `look`. A refused follow-up tells nothing; whatever is asked behind it may.

        Raises:
            PlatformError: as `Session.send`; Transient also for an answer that cannot be read.
        """
        try:
            sighting = await self._ask(look)
        except PlatformError as error:
            self._silence.failed(look, error)
            if isinstance(error, Refused) and look.named and look.route != Route.ANALYSIS:
                return Sighting([])
            if isinstance(error, Missing) and look.route == Route.OPEN and self._silence.is_there(look.project):
                raise Refused(error.message, error.status, error.code, error.detail, error.server_date) from error
            raise
        self._silence.answered(look, sighting)
        return sighting

    async def _ask(self, look: Look) -> Sighting:
        route, family = read_route(look)
        match route:
            case Route.JOBS:
                sighting = await self._jobs(look)
            case Route.BATCH:
                sighting = await self._batch(look, family)
            case Route.ITEMS if family.data is None:
                sighting = await self._creation_items(look)
            case Route.ITEMS:
                sighting = await self._data_items(look, family)
            case Route.UNRESOLVED:
                sighting = await self._unresolved(look, family)
            case Route.OPEN | Route.ENDED | Route.TAGGED | Route.ANALYSIS | Route.UNSEARCHED:
                sighting = await self._analyses(look, route)
            case _:
                assert_never(route)
        return sighting

    # ------------------------------------------------------------ the words of batches

    async def _jobs(self, look: Look) -> Sighting:
        offset = int(look.cursor or 0)
        page = wire.JOBS.read(await self._session.send(requests.jobs(self._size, offset)))
        keys = {remote_id: key for key, remote_id in look.subjects.items() if remote_id is not None}
        seen = [_worded(keys[job.subject_id], job) for job in page.rows if job.subject_id in keys]
        for word in seen:
            self._plan.listed(word.batch)
        rest = look.subjects.keys() - {word.batch for word in seen}
        following = _next_offset(only(look, rest), page, offset) if rest else None
        if following is None:
            self._plan.unlisted(rest)
        return Sighting(seen, next=following, bad_rows=page.bad_rows)

    async def _batch(self, look: Look, family: Family) -> Sighting:
        ((key, remote_id),) = look.subjects.items()
        answer = await self._session.send(requests.batch(look.project, family.segment, remote_id or ""))
        job = read(answer, wire.REMOTE_BATCH).job
        if job is None or job.status is None:
            return Sighting([BatchSeen(key, None, final=True)])
        return Sighting([_worded(key, job)])

    # ------------------------------------------------------------ the items of a batch

    async def _creation_items(self, look: Look) -> Sighting:
        (key,) = look.subjects
        answer = await self._page(look, self._items(look, ANALYSES))
        if answer is None:
            return _anew(look)
        page = wire.CREATION_ITEMS.read(answer)
        seen, learnt = self._told(page.rows, key, first=look.page == 0)
        if look.named:
            ids = wanted(look.named)
            self._found([told for told in seen if told.remote_id in ids])
        following = _next_token(look, page)
        if following is None:
            self._sweeps.ends(key)
        return Sighting([*seen, *learnt], next=following, bad_rows=page.bad_rows + len(page.rows) - len(seen))

    def _told(self, rows: Sequence[CreationItem], key: BatchKey, *, first: bool) -> tuple[list[ItemSeen], list[Learnt]]:
        """What the rows say. Embedded words are learnt from first, as they decide how far these rows are believed."""
        learnt = self._learnt(rows)
        sweep = self._sweeps.page(key, first=first)
        seen: list[ItemSeen] = []
        for row in rows:
            told = creation.tell(row, key, hint=self._doubted(row))
            if told is not None:
                seen.append(told)
                sweep.note(told)
        return seen, learnt

    def _learnt(self, rows: Sequence[CreationItem]) -> list[Learnt]:
        learnt: list[Learnt] = []
        for row in rows:
            created = row.created_analysis
            if created is not None and row.processing.status == "SUCCEEDED":
                if (lesson := self._embedded.embedded(created.id, created.status)) is not None:
                    learnt.append(lesson)
                if (lesson := self._words.met(created.status)) is not None:
                    learnt.append(lesson)
        return learnt

    def _doubted(self, row: CreationItem) -> bool:
        """Whether the word of the embedded analysis may be stale.

        Where searches tell of the same analyses, a page that lags behind them would turn their words back: there only
        an end, which does not lag behind anything, is believed.
        """
        if not self._embedded.live:
            return True
        ended = row.created_analysis is not None and row.created_analysis.status in FINAL_ANALYSIS
        return self._strategy != "items" and not ended

    def _items(self, look: Look, family: Family, words: Sequence[str] = ()) -> Call:
        (remote_id,) = look.subjects.values()
        return requests.items(look.project, family.segment, remote_id or "", self._size, look.cursor, statuses=words)

    async def _data_items(self, look: Look, family: Family) -> Sighting:
        answer = await self._page(look, self._items(look, family))
        return _anew(look) if answer is None else self._reported(look, family, answer)

    async def _unresolved(self, look: Look, family: Family) -> Sighting:
        """Those that go on; what it leaves out, the whole list tells. That is asked too where ICA takes no words."""
        try:
            answer = await self._page(look, self._items(look, family, family.unresolved))
        except Refused as refusal:
            learnt = self._narrow.refused() if refusal.status == _BAD_REQUEST else None
            if learnt is None:
                raise
            return Sighting([learnt], next=self._following.whole(look), restarted=True)
        return _anew(look) if answer is None else self._reported(look, family, answer)

    def _reported(self, look: Look, family: Family, answer: Answer) -> Sighting:
        """What a page of items says, row by row."""
        (key,) = look.subjects
        page = family.items.read(answer)
        if family.data is not None:
            told = [family.data.report(row, key) for row in page.rows]
        else:
            told = [seen for row in page.rows if (seen := creation.tell(row, key, hint=self._doubted(row))) is not None]
        return Sighting(told, next=_next_token(look, page), bad_rows=page.bad_rows + len(page.rows) - len(told))

    # ------------------------------------------------------------ analyses

    async def _analyses(
        self, look: Look, route: Literal[Route.OPEN, Route.ENDED, Route.TAGGED, Route.ANALYSIS, Route.UNSEARCHED]
    ) -> Sighting:
        match route:
            case Route.OPEN:
                return await self._open(look)
            case Route.ENDED:
                return await self._ended(look)
            case Route.TAGGED:
                return await self._tagged(look)
            case Route.ANALYSIS:
                return await self._analysis(look)
            case Route.UNSEARCHED:  # nothing tells of all; each is asked for in its turn, as a follow-up
                return Sighting([])

    async def _open(self, look: Look) -> Sighting:
        """Those that go on. A word learnt from ICA may be one that its filter does not take: then without it."""
        tag = instance_tag(self._instance)
        call = requests.search(look.project, tag, self._words.open, self._size, look.cursor)
        try:
            answer = await self._page(look, call)
        except Refused as refusal:
            learnt = self._words.refused() if refusal.status == _BAD_REQUEST else None
            if learnt is None:
                raise
            return replace(_anew(look), observations=[learnt])
        return self._searched(look, answer)

    async def _tagged(self, look: Look) -> Sighting:
        ((key, remote_id),) = look.subjects.items()
        answer = await self._page(look, requests.search(look.project, batch_tag(key), (), self._size, look.cursor))
        sighting = self._searched(look, answer)
        seen = [told for told in sighting.observations if isinstance(told, ItemSeen)]
        self._found(told for told in seen if told.batch == key and told.state.final)
        if remote_id is None and sighting.next is None:  # nobody knows the batch's id, so nobody can ask for its word
            return replace(sighting, observations=[*sighting.observations, BatchSeen(key, None, final=True)])
        return sighting

    def _searched(self, look: Look, answer: Answer | None) -> Sighting:
        if answer is None:
            return _anew(look)
        page = wire.ANALYSES.read(answer)
        seen = analyses.tell(page.rows, self._instance)
        return Sighting(self._direct(seen), next=_next_token(look, page), bad_rows=page.bad_rows)

    async def _ended(self, look: Look) -> Sighting:
        offset = int(look.cursor or 0)
        tag = instance_tag(self._instance)
        call = requests.ended(look.project, tag, FINAL_ANALYSIS, self._size, offset)
        page = wire.ANALYSES.read(await self._session.send(call))
        ids = wanted(look.named)
        seen = [told for told in analyses.tell(page.rows, self._instance) if told.remote_id in ids]
        told_ids = {told.remote_id for told in seen}
        left = tuple(item for item in look.named if item.remote_id not in told_ids)
        following = _next_offset(replace(look, named=left), page, offset) if left else None
        return Sighting(self._direct(seen), next=following, bad_rows=page.bad_rows)

    async def _analysis(self, look: Look) -> Sighting:
        """One analysis. It is the item's whatever its tags say; when it is gone there is nothing to tell."""
        (key,) = look.subjects
        ((remote_id, item_key),) = wanted(look.named).items()
        try:
            answer = await self._session.send(requests.analysis(look.project, remote_id))
        except Missing:
            return Sighting([])
        row = read(answer, wire.ANALYSIS)
        told = analyses.seen_analysis(row, key, None, item_key)
        self._found([told])
        return Sighting(self._direct([told]))

    def _found(self, seen: Iterable[ItemSeen]) -> None:
        """What questions about one batch or analysis told, of those that searches do not show."""
        for told in seen:
            if told.state.final:
                self._absent.ended(told.batch)
            elif told.known_word and not told.hint:
                self._absent.goes_on(told.batch)

    def _direct(self, seen: Sequence[ItemSeen]) -> list[Observation]:
        """Words from the analyses themselves, and what they teach."""
        learnt: list[Learnt] = []
        for told in seen:
            status = told.status or ""
            self._embedded.direct(told.remote_id or "", status)
            if not told.known_word and (word := self._words.met(status)) is not None:
                learnt.append(word)
        return [*seen, *learnt]

    # ------------------------------------------------------------ pages

    async def _page(self, look: Look, call: Call) -> Answer | None:
        """The answer, or None when ICA no longer knows the place in the listing that `look` had reached."""
        try:
            return await self._session.send(call)
        except Refused as refusal:
            if look.cursor is None or refusal.status not in _FORGOTTEN:
                raise
            return None


def _anew(look: Look) -> Sighting:
    return Sighting([], next=replace(look, cursor=None, page=0, trail=frozenset()), restarted=True)


def _next_token(look: Look, page: Page[wire.Row]) -> Look | None:
    """The following page; None after the last, and when the token was seen before."""
    if page.token is None or page.token in look.trail or look.page >= 2 * look.cost + _LOOPING:
        return None
    return replace(look, cursor=page.token, page=look.page + 1, trail=look.trail | {page.token})


def _next_offset(look: Look, page: Page[wire.Row], offset: int) -> Look | None:
    """The following page. ICA may send fewer rows than asked for, so only its total or an empty page tells the end."""
    following = offset + len(page.rows) + page.bad_rows
    if following in (offset, page.total) or look.page + 1 >= look.cost + _SLACK:
        return None
    return replace(look, cursor=str(following), page=look.page + 1)


def _worded(key: BatchKey, job: Job | wire.BatchJob) -> BatchSeen:
    word = job.status
    return BatchSeen(key, word, final=word in FINAL_JOB, detail=job.additional_status_information or None)
