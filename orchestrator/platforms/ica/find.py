"""Looks for what became of a submission whose answer was lost.

Nothing lists batches. An analysis carries our tags, which a search finds; the batch itself, analyses or not, is found
through the list of jobs, each of which names the batch that it works for.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.errors import Missing, Refused
from orchestrator.domain.identity import batch_tag, instance_tag
from orchestrator.domain.model import Batch, BatchKey, ItemSeen, Receipt
from orchestrator.platforms.bounded import Bounded
from orchestrator.platforms.calls import Call
from orchestrator.platforms.ica import analyses, creation, requests, wire
from orchestrator.platforms.ica.analyses import moment, owner_of
from orchestrator.platforms.ica.auth import Session
from orchestrator.platforms.ica.families import ANALYSES, DataFamily, Family
from orchestrator.platforms.ica.listing import MOST_PAGES, EndlessListingError, pages
from orchestrator.platforms.ica.wire import Job

_SKEW: Final[Micros] = 3600 * SECOND
"""How long before our first send a job may seem to have been created, by another clock."""
_MOST_CANDIDATES: Final = 100
"""Batches that are read before we say that we cannot tell."""
_FEW_CANDIDATES: Final = 20
"""Batches that are read where there are more than those: the ones created closest to our last send."""
_FIRST_ROWS: Final = 10
"""Items that show whose a batch is; all of a batch carry its tag."""


class Finder:
    """Finds the batches of one account."""

    def __init__(self, session: Session, page_size: int, claimed: Bounded[str, BatchKey]) -> None:
        self._session = session
        self._size = page_size
        self._claimed = claimed
        """Remote batches that are known to be somebody's: remote id → key."""

    async def analyses(self, batch: Batch) -> Receipt:
        """What there is of a batch of analyses: the analyses that carry its tag, and the batch with all its items."""
        unread = _Unread()
        found = await self._tagged(batch, unread)
        remote_id: str | None = None
        if batch.first_sent_at is not None:  # else it was never sent by our records, and they do not tell when to look
            try:
                remote_id = await self._creation_batch(batch, unread)
            except Refused:
                if len(found) < batch.items:
                    raise
                # All its analyses are there; which batch made them matters little.
        if remote_id is not None:
            rows = await self._all_items(batch, ANALYSES, remote_id, unread)
            told = [item for row in rows if (item := creation.tell(row, batch.key, hint=True)) is not None]
            unread.rows += len(rows) - len(told)
            found = _each_once([*found, *told])
        if len(found) < batch.items:
            unread.refuse(batch)
        return Receipt(remote_id, items=found)

    async def data(self, batch: Batch, family: Family) -> Receipt:
        """The youngest batch that does exactly what this one does; a repeated effect is one, so any will do."""
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

    async def remembers(self, project: str, instance: str) -> bool:
        """Whether any analysis of the project carries this instance's whole tag.

        ICA's filter may match what only begins like it, so that pages of others come first. Where there is no end of
        those, or rows that cannot be read, it is better to say yes: that costs a question a batch.

        Raises:
            Refused: ICA does not let us search; what an earlier database sent could neither be told nor found.
        """
        try:
            return await self._remembers(project, instance)
        except EndlessListingError:
            return True
        except Refused as refusal:
            raise _blind(project, refusal) from refusal

    async def _remembers(self, project: str, instance: str) -> bool:
        def ask(token: str | None) -> Call:
            return requests.search(project, instance_tag(instance), (), self._size, token)

        async with aclosing(pages(self._session, ask, wire.ANALYSES, what="ICA's search")) as listing:
            async for page in listing:
                if page.bad_rows or any(owner_of(row.tags)[0] == instance for row in page.rows):
                    return True
        return False

    # ------------------------------------------------------------ analyses

    async def _tagged(self, batch: Batch, unread: "_Unread") -> list[ItemSeen]:
        """The analyses that carry the batch's whole tag."""
        seen: list[ItemSeen] = []

        def ask(token: str | None) -> Call:
            return requests.search(batch.project, batch_tag(batch.key), (), self._size, token)

        what = f"ICA's search for the analyses of batch {batch.key}"
        async with aclosing(pages(self._session, ask, wire.ANALYSES, what=what)) as listing:
            async for page in listing:
                unread.rows += page.bad_rows
                for row in page.rows:
                    _, owner, seq = owner_of(row.tags)
                    if owner == batch.key:
                        seen.append(analyses.seen_analysis(row, batch.key, seq, row.user_reference))
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
    ) -> Sequence[ItemSeen] | None:
        """The items of a remote batch, if they are those wanted. A first page of others ends the reading."""
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
        """Remote batches that may be this one, the likeliest first: created in its project since it was first sent."""
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
        """All jobs created since `begin`. A page that is older as a whole ends the listing, newest first as it is."""
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
    """Rows of the answers to one search that could not be read or name no item; what was sought may be among them."""

    rows: int = 0

    def refuse(self, batch: Batch) -> None:
        """Raises Refused where there are any: not having found something proves nothing then."""
        if self.rows:
            raise Refused(f"ICA shows {self.rows} rows that cannot be read: they may be of batch {batch.key}")


def _likeliest(batch: Batch, candidates: Sequence[str]) -> Iterator[str]:
    """All of them. Where there are too many, the first few; then Refused: nothing follows from having found none."""
    too_many = len(candidates) > _MOST_CANDIDATES
    yield from candidates[:_FEW_CANDIDATES] if too_many else candidates
    if too_many:
        raise Refused(f"ICA has {len(candidates)} jobs that may be batch {batch.key}: too many to read")


def _blind(project: str, refusal: Refused) -> Refused:
    """Without searches nobody can tell whether something was sent before, and what is sent twice is paid twice."""
    said = ": ".join(part for part in (refusal.code, refusal.detail) if part) or str(refusal)
    return type(refusal)(
        f"held back: ICA refuses to search the analyses of project {project} ({said}), so nobody can tell whether an "
        "earlier database of this installation sent the same there, and nothing is sent twice. Ways out: let the user "
        "of the API key view the project's analyses, or use a key that may; it is tried again by itself",
        status=refusal.status,
        code=refusal.code,
        detail=refusal.detail,
        server_date=refusal.server_date,
    )


def _each_once(seen: Iterable[ItemSeen]) -> list[ItemSeen]:
    """One word an item, the first one said: it is counted how many were found."""
    kept: dict[int | str, ItemSeen] = {}
    for told in seen:
        name = told.seq if told.seq is not None else told.key
        if name is not None:
            kept.setdefault(name, told)
    return list(kept.values())
