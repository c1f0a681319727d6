"""Finds the remote batch and the items of a submission whose response was lost.

Analyses and samples are found by a search for the tags of their batch. Other work has no tag: its remote batch is
found by what it does, among the candidates that the list of jobs gives.
"""

from collections.abc import Collection, Iterable, Sequence
from contextlib import aclosing
from typing import Any, Final

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.errors import Missing, Refused, Unattributed
from orchestrator.domain.identity import batch_tag, instance_tag
from orchestrator.domain.model import Batch, BatchKey, BatchState, ItemReport, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import DAY
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.declaration import SentBesides
from orchestrator.platforms.http.calls import Call
from orchestrator.platforms.http.json_bodies import read
from orchestrator.platforms.ica.batches import analyses, creation, sample_creation
from orchestrator.platforms.ica.batches.analyses import owner_of
from orchestrator.platforms.ica.batches.batch_work import BatchWork
from orchestrator.platforms.ica.batches.data_work import differ
from orchestrator.platforms.ica.batches.families import ANALYSES, FAMILIES, SAMPLES, Family
from orchestrator.platforms.ica.candidates import Candidates, Unread
from orchestrator.platforms.ica.protocol import requests, wire
from orchestrator.platforms.ica.protocol.listing import pages
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.pages import EndlessListingError

_SKEW: Final[Micros] = 3600 * SECOND
"""How long before its first send a batch's job may have been created according to ICA's clock."""
_SHORT_SKEW: Final[Micros] = 60 * SECOND
"""The same for work that may not be repeated: an equal batch of another program may be a little older."""
_LOOK_BACK: Final[Micros] = 7 * DAY
"""How far back work that may not be repeated is searched for before it is sent, although this process planned it."""
_FIRST_ROWS: Final = 10
"""Items that are read to identify a batch, as all items of a batch have its tag."""


class Reconciler:
    """Reconciles the batches of one account."""

    def __init__(
        self,
        session: Session,
        page_size: int,
        claimed: Bounded[str, BatchKey],
        *,
        started_at: Micros,
        sent_besides: SentBesides,
    ) -> None:
        self._session = session
        self._size = page_size
        self._claimed = claimed
        self._candidates = Candidates(session, page_size, claimed, started_at, sent_besides)

    async def find(self, batch: Batch) -> Receipt:
        """What ICA has of a batch."""
        family = FAMILIES[batch.kind]
        if family.data is None:
            return await self._analyses(batch)
        if family.data is SAMPLES:
            return await self._samples(batch, family)
        return await self._data(batch, family, family.data)

    async def knows_instance(self, project: str, instance: str) -> bool:
        """Whether any analysis or sample of the project has exactly this instance's tag.

        ICA's filter may match prefixes, so there may be many pages of other rows. When these do not end, or rows
        cannot be read, the answer is yes, which costs one search per batch. A user who may not list samples has
        created none.

        Raises:
            Refused: ICA refuses the search for analyses, so submissions of an earlier database cannot be found.
        """
        try:
            if await self._has_analysis(project, instance):
                return True
        except EndlessListingError:
            return True
        except Refused as refusal:
            raise _search_refused(project, refusal) from refusal
        try:
            return await self._has_sample(project, instance)
        except EndlessListingError:
            return True
        except Refused:
            return False

    # ------------------------------------------------------------ analyses

    async def _analyses(self, batch: Batch) -> Receipt:
        """Find a batch of analyses: the analyses with its tag, and the remote batch with all its items."""
        unread = Unread()
        found = await self._tagged_analyses(batch, unread)
        remote_id: str | None = None
        if batch.first_sent_at is not None:  # else it is unsent in the database, so it is unknown which jobs may be its
            try:
                remote_id = await self._tagged_batch(batch, ANALYSES, unread)
            except Refused:
                if len(found) < batch.items:
                    raise
                # All its analyses were found, so the remote batch is not needed.
        if remote_id is not None:
            rows = await self._candidates.all_items(batch, ANALYSES, remote_id, unread)
            reports = [item for row in rows if (item := creation.report(row, batch.key, hint=True)) is not None]
            unread.rows += len(rows) - len(reports)
            found = _each_once([*found, *reports])
        if len(found) < batch.items:
            unread.refuse(batch)
        return Receipt(remote_id, items=found)

    async def _tagged_analyses(self, batch: Batch, unread: Unread) -> list[ItemReport]:
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

    async def _has_analysis(self, project: str, instance: str) -> bool:
        def ask(token: str | None) -> Call:
            return requests.search(project, instance_tag(instance), (), self._size, token)

        async with aclosing(pages(self._session, ask, wire.ANALYSES, what="ICA's search")) as listing:
            async for page in listing:
                if page.bad_rows or any(owner_of(row.tags)[0] == instance for row in page.rows):
                    return True
        return False

    # ------------------------------------------------------------ samples

    async def _samples(self, batch: Batch, family: Family) -> Receipt:
        """Find a batch of samples: its items, and samples with its tag where no batch lists them.

        A batch that this process planned was sent by an earlier database if there are such samples.
        """
        if batch.submission is None:
            return Receipt()
        unread = Unread()
        found: list[ItemReport] = []
        remote_id: str | None = None
        of_this_process = self._candidates.none_possible(batch)
        if of_this_process:
            found = await self._tagged_samples(batch, batch.submission, unread)
        if found or not of_this_process:
            slack = _LOOK_BACK if of_this_process else _SKEW
            remote_id = await self._tagged_batch(batch, family, unread, slack=slack)
        if remote_id is not None:
            rows = await self._candidates.all_items(batch, family, remote_id, unread)
            found = _each_once([*(SAMPLES.report(row, batch.key) for row in rows), *found])
        if len(found) < batch.items and not of_this_process:
            found = _each_once([*found, *await self._tagged_samples(batch, batch.submission, unread)])
        if len(found) < batch.items:
            unread.refuse(batch)
        return Receipt(remote_id, final=remote_id is None, items=found, provisional=remote_id is None)

    async def _tagged_samples(self, batch: Batch, submission: Submission, unread: Unread) -> list[ItemReport]:
        """The samples with exactly the batch's tag."""
        seen: list[ItemReport] = []
        completed = SAMPLES.completed(submission)

        def ask(token: str | None) -> Call:
            return requests.samples(batch.project, batch_tag(batch.key), self._size, token)

        what = f"ICA's search for the samples of batch {batch.key}"
        async with aclosing(pages(self._session, ask, wire.SAMPLES, what=what)) as listing:
            async for page in listing:
                unread.rows += page.bad_rows
                for row in page.rows:
                    _, owner, seq = sample_creation.owner_of_sample(row.sample.tags)
                    if owner == batch.key:
                        whole = completed.get(row.sample.name, True)
                        seen.append(SAMPLES.found(row.sample, batch.key, seq, completed=whole))
        return seen

    async def _has_sample(self, project: str, instance: str) -> bool:
        def ask(token: str | None) -> Call:
            return requests.samples(project, instance_tag(instance), self._size, token)

        async with aclosing(pages(self._session, ask, wire.SAMPLES, what="ICA's search for samples")) as listing:
            async for page in listing:
                owners = (sample_creation.owner_of_sample(row.sample.tags)[0] for row in page.rows)
                if page.bad_rows or instance in owners:
                    return True
        return False

    # ------------------------------------------------------------ batches with a tag

    async def _tagged_batch(self, batch: Batch, family: Family, unread: Unread, *, slack: Micros = _SKEW) -> str | None:
        """The remote batch whose items have the batch's tag."""
        owner_of_row = creation.owner_of_item if family is ANALYSES else sample_creation.owner_of_row
        for remote_id in await self._candidates.of(batch, family, unread, slack=slack):
            call = requests.items(family.at, batch.project, remote_id, min(_FIRST_ROWS, self._size))
            try:
                page = family.items.read(await self._session.send(call))
            except Missing:  # another kind of batch
                continue
            unread.rows += page.bad_rows
            if any(owner_of_row(row)[1] == batch.key for row in page.rows):
                return remote_id
        return None

    # ------------------------------------------------------------ work on data

    async def _data(self, batch: Batch, family: Family, work: BatchWork[Any]) -> Receipt:
        """Find a remote batch that does exactly what this one does.

        Where the work may be repeated, any such batch will do. Where it may not, and several are alike, none is taken:
        one of them may be another program's.

        Raises:
            Unattributed: work that may not be repeated was done before, by an earlier database or another program.
        """
        if batch.submission is None:
            return Receipt()
        if self._candidates.none_possible(batch):
            if batch.submission.resend is Resend.NEVER and batch.state is BatchState.PLANNED:
                await self._refuse_unattributed(batch, family, work, batch.submission)
            return Receipt()
        unread, alike = Unread(), list[Receipt]()
        repeated = batch.submission.resend is Resend.HARMLESS
        slack = _SKEW if repeated and batch.submission.key_life is None else _SHORT_SKEW
        for remote_id in await self._candidates.of(batch, family, unread, slack=slack):
            items = await self._same_items(batch, family, work, remote_id, submission=batch.submission, unread=unread)
            if items is not None:
                alike.append(Receipt(remote_id, items=items))
                if repeated:
                    break
        if not alike:
            unread.refuse(batch)
        if len(alike) != 1:
            return Receipt()
        self._claimed[alike[0].remote_id or ""] = batch.key
        return alike[0]

    async def _refuse_unattributed(
        self, batch: Batch, family: Family, work: BatchWork[Any], submission: Submission
    ) -> None:
        """Raise Unattributed where ICA has lately done what a batch of this process is about to do."""
        since = (batch.planned_at or 0) - _LOOK_BACK
        unread = Unread()
        for remote_id in await self._candidates.unknown(batch, family, unread, since=since):
            same = await self._same_items(batch, family, work, remote_id, submission=submission, unread=unread)
            if same is not None:
                raise Unattributed(
                    f"ICA has a batch that did exactly this within the last week, {remote_id}, and this database has "
                    "no record of it: an earlier database or another program submitted it. `adopt` that batch if it is "
                    "this work; `retry` the job to have it done once more"
                )

    async def _same_items(
        self,
        batch: Batch,
        family: Family,
        work: BatchWork[Any],
        remote_id: str,
        *,
        submission: Submission,
        unread: Unread,
    ) -> Sequence[ItemReport] | None:
        """The items of a remote batch if it does what was sent, else None. Stops at a first page with other items."""
        wanted: Collection[str] = work.keys(submission)
        call = requests.items(family.at, batch.project, remote_id, self._size)
        try:
            page = family.items.read(await self._session.send(call))
        except Missing:  # another kind of batch
            return None
        unread.rows += page.bad_rows
        rows: Sequence[Any] = page.rows
        if not rows or any(work.report(row, batch.key).key not in wanted for row in rows):
            return None
        if page.token is not None:
            rows = await self._candidates.all_items(batch, family, remote_id, unread)
        seen = [work.report(row, batch.key) for row in rows]
        if {each.key for each in seen} != set(wanted) or not work.may_be(submission, rows):
            return None
        if work.has_parameters and await self._has_others(batch, family, remote_id, submission):
            return None
        return seen

    async def _has_others(self, batch: Batch, family: Family, remote_id: str, submission: Submission) -> bool:
        """Whether a remote batch shows other parameters than those sent."""
        answer = await self._session.send(requests.batch(family.at, batch.project, remote_id))
        return differ(wire.PARAMETERS.decode(submission.body), read(answer, wire.PARAMETERS))


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
