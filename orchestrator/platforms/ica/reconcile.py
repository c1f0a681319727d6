"""Finds the remote batch and the items of a submission whose response was lost.

ICA has no list of batches. Analyses are found by a search for the tags of their batch. A batch itself is found through
the list of jobs, each of which has the id of its batch.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.errors import Missing, Refused
from orchestrator.domain.identity import batch_tag, instance_tag
from orchestrator.domain.model import Batch, BatchKey, ItemReport, Receipt
from orchestrator.platforms.bounded import Bounded
from orchestrator.platforms.http.calls import Call
from orchestrator.platforms.ica.batches import analyses, creation
from orchestrator.platforms.ica.batches.analyses import moment, owner_of
from orchestrator.platforms.ica.batches.families import ANALYSES, DataFamily, Family
from orchestrator.platforms.ica.protocol import requests, wire
from orchestrator.platforms.ica.protocol.listing import MOST_PAGES, EndlessListingError, pages
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.ica.protocol.wire import Job

_SKEW: Final[Micros] = 3600 * SECOND
"""How long before its first send a batch's job may have been created according to ICA's clock."""
_MOST_CANDIDATES: Final = 100
"""Maximum candidate batches; with more, the search is inconclusive."""
_FEW_CANDIDATES: Final = 20
"""Batches that are read when there are more candidates: those created closest to the last send."""
_FIRST_ROWS: Final = 10
"""Items that are read to identify a batch, as all items of a batch have its tag."""


class Reconciler:
    """Reconciles the batches of one account."""

    def __init__(self, session: Session, page_size: int, claimed: Bounded[str, BatchKey]) -> None:
        self._session = session
        self._size = page_size
        self._claimed = claimed
        """Remote batches whose batch is known: remote id → key."""

    async def analyses(self, batch: Batch) -> Receipt:
        """Find a batch of analyses: the analyses with its tag, and the remote batch with all its items."""
        unread = _Unread()
        found = await self._tagged(batch, unread)
        remote_id: str | None = None
        if batch.first_sent_at is not None:  # else it is unsent in the database, so it is unknown which jobs may be its
            try:
                remote_id = await self._creation_batch(batch, unread)
            except Refused:
                if len(found) < batch.items:
                    raise
                # All its analyses were found, so the remote batch is not needed.
        if remote_id is not None:
            rows = await self._all_items(batch, ANALYSES, remote_id, unread)
            reports = [item for row in rows if (item := creation.report(row, batch.key, hint=True)) is not None]
            unread.rows += len(rows) - len(reports)
            found = _each_once([*found, *reports])
        if len(found) < batch.items:
            unread.refuse(batch)
        return Receipt(remote_id, items=found)

    async def data(self, batch: Batch, family: Family) -> Receipt:
        """Find a remote batch with exactly the items of this one. Any such batch will do, as the work is idempotent."""
        if batch.submission is None or family.data is None:
            return Receipt()
        unread = _Unread()
        wanted = family.data.sent(batch.submission)
        for remote_id in _likeliest(batch, await self._candidates(batch, family, unread)):
            items = await self._same_items(batch, family, remote_id, data=family.data, wanted=wanted, unread=unread)
            if items is not None:
                return Receipt(remote_id, items=items)
        unread.refuse(batch)
        return Receipt()

    async def knows_instance(self, project: str, instance: str) -> bool:
        """Whether any analysis of the project has exactly this instance's tag.

        ICA's filter may match prefixes, so there may be many pages of other analyses. When these do not end, or rows
        cannot be read, the answer is yes, which costs one search per batch.

        Raises:
            Refused: ICA refuses the search, so submissions of an earlier database cannot be found.
        """
        try:
            return await self._has_instance_tag(project, instance)
        except EndlessListingError:
            return True
        except Refused as refusal:
            raise _search_refused(project, refusal) from refusal

    async def _has_instance_tag(self, project: str, instance: str) -> bool:
        def ask(token: str | None) -> Call:
            return requests.search(project, instance_tag(instance), (), self._size, token)

        async with aclosing(pages(self._session, ask, wire.ANALYSES, what="ICA's search")) as listing:
            async for page in listing:
                if page.bad_rows or any(owner_of(row.tags)[0] == instance for row in page.rows):
                    return True
        return False

    # ------------------------------------------------------------ analyses

    async def _tagged(self, batch: Batch, unread: "_Unread") -> list[ItemReport]:
        """The analyses with exactly the batch's tag."""
        seen: list[ItemReport] = []

        def ask(token: str | None) -> Call:
            return requests.search(batch.project, batch_tag(batch.key), (), self._size, token)

        what = f"ICA's search for the analyses of batch {batch.key}"
        async with aclosing(pages(self._session, ask, wire.ANALYSES, what=what)) as listing:
            async for page in listing:
                unread.rows += page.bad_rows
                for row in page.rows:
                    _, owner, seq = owner_of(row.tags)
                    if owner == batch.key:
                        seen.append(analyses.analysis_report(row, batch.key, seq, row.user_reference))
        return _each_once(seen)

    async def _creation_batch(self, batch: Batch, unread: "_Unread") -> str | None:
        for remote_id in _likeliest(batch, await self._candidates(batch, ANALYSES, unread)):
            call = requests.items(batch.project, ANALYSES.segment, remote_id, min(_FIRST_ROWS, self._size))
            try:
                page = wire.CREATION_ITEMS.read(await self._session.send(call))
            except Missing:  # another kind of batch
                continue
            unread.rows += page.bad_rows
            if any(creation.owner_of_item(row)[1] == batch.key for row in page.rows):
                return remote_id
        return None

    # ------------------------------------------------------------ work on data

    async def _same_items(
        self,
        batch: Batch,
        family: Family,
        remote_id: str,
        *,
        data: DataFamily,
        wanted: Collection[str],
        unread: "_Unread",
    ) -> Sequence[ItemReport] | None:
        """The items of a remote batch if they are those wanted, else None. Stops at a first page with other items."""
        call = requests.items(batch.project, family.segment, remote_id, self._size)
        try:
            page = family.items.read(await self._session.send(call))
        except Missing:  # another kind of batch
            return None
        unread.rows += page.bad_rows
        seen = [data.report(row, batch.key) for row in page.rows]
        if not seen or any(each.key not in wanted for each in seen):
            return None
        if page.token is not None:
            rows = await self._all_items(batch, family, remote_id, unread)
            seen = [data.report(row, batch.key) for row in rows]
        return seen if {each.key for each in seen} == set(wanted) else None

    # ------------------------------------------------------------ batches

    async def _candidates(self, batch: Batch, family: Family, unread: "_Unread") -> Sequence[str]:
        """Remote batches created in the project since the first send, the most likely first."""
        sent_at = batch.first_sent_at or batch.sent_at or 0
        last_sent_at = max(sent_at, batch.sent_at or 0)
        young = await self._jobs_since(sent_at - _SKEW, unread)
        jobs = [job for job in young if self._may_be(job, batch, family)]
        jobs.sort(key=lambda job: abs((moment(job.time_created) or 0) - last_sent_at))
        return list(dict.fromkeys(job.subject_id for job in jobs))

    def _may_be(self, job: Job, batch: Batch, family: Family) -> bool:
        owner = self._claimed.get(job.subject_id)
        kind = (job.subject_type or "").casefold()
        return (
            owner in (None, batch.key)
            and (job.project is None or job.project.id == batch.project)
            and not any(part in kind for part in family.foreign_subjects)
        )

    async def _jobs_since(self, begin: Micros, unread: "_Unread") -> list[Job]:
        """All jobs created since `begin`. The list has the newest first, so a page of only older jobs ends it."""
        jobs: list[Job] = []
        offset = 0
        for _ in range(MOST_PAGES):
            page = wire.JOBS.read(await self._session.send(requests.jobs(self._size, offset)))
            young = [job for job in page.rows if (moment(job.time_created) or begin) >= begin]
            jobs += young
            unread.rows += page.bad_rows
            offset += len(page.rows) + page.bad_rows
            if not (young or page.bad_rows) or offset == page.total:
                return jobs
        raise EndlessListingError("ICA's list of jobs does not end")

    async def _all_items(self, batch: Batch, family: Family, remote_id: str, unread: "_Unread") -> list[Any]:
        rows: list[Any] = []

        def ask(token: str | None) -> Call:
            return requests.items(batch.project, family.segment, remote_id, self._size, token)

        what = f"ICA's list of the items of batch {remote_id}"
        async with aclosing(pages(self._session, ask, family.items, what=what)) as listing:
            async for page in listing:
                rows += page.rows
                unread.rows += page.bad_rows
        return rows


@dataclass(slots=True)
class _Unread:
    """Counts the rows of a search that were invalid or had no item; what was searched for may be among them."""

    rows: int = 0

    def refuse(self, batch: Batch) -> None:
        """Raise Refused when there are any, as "not found" is then inconclusive."""
        if self.rows:
            raise Refused(f"ICA returned {self.rows} rows that cannot be read: they may be of batch {batch.key}")


def _likeliest(batch: Batch, candidates: Sequence[str]) -> Iterator[str]:
    """Yield all candidates; when there are too many, the first few, and then raise Refused, as it is inconclusive."""
    too_many = len(candidates) > _MOST_CANDIDATES
    yield from candidates[:_FEW_CANDIDATES] if too_many else candidates
    if too_many:
        raise Refused(f"ICA has {len(candidates)} jobs that may be batch {batch.key}: too many to read")


def _search_refused(project: str, refusal: Refused) -> Refused:
    """The error when ICA refuses searches: nothing is submitted then, as it might be a duplicate."""
    explanation = ": ".join(part for part in (refusal.code, refusal.detail) if part) or str(refusal)
    return type(refusal)(
        f"held back: ICA refuses to search the analyses of project {project} ({explanation}), so it is unknown whether "
        "an earlier database of this installation submitted the same there, and nothing is submitted twice. Let the "
        "user of the API key view the project's analyses, or use another key; the submission is retried automatically",
        status=refusal.status,
        code=refusal.code,
        detail=refusal.detail,
        server_date=refusal.server_date,
    )


def _each_once(seen: Iterable[ItemReport]) -> list[ItemReport]:
    """One report per item, the first one."""
    kept: dict[int | str, ItemReport] = {}
    for report in seen:
        name = report.seq if report.seq is not None else report.key
        if name is not None:
            kept.setdefault(name, report)
    return list(kept.values())
