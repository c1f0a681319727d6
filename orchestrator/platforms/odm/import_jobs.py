"""Imports: a job of ODM for each. The links are the key: sent again, they are refused (409) with the job that has them.

A job that has them and did not complete is restarted, once in an attempt: that is the second step of a submission, so
it is durable that it will be, before it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from orchestrator.clock import Micros
from orchestrator.domain.errors import Missing, Refused, Unattributed
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport, ItemState, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import SECOND
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.json_bodies import failure_is_unconfirmed, read, unreadable_is_unconfirmed
from orchestrator.platforms.json_objects import as_json, facts_of, object_in, request_of
from orchestrator.platforms.odm import kinds, stages, statuses, wire
from orchestrator.platforms.odm.session import Session, submission_headers
from orchestrator.platforms.odm.task_reports import polls_of, subject_of
from orchestrator.platforms.prepared import prepared
from orchestrator.platforms.status_table import state_of

_START, _RESTART = 1, 2
"""The steps of a submission; most have the first alone."""
_JOBS: Final = "/api/v1/jobs"
_SLACK: Micros = 60 * SECOND
"""A job of ours may seem to be that much older than its request: clocks differ, and times are in whole seconds."""
_LOST_TRACK: Final = "ODM says UNKNOWN of this job: it may continue by itself; if it does not, stop it there"


@dataclass(frozen=True, slots=True)
class ImportJobs:
    """Implements `Work`."""

    session: Session

    @property
    def kind(self) -> Kind:
        return kinds.IMPORT

    # ------------------------------------------------------------ submission

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission:
        [item] = items
        if batch.step == _START:
            body = request_of(item)
            what = quote(body.pop("type"), safe="")
            return Submission(
                method="POST",
                path=f"{_JOBS}/import/{what}",
                headers=submission_headers(body=True),
                body=as_json(body),
                resend=Resend.SAME_KEY,
            )
        if batch.remote_id is None:
            raise ValueError(f"item {item.key!r} has no job that could be restarted")
        return Submission(
            method="PUT",
            path=f"{_path(batch.remote_id)}/restart#{quote(item.key)}",
            headers=submission_headers(body=False),
            body=b"",
            resend=Resend.NEVER if batch.attempt else Resend.FIND_FIRST,
        )

    async def submit(self, batch: Batch) -> Receipt:
        submission = prepared(batch)
        if batch.step == _START:
            return await self._start(batch, submission)
        return await self._restart(batch, submission)

    async def _start(self, batch: Batch, submission: Submission) -> Receipt:
        key = self._key(submission)
        try:
            info = _job(await self.session.submit(submission, "jobs/import"))
        except Refused as refusal:
            if refusal.status != HTTPStatus.CONFLICT:
                raise
            job_id = wire.job_named_by(refusal)
            if job_id is None and batch.in_doubt:
                raise Unattributed(
                    f"an answer was lost, and ODM now says that these links were imported, but not by which job "
                    f"({refusal}): look for it in ODM, then `adopt` it or `cancel` the job"
                ) from refusal
            if job_id is None:
                raise
            return await self._adopt(batch, key, job_id)
        return Receipt(remote_id=info.id, final=True, items=[_unended(_report(batch.key, info, key=key))])

    async def _adopt(self, batch: Batch, key: str, job_id: str) -> Receipt:
        """The job that has these links already: ours, where an answer was lost, or an earlier one."""
        with failure_is_unconfirmed():
            info = await self._info(job_id)
        if info is None:
            detail = f"these links were imported by job {job_id}, which ODM does not show to this account"
            raise Refused(detail, status=HTTPStatus.CONFLICT, detail=detail)
        ours = batch.in_doubt and _is_of(batch, info)
        status = info.status or wire.NO_STATUS
        if statuses.ended_badly(status) and not ours:
            again = ItemReport(batch=batch.key, stage=stages.IMPORT, state=ItemState.PENDING, status=None, key=key)
            return Receipt(remote_id=info.id, items=[again], more=True)
        report = _report(batch.key, info, key=key)
        if report.state.final:
            with failure_is_unconfirmed():
                report = await self._ended(report)
            if report.state is ItemState.SUCCEEDED and not ours:
                report = msgspec.structs.replace(report, detail=f"imported earlier by job {job_id}")
        return Receipt(remote_id=info.id, final=True, items=[report])

    async def _restart(self, batch: Batch, submission: Submission) -> Receipt:
        """Restart the job; one that is running was restarted by us before. Its new run may have another id."""
        job_id, key = _restart_of(submission)
        try:
            info = _job(await self.session.submit(submission, "jobs/restart"))
        except Refused as refusal:
            if refusal.status == HTTPStatus.FORBIDDEN:
                raise
            with failure_is_unconfirmed():
                current = await self._info(job_id)
            if current is None or statuses.ended_badly(current.status or wire.NO_STATUS):
                detail = f"job {job_id} has these links, did not import them, and is not restarted: {refusal}"
                raise Refused(detail, status=HTTPStatus.CONFLICT, detail=detail) from refusal
            info = current
        return Receipt(remote_id=info.id, final=True, items=[_unended(_report(batch.key, info, key=key))])

    # ------------------------------------------------------------ what became of it

    async def reconcile(self, batch: Batch) -> Receipt:
        """Of a start there is nothing to be found: sent again, it is answered with the job that it made.

        A restart shows in the status of the job, unless its new run has another id: then the same links are sent again.

        Raises:
            Refused: a start of a cancelled job cannot be found, and is not sent again.
        """
        if batch.step == _START:
            if batch.cancelled:
                raise Refused("ODM has no list of import jobs: whether this one was started is not known")
            return Receipt()
        job_id, key = _restart_of(prepared(batch))
        info = await self._info(job_id)
        if info is None:
            return Receipt()
        if statuses.ended_badly(info.status or wire.NO_STATUS) and not _ended_since(batch, info):
            return Receipt()
        return Receipt(remote_id=info.id, final=True, items=[_unended(_report(batch.key, info, key=key))])

    # ------------------------------------------------------------ polls

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        return polls_of(batches, f"{self.kind.setting}/job", self.kind.stage)

    async def poll(self, poll: Poll) -> PollResult:
        """How far a job is; of one that has ended, in a second request, what it made or why it failed."""
        subject = subject_of(poll)
        if subject is None:
            return PollResult(())
        if poll.cursor is not None:
            return PollResult([await self._ended(msgspec.json.decode(poll.cursor, type=ItemReport))])
        info = await self._info(subject.remote_id)
        if info is None:
            return PollResult(())
        report = _report(subject.batch, info, key=subject.item.key, seq=subject.item.seq)
        if not report.state.final:
            return PollResult([report])
        return PollResult((), next=replace(poll, cursor=msgspec.json.encode(report).decode(), page=1))

    async def abort(self, batch: Batch, item: Item) -> None:
        job_id = item.remote_id or batch.remote_id
        if job_id is None:
            raise Refused(f"no job is known of item {item.key!r} that could be stopped")
        await self.session.stop(f"{_path(job_id)}/stop", "jobs/stop")

    # ------------------------------------------------------------ inside

    async def _info(self, job_id: str) -> wire.JobInfo | None:
        """A job by its id; None where there is none."""
        try:
            return read(await self.session.get(f"{_path(job_id)}/info", "jobs/info"), wire.JOB_INFO)
        except Missing:
            return None

    async def _ended(self, report: ItemReport) -> ItemReport:
        """The end of a job with what it made, or why it failed."""
        path = f"{_path(report.remote_id or '')}/output"
        try:
            output = read(await self.session.get(path, "jobs/output"), wire.OUTPUT)
        except Refused:
            return report
        if report.state is ItemState.SUCCEEDED:
            return msgspec.structs.replace(report, facts=facts_of(**wire.results_of(output)))
        return msgspec.structs.replace(report, detail=wire.errors_of(output))

    def _key(self, submission: Submission) -> str:
        """The key of the item whose start this is."""
        key = self.kind.key_of(object_in(submission.body))
        if key is None:
            raise ValueError(f"an import was sent without {self.kind.key}")
        return key


def _path(job_id: str) -> str:
    return f"{_JOBS}/{quote(job_id, safe='')}"


def _restart_of(submission: Submission) -> tuple[str, str]:
    """Which job a submission restarts, and the key of its item: the fragment, which is not sent."""
    path, _, key = submission.path.partition("#")
    return unquote(path.removeprefix(f"{_JOBS}/").removesuffix("/restart")), unquote(key)


def _job(answer: Answer) -> wire.JobInfo:
    """The job in the answer to a submission; raises Unconfirmed where the answer cannot be read."""
    with unreadable_is_unconfirmed():
        return read(answer, wire.JOB_INFO)


def _is_of(batch: Batch, info: wire.JobInfo) -> bool:
    """Whether a job may be that of a start whose answer was lost, by its times where they can be read."""
    created, ended, sent = wire.moment(info.create_time), wire.moment(info.end_time), batch.first_sent_at
    if sent is None:
        return True
    return (created is None or created >= sent - _SLACK) and (ended is None or ended >= sent - SECOND)


def _ended_since(batch: Batch, info: wire.JobInfo) -> bool:
    """Whether a job has ended since its restart was sent, so that it was restarted and has failed again."""
    ended = wire.moment(info.end_time)
    return ended is not None and batch.first_sent_at is not None and ended > batch.first_sent_at


def _report(batch: BatchKey, info: wire.JobInfo, *, key: str, seq: int | None = None) -> ItemReport:
    status = info.status or wire.NO_STATUS
    state, known = state_of(status, statuses.JOB)
    return ItemReport(
        batch=batch,
        stage=stages.IMPORT,
        state=state,
        status=status,
        seq=seq,
        key=key,
        remote_id=info.id,
        detail=_LOST_TRACK if state is ItemState.ATTENTION else None,
        finished_at=wire.moment(info.end_time) if state.final else None,
        known_status=known,
    )


def _unended(report: ItemReport) -> ItemReport:
    """What a submission is answered with ends nothing: a poll reads how it ended, and the answer may be stale."""
    if not report.state.final:
        return report
    return msgspec.structs.replace(report, state=ItemState.SUBMITTED, finished_at=None)
