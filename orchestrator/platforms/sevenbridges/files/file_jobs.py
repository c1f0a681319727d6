"""Copies, moves and deletions of files: one job for up to a hundred of them.

A lost answer is found in the list of the user's own jobs, by type, size and time. A move or a deletion that is not
found may be sent again; a copy may not, as a second one is made beside the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from orchestrator.clock import Micros
from orchestrator.domain.errors import Refused
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import SECOND
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.declaration import SentBesides
from orchestrator.platforms.json_objects import request_of
from orchestrator.platforms.listed_once import ListedOnce
from orchestrator.platforms.prepared import prepared
from orchestrator.platforms.sevenbridges import kinds, statuses, wire
from orchestrator.platforms.sevenbridges.files.jobs import JobPolls, job_in
from orchestrator.platforms.sevenbridges.files.outcomes import Outcomes
from orchestrator.platforms.sevenbridges.protocol import sent
from orchestrator.platforms.sevenbridges.protocol.listing import begun_since
from orchestrator.platforms.sevenbridges.protocol.matching import same_name
from orchestrator.platforms.sevenbridges.session import Session
from orchestrator.platforms.status_table import state_of

_SLACK: Micros = 60 * SECOND
"""A job may seem to be that much older than its request. Short: an equal job of a user may have begun just before."""
_MOST_CLAIMED: Final = 8192
"""Jobs that are remembered to be some batch's."""


@dataclass(frozen=True, slots=True)
class Verb:
    """What a job does to files."""

    kind: Kind
    name: str
    """In the paths; in capitals it is the `type` of a job."""
    resend: Resend
    has_destination: bool = True


COPY: Final = Verb(kinds.FILE_COPY, "copy", Resend.NEVER)
MOVE: Final = Verb(kinds.FILE_MOVE, "move", Resend.FIND_FIRST)
DELETE: Final = Verb(kinds.FILE_DELETE, "delete", Resend.FIND_FIRST, has_destination=False)


@dataclass(slots=True)
class FileJobs:
    """One verb. Implements `Work`."""

    verb: Verb
    session: Session
    page_size: int
    started_at: Micros
    """When this process began, by our clock: what was planned later was sent by no earlier process."""
    sent_besides: SentBesides
    _before: ListedOnce[Sequence[wire.FileJob]] = field(init=False)
    """What an earlier process may have begun."""
    _claimed: Bounded[str, BatchKey] = field(default_factory=lambda: Bounded(_MOST_CLAIMED))

    def __post_init__(self) -> None:
        self._before = ListedOnce(self._listed)

    @property
    def kind(self) -> Kind:
        return self.verb.kind

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission:
        bodies = [self._body_of(request_of(item), batch.project) for item in items]
        return sent.submission(self._path, {"items": bodies}, self.verb.resend)

    async def submit(self, batch: Batch) -> Receipt:
        job = job_in(await self.session.submit(prepared(batch), self._path.strip("/")))
        self._claimed[str(job.id)] = batch.key
        return Receipt(remote_id=str(job.id), status=job.state)

    async def reconcile(self, batch: Batch) -> Receipt:
        """The one job that can only be that of this batch; where several could be, none is taken for it.

        A job that is known as another batch's is none of them. Where another batch of this size is searched for too,
        the job has to name this one's files, or it might be that one's.
        """
        if batch.first_sent_at is None and (batch.planned_at or 0) >= self.started_at:
            return Receipt()
        since = (batch.first_sent_at or batch.planned_at or self.started_at) - _SLACK
        listed = await self._listed(since) if batch.first_sent_at is not None else await self._before.since(since)
        asked = sent.items_of(batch)
        young = (job for job in listed if (wire.moment(job.started_on) or since) >= since)
        possible = [job for job in young if self._may_be(job, asked, batch.key)]
        besides = await self.sent_besides(batch, since, [str(job.id) for job in possible])
        alike = [job for job in possible if str(job.id) not in besides.ids]
        if len(alike) != 1:
            return Receipt()
        [job] = alike
        if besides.in_doubt and not self._is_certain(job, asked):
            return Receipt()
        self._claimed[str(job.id)] = batch.key
        reports = [self._open(batch.key, job, sent.key_of(self.kind, each)) for each in asked]
        return Receipt(remote_id=str(job.id), status=job.state, items=reports)

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        for batch in batches:
            if batch.remote_id is not None:
                self._claimed[batch.remote_id] = batch.key
        return self._polls.of(batches)

    async def poll(self, poll: Poll) -> PollResult:
        return await self._polls.ask(poll)

    async def abort(self, batch: Batch, item: Item) -> None:
        del batch
        raise Refused(f"the platform cannot stop the job that has file {item.key}")

    # ------------------------------------------------------------ inside

    @property
    def _path(self) -> str:
        return f"/async/files/{self.verb.name}"

    @property
    def _polls(self) -> JobPolls:
        outcomes = Outcomes(self._is_of, copies=self.verb is COPY, removes=self.verb is DELETE)
        return JobPolls(self.session, self.kind, self._path, outcomes)

    def _body_of(self, request: dict[str, Any], project: str) -> sent.Sent:
        if self.verb.has_destination and not request.get("project") and not request.get("parent"):
            return {**request, "project": project}
        return request

    def _is_of(self, asked: sent.Sent, file: wire.File) -> bool | None:
        """A moved file keeps its id; a copied one has a name that may have been asked for; a deleted one is gone."""
        if self.verb is MOVE:
            return None if file.id is None else file.id == asked["file"]
        return same_name(asked.get("name"), file.name)

    def _may_be(self, job: wire.FileJob, asked: Sequence[sent.Sent], batch: BatchKey) -> bool:
        if job.type != self.verb.name.upper() or job.total_files not in {None, len(asked)}:
            return False
        if self._claimed.get(str(job.id)) not in {None, batch}:
            return False
        rows = wire.FILE_ROWS.rows(job.result or ())
        shown = [row.resource for row in rows if row.resource is not None]
        return all(any(self._is_of(each, file) is not False for each in asked) for file in shown)

    def _is_certain(self, job: wire.FileJob, asked: Sequence[sent.Sent]) -> bool:
        """Whether each of a job's files is certainly one that was asked for; not before the job has ended."""
        rows = wire.FILE_ROWS.rows(job.result or ())
        shown = [row.resource for row in rows if row.resource is not None]
        return bool(shown) and all(any(self._is_of(each, file) for each in asked) for file in shown)

    async def _listed(self, since: Micros) -> Sequence[wire.FileJob]:
        """The user's jobs that began at `since` or later."""
        route, size = "async/files", self.page_size
        return await begun_since(
            self.session, f"/{route}", route, fields="_all", reader=wire.FILE_JOBS, size=size, since=since
        )

    def _open(self, batch: BatchKey, job: wire.FileJob, key: str) -> ItemReport:
        state, known = state_of(job.state, statuses.JOB)
        return ItemReport(
            batch=batch, stage=self.kind.stage, state=state, status=job.state, key=key, known_status=known
        )
