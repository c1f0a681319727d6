"""Jobs over many files: copies, moves, deletions and DRS imports. One id for up to a hundred files, a row each.

A job ends with FINISHED whatever became of its files. Its rows carry none of our keys: they are matched by what they
say of themselves, or by their order where nothing contradicts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

import msgspec

from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, BatchKey, BatchReport, Item, ItemReport, ItemState, Poll, PollResult
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.json_bodies import read, unreadable_is_unconfirmed
from orchestrator.platforms.json_objects import facts_of, request_of
from orchestrator.platforms.sevenbridges import statuses, wire
from orchestrator.platforms.sevenbridges.files.outcomes import FilesThere, Outcomes
from orchestrator.platforms.sevenbridges.protocol import polls, sent
from orchestrator.platforms.sevenbridges.session import Session
from orchestrator.platforms.status_table import state_of

_REPEATED: Final = "job-repeated"
"""A poll of a job that may repeat an earlier one."""
_NOT_FOUND: Final = 404
_REMOVED: Final = wire.Row(wire.File())
_REMOVED_BEFORE: Final = "the file is not there: an earlier request for this item removed it"
_WHICH_IS_UNCLEAR: Final = "copied; several new files have its name, and which of them is its copy is unclear"
_LOOK_THERE: Final = "look there, then `give-up` the item, or `cancel` the job"
_ASK_FILES: Final = "files"
"""The cursor of a request for the files of an ended job."""
_THERE: Final = msgspec.json.Decoder(FilesThere)


@dataclass(slots=True)
class JobPolls:
    """Asks about the jobs of one kind, one in a request."""

    session: Session
    kind: Kind
    path: str
    """Under which a job lies by its id."""
    outcomes: Outcomes

    def of(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        """One poll for each batch: it names all open items, in their order.

        A job that has ended says nothing new. Items of which it leaves unclear how they ended stay open; where their
        job was cancelled they are asked for all the same, and end as they go unreported.
        """
        setting, expects = self.kind.setting, frozenset({self.kind.stage})
        return [
            polls.poll(
                f"{setting}:{batch.id}",
                f"{setting}/{_REPEATED if sent.may_repeat(batch) else 'job'}",
                [batch],
                expects,
                names=polls.IDS,
            )
            for batch in batches
            if batch.remote_id is not None and (batch.cancelled or not batch.status_final)
        ]

    async def ask(self, poll: Poll) -> PollResult:
        """How far a job is, and at its end what became of each file; one request of it."""
        if poll.cursor == _ASK_FILES:
            return await self._ask_files(poll)
        there = _THERE.decode(poll.cursor) if poll.cursor is not None else None
        [(batch, job_id)] = poll.subjects.items()
        answer = await self.session.get(f"{self.path}/{quote(str(job_id), safe='')}", self.path.strip("/"))
        job = read(answer, wire.FILE_JOB)
        if job.state != statuses.FINISHED or job.result is None:
            return PollResult(
                [BatchReport(batch, job.state, final=False), *(self._open(batch, job, i) for i in poll.named)]
            )
        rows = wire.FILE_ROWS.rows(job.result)
        if self.outcomes.removes and poll.route.endswith(f"/{_REPEATED}"):
            rows = [_REMOVED if row.error is not None and row.error.status == _NOT_FOUND else row for row in rows]
        asked = [request_of(item) for item in poll.named]
        if there is None and self.outcomes.need_files(asked, rows):
            return PollResult((), next=replace(poll, cursor=_ASK_FILES, page=poll.page + 1))
        matched = self.outcomes.match(asked, rows, there)
        ended = [self._ended(batch, job, item, matched.get(at)) for at, item in enumerate(poll.named)]
        return PollResult([*filter(None, ended), BatchReport(batch, job.state, final=True)])

    async def _ask_files(self, poll: Poll) -> PollResult:
        """Which of the job's files are there, before it is asked for its rows once more."""
        ids = {"file_ids": [request_of(item)["file"] for item in poll.named]}
        fields = {"fields": "resource.id,resource.name"}
        there = FilesThere.read(await self.session.ask("/bulk/files/get", "bulk/files/get", ids, fields))
        return PollResult((), next=replace(poll, cursor=msgspec.json.encode(there).decode(), page=poll.page + 1))

    def _open(self, batch: BatchKey, job: wire.FileJob, item: Item) -> ItemReport:
        """How far an item is; of a job that has ended without rows, that nothing more is known yet."""
        state, known = state_of(job.state, statuses.JOB)
        rowless = job.state == statuses.FINISHED
        return ItemReport(
            batch=batch,
            stage=self.kind.stage,
            state=ItemState.ATTENTION if rowless else state,
            status=job.state,
            seq=item.seq,
            key=item.key,
            detail=f"job {job.id} has ended, and shows no rows so far: {_LOOK_THERE}" if rowless else None,
            known_status=known or rowless,
        )

    def _ended(
        self, batch: BatchKey, job: wire.FileJob, item: Item, row: wire.Row[wire.File] | None
    ) -> ItemReport | None:
        """What became of an item; None where this is unclear, and was reported before."""
        file = (row.resource if row is not None else None) or wire.File()
        detail: str | None = None
        if row is not None and row.error is not None:
            state, detail = ItemState.FAILED, str(row.error)
        elif row is not None and row.resource is not None:
            state, detail = ItemState.SUCCEEDED, _REMOVED_BEFORE if row is _REMOVED else None
            if self.outcomes.copies and file.id is None:
                detail = _WHICH_IS_UNCLEAR
        elif item.state is ItemState.ATTENTION:
            return None
        else:
            state = ItemState.ATTENTION
            detail = f"job {job.id} has ended, and which of its rows is this file's is unclear: {_LOOK_THERE}"
        return ItemReport(
            batch=batch,
            stage=self.kind.stage,
            state=state,
            status=job.state,
            seq=item.seq,
            key=item.key,
            remote_id=file.id,
            detail=detail,
            finished_at=wire.moment(job.finished_on) if state.final else None,
            facts=facts_of(file=file.id, name=file.name),
        )


def job_in(answer: Answer) -> wire.FileJob:
    """The job in the answer to a submission; raises Unconfirmed where the answer cannot be read."""
    with unreadable_is_unconfirmed():
        return read(answer, wire.FILE_JOB)
