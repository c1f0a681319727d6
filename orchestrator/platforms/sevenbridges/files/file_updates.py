"""Changes of names, metadata and tags: up to a hundred files in a call, which has ended when it is answered.

What is left out stays as it is, and the same change made twice is one change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.domain.errors import Refused
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, Item, ItemReport, ItemState, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.platforms.http.json_bodies import unreadable_is_unconfirmed
from orchestrator.platforms.prepared import prepared
from orchestrator.platforms.sevenbridges import kinds, wire
from orchestrator.platforms.sevenbridges.protocol import sent
from orchestrator.platforms.sevenbridges.protocol.matching import match
from orchestrator.platforms.sevenbridges.session import Session


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
            request = sent.request_of(item)
            bodies.append({"id": request.pop("file"), **request})
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
        """Nothing shows what was changed when: it is sent again."""
        del batch
        return Receipt()

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        del batches
        return ()

    async def poll(self, poll: Poll) -> PollResult:
        raise ValueError(f"there is no poll {poll.route}")

    def follow_up(self, poll: Poll, missing: Sequence[Item]) -> Sequence[Poll]:
        del poll, missing
        return ()

    async def abort(self, batch: Batch, item: Item) -> None:
        del batch
        raise Refused(f"the change of file {item.key} has ended")

    def _report(self, batch: Batch, file_id: str, row: wire.Row[wire.File]) -> ItemReport | None:
        if row.error is not None:
            return sent.declined(batch.key, self.kind, file_id, row.error) if row.error.lasting else None
        if row.resource is None:
            return None
        return ItemReport(
            batch=batch.key,
            stage=self.kind.stage,
            state=ItemState.SUCCEEDED,
            status=None,
            key=file_id,
            remote_id=file_id,
            facts=wire.facts(name=row.resource.name),
        )
