"""DRS imports: one job for up to a hundred files. The platform takes them up at a pace of its own, and lists no jobs.

With `conflict_resolution: SKIP` a repeat changes nothing. Otherwise it would make files twice, so what became of a lost
answer is found by the files that carry our tag.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.domain.errors import Refused
from orchestrator.domain.identity import batch_tag
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, Item, ItemReport, ItemState, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.platforms.json_objects import facts_of, request_of
from orchestrator.platforms.prepared import prepared
from orchestrator.platforms.sevenbridges import kinds, statuses, wire
from orchestrator.platforms.sevenbridges.files.jobs import JobPolls, job_in
from orchestrator.platforms.sevenbridges.files.outcomes import Outcomes
from orchestrator.platforms.sevenbridges.protocol import sent
from orchestrator.platforms.sevenbridges.protocol.listing import pages
from orchestrator.platforms.sevenbridges.protocol.matching import same_name
from orchestrator.platforms.sevenbridges.session import Session

_SKIP = "SKIP"
_PATH = "/bulk/drs/imports"


@dataclass(slots=True)
class DrsImports:
    """Implements `Work`."""

    session: Session
    page_size: int

    @property
    def kind(self) -> Kind:
        return kinds.DRS_IMPORT

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission:
        options = sent.options_of(batch)
        resolution = options.get("conflict_resolution", _SKIP)
        body = {
            "conflict_resolution": resolution,
            "tags": [*options.get("tags", ()), batch_tag(batch.key)],
            "items": [_body_of(request_of(item), batch.project) for item in items],
        }
        return sent.submission(f"{_PATH}/create", body, Resend.HARMLESS if resolution == _SKIP else Resend.NEVER)

    async def submit(self, batch: Batch) -> Receipt:
        job = job_in(await self.session.submit(prepared(batch), "bulk/drs/imports/create"))
        return Receipt(remote_id=str(job.id), status=job.state)

    async def reconcile(self, batch: Batch) -> Receipt:
        """The files that carry the batch's tag. Those whose names were left to the platform cannot be distinguished."""
        asked = sent.items_of(batch)
        tagged = [file for place in _places(asked) for file in await self._tagged(place, batch)]
        found = []
        for each in asked:
            files = [file for file in tagged if each.get("name") is not None and file.name == each["name"]]
            if len(files) == 1:
                found.append(_imported(batch, self.kind, sent.key_of(self.kind, each), files[0]))
        return Receipt(final=True, items=found)

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        return self._polls.of(batches)

    async def poll(self, poll: Poll) -> PollResult:
        return await self._polls.ask(poll)

    async def abort(self, batch: Batch, item: Item) -> None:
        del batch
        raise Refused(f"the platform cannot stop the import of {item.key}")

    # ------------------------------------------------------------ inside

    @property
    def _polls(self) -> JobPolls:
        return JobPolls(self.session, self.kind, _PATH, Outcomes(_is_of))

    async def _tagged(self, place: tuple[str, str], batch: Batch) -> Sequence[wire.File]:
        name, value = place
        params = {name: value, "tag": batch_tag(batch.key), "fields": "id,name,project"}
        files: dict[str, wire.File] = {}
        async for page in pages(
            self.session, "/files", "files/list", params=params, reader=wire.FILES, size=self.page_size
        ):
            files |= {file.id: file for file in page if file.id is not None}
        return list(files.values())


def _body_of(request: sent.Sent, project: str) -> sent.Sent:
    return request if request.get("project") or request.get("parent") else {**request, "project": project}


def _places(asked: Sequence[sent.Sent]) -> Sequence[tuple[str, str]]:
    """Where the files go, each place once: a list of files is that of a project or of a folder."""
    given = [("parent", each["parent"]) if each.get("parent") else ("project", each["project"]) for each in asked]
    return list(dict.fromkeys(given))


def _is_of(asked: sent.Sent, file: wire.File) -> bool | None:
    return same_name(asked.get("name"), file.name)


def _imported(batch: Batch, kind: Kind, key: str, file: wire.File) -> ItemReport:
    return ItemReport(
        batch=batch.key,
        stage=kind.stage,
        state=ItemState.SUCCEEDED,
        status=statuses.FINISHED,
        key=key,
        remote_id=file.id,
        detail="found by its tag, after the answer was lost",
        facts=facts_of(file=file.id, name=file.name),
    )
