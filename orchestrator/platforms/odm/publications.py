"""Publications: one study, or everything that has changes, as a task of ODM.

The platform knows no key and lists no tasks: our mark is in the message of the version. A publication that had nothing
to publish leaves no version, so one that is not found is sent again once; publishing everything is never repeated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, unquote, urlencode

import msgspec

from orchestrator.clock import Clock
from orchestrator.domain.errors import Missing, Refused, Unconfirmed
from orchestrator.domain.identity import batch_tag
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, Item, ItemReport, ItemState, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.platforms.http.json_bodies import read, unreadable_is_unconfirmed
from orchestrator.platforms.json_objects import facts_of, request_of
from orchestrator.platforms.odm import kinds, stages, wire
from orchestrator.platforms.odm.items import ALL
from orchestrator.platforms.odm.publication_search import PublicationSearch, in_message
from orchestrator.platforms.odm.session import Session, submission_headers
from orchestrator.platforms.odm.task_reports import polls_of, subject_of, task_info, task_report
from orchestrator.platforms.prepared import prepared

_ALL_PATH: Final = "/api/v1/tasks/publish-versions"
_STUDY_PATH: Final = "/api/v1/as-curator/integration/studies/{}/tasks/publish-versions"
_GONE: Final = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_GONE_DETAIL: Final = (
    "this ODM cannot publish everything at once (the call went away in 1.64): publish study by study, "
    "with one item `study: ACCESSION` for each"
)
_VERSION: Final = "version"
"""The second request of a poll: the version that a task has published."""


@dataclass(frozen=True, slots=True)
class Publications:
    """Implements `Work`."""

    session: Session
    search: PublicationSearch
    clock: Clock

    @property
    def kind(self) -> Kind:
        return kinds.PUBLISH

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission:
        [item] = items
        request = request_of(item)
        study = request["study"]
        path = _ALL_PATH if study == ALL else _STUDY_PATH.format(quote(study, safe=""))
        query = urlencode({"versionMessage": in_message(request.get("versionMessage"), batch)})
        return Submission(
            method="POST",
            path=f"{path}?{query}",
            headers=submission_headers(body=False),
            body=b"",
            resend=Resend.NEVER if study == ALL or batch.attempt else Resend.FIND_FIRST,
        )

    async def submit(self, batch: Batch) -> Receipt:
        submission = prepared(batch)
        study = _study_of(submission)
        try:
            answer = await self.session.submit(submission, "tasks/publish-versions")
        except Refused as refusal:
            raise _explained(refusal, study) from refusal
        with unreadable_is_unconfirmed():
            info = read(answer, wire.TASK_INFO)
        if info.id is None:
            raise Unconfirmed(f"ODM has answered to the publication of {study} without the id of its task")
        report = task_report(info, batch.key, stages.PUBLICATION, key=study)
        if report.state is ItemState.SUCCEEDED:  # its version is read by a poll
            report = msgspec.structs.replace(report, state=ItemState.RUNNING, finished_at=None)
        return Receipt(remote_id=str(info.id), final=True, items=[report])

    async def reconcile(self, batch: Batch) -> Receipt:
        """What bears our mark was published: the version has no status, and its task is not known."""
        study = _study_of(prepared(batch))
        if study == ALL:
            since = batch.first_sent_at or batch.planned_at or self.clock.now()
            studies = await self.search.published(batch, since)
            facts = facts_of(studies=studies) if studies is not None else None
            detail = "found in the audit log: its answer was lost, and its task is not known"
            return _published(batch, study, facts=facts, detail=detail) if studies is not None else Receipt()
        try:
            version = await self.search.version(study, self.search.marks_of(batch))
        except Missing:
            return Receipt()
        except Refused:
            if batch.first_sent_at is not None:
                raise
            return Receipt()  # never sent, as far as we know: a user who may not read its versions may not publish it
        return _published(batch, study, facts=facts_of(version=version)) if version is not None else Receipt()

    # ------------------------------------------------------------ polls

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        return polls_of(batches, f"{self.kind.setting}/task", self.kind.stage)

    async def poll(self, poll: Poll) -> PollResult:
        subject = subject_of(poll)
        if subject is None:
            return PollResult(())
        if poll.cursor is not None:
            return await self._with_version(msgspec.json.decode(poll.cursor, type=ItemReport))
        info = await task_info(self.session, subject.remote_id)
        if info is None:
            return PollResult(())
        item = subject.item
        report = task_report(info, subject.batch, stages.PUBLICATION, seq=item.seq, key=item.key)
        report = msgspec.structs.replace(report, remote_id=subject.remote_id)
        if report.state is not ItemState.SUCCEEDED or item.key == ALL:
            return PollResult([report])
        return PollResult((), next=replace(poll, cursor=msgspec.json.encode(report).decode(), page=1))

    async def _with_version(self, report: ItemReport) -> PollResult:
        """The end of a publication, with the version that it made: none, where there was nothing to publish."""
        try:
            version = await self.search.version(report.key or "", [batch_tag(report.batch)])
        except Refused:
            return PollResult([report])
        detail = "there was nothing to publish: no version was made" if version is None else None
        return PollResult([msgspec.structs.replace(report, facts=facts_of(version=version), detail=detail)])

    async def abort(self, batch: Batch, item: Item) -> None:
        del batch
        raise Refused(f"ODM cannot stop the publication of {item.key}")


def _study_of(submission: Submission) -> str:
    """What a submission publishes."""
    path = submission.path.partition("?")[0]
    if path == _ALL_PATH:
        return ALL
    before, _, after = _STUDY_PATH.partition("{}")
    return unquote(path.removeprefix(before).removesuffix(after))


def _explained(refusal: Refused, study: str) -> Refused:
    """The refusal in words: ODM's own has none."""
    if study == ALL and refusal.status in _GONE:
        return Refused(f"{refusal}: {_GONE_DETAIL}", refusal.status, None, _GONE_DETAIL, refusal.server_date)
    if refusal.status == HTTPStatus.FORBIDDEN:
        needed = "it takes the permission ACCESS_ALL_DATA" if study == ALL else "it takes a curator with access to it"
        detail = f"this token's user may not publish {study}: {needed}"
        return Refused(f"{refusal}: {detail}", refusal.status, None, detail, refusal.server_date)
    if isinstance(refusal, Missing) and refusal.detail is None:
        detail = f"there is no study {study}"
        return Missing(f"{refusal}: {detail}", refusal.status, None, detail, refusal.server_date)
    return refusal


def _published(batch: Batch, study: str, *, facts: str | None, detail: str | None = None) -> Receipt:
    report = ItemReport(
        batch=batch.key,
        stage=stages.PUBLICATION,
        state=ItemState.SUCCEEDED,
        status=None,
        key=study,
        detail=detail,
        facts=facts,
    )
    return Receipt(final=True, items=[report])
