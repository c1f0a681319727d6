"""Changes of names, metadata and tags: up to a hundred files in a call, which has ended when it is answered.

What is left out stays as it is, and the same change made twice is one change, unless others changed the file between
them: so it is repeated within an hour only. After that, what a file has already is not sent again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.errors import Refused
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, Item, ItemReport, ItemState, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.platforms.http.json_bodies import unreadable_is_unconfirmed
from orchestrator.platforms.json_objects import EXACT, facts_of, request_of
from orchestrator.platforms.prepared import prepared
from orchestrator.platforms.sevenbridges import kinds, wire
from orchestrator.platforms.sevenbridges.protocol import sent
from orchestrator.platforms.sevenbridges.protocol.matching import match
from orchestrator.platforms.sevenbridges.session import Session

_FIELDS: Final = ",".join(f"resource.{field}" for field in ("id", "name", "metadata", "tags"))


@dataclass(slots=True)
class FileUpdates:
    """Implements `Work`. There is nothing to poll."""

    session: Session

    @property
    def kind(self) -> Kind:
        return kinds.FILE_UPDATE

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission:
        del batch
        bodies = []
        for item in items:
            request = request_of(item)
            named = {"id": request.pop("file")}
            bodies.append(named | request | named)
        return sent.submission("/bulk/files/edit", {"items": bodies}, Resend.HARMLESS)

    async def submit(self, batch: Batch) -> Receipt:
        answer = await self.session.submit(prepared(batch), "bulk/files/edit")
        with unreadable_is_unconfirmed():
            rows = wire.FILE_ROWS.read(answer)
        asked = sent.items_of(batch)
        matched = match(asked, rows, lambda each, file: None if file.id is None else bool(file.id == each["id"]))
        reports = [self._report(batch, asked[at]["id"], row) for at, row in matched.items()]
        decided = [report for report in reports if report is not None]
        if not decided:
            raise sent.undecided(rows)
        return Receipt(final=True, items=decided)

    async def reconcile(self, batch: Batch) -> Receipt:
        """The files that are as they were asked to become; nothing shows when they became so."""
        asked = sent.items_of(batch)
        ids = {"file_ids": [each["id"] for each in asked]}
        answer = await self.session.ask("/bulk/files/get", "bulk/files/get", ids, {"fields": _FIELDS})
        there = {row.resource.id: row.resource for row in wire.DETAIL_ROWS.read(answer) if row.resource is not None}
        changed = [each["id"] for each in asked if each["id"] in there and _is_as_asked(each, there[each["id"]])]
        return Receipt(final=True, items=[self._changed(batch, each, there[each].name) for each in changed])

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        del batches
        return ()

    async def poll(self, poll: Poll) -> PollResult:
        raise ValueError(f"there is no poll {poll.route}")

    async def abort(self, batch: Batch, item: Item) -> None:
        del batch
        raise Refused(f"the change of file {item.key} has ended")

    def _report(self, batch: Batch, file_id: str, row: wire.Row[wire.File]) -> ItemReport | None:
        if row.error is not None:
            return sent.declined(batch.key, self.kind, file_id, row.error) if row.error.lasting else None
        return self._changed(batch, file_id, row.resource.name) if row.resource is not None else None

    def _changed(self, batch: Batch, file_id: str, name: str | None) -> ItemReport:
        return ItemReport(
            batch=batch.key,
            stage=self.kind.stage,
            state=ItemState.SUCCEEDED,
            status=None,
            key=file_id,
            remote_id=file_id,
            facts=facts_of(name=name),
        )


def _is_as_asked(asked: sent.Sent, file: wire.FileDetails) -> bool:
    """Whether a file has the name, the tags and the values that were asked for; null removes a value."""
    metadata, tags = wire.plain(file.metadata, EXACT), wire.plain(file.tags)
    held = metadata if isinstance(metadata, Mapping) else {}
    return (
        asked.get("name") in {None, file.name}
        and (asked.get("tags") is None or asked["tags"] == tags)
        and all(held.get(name) == value for name, value in (asked.get("metadata") or {}).items())
    )
