"""Tasks that were started elsewhere: nothing is sent, each is followed to its end."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from orchestrator.domain.errors import Refused
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, Item, ItemReport, ItemState, Poll, PollResult, Receipt
from orchestrator.domain.submission import Submission
from orchestrator.platforms.json_objects import facts_of
from orchestrator.platforms.odm import kinds, stages
from orchestrator.platforms.odm.session import Session
from orchestrator.platforms.odm.task_reports import polls_of, task_info, task_report


@dataclass(frozen=True, slots=True)
class FollowedTasks:
    """Implements `Work`."""

    session: Session

    @property
    def kind(self) -> Kind:
        return kinds.TASK

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission | None:
        del batch, items
        return None

    async def submit(self, batch: Batch) -> Receipt:
        raise ValueError(f"batch {batch.id} has nothing to send: its tasks are only followed")

    async def reconcile(self, batch: Batch) -> Receipt:
        del batch
        return Receipt()

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        return polls_of(batches, f"{self.kind.setting}/get", self.kind.stage)

    async def poll(self, poll: Poll) -> PollResult:
        if not poll.named:
            return PollResult(())
        [item] = poll.named
        [batch] = poll.subjects
        info = await task_info(self.session, item.key)
        if info is None:
            gone = ItemReport(
                batch=batch,
                stage=stages.TASK,
                state=ItemState.FAILED,
                status=None,
                seq=item.seq,
                key=item.key,
                detail=f"there is no task {item.key} in ODM, or this account may not see it",
            )
            return PollResult([gone])
        facts = facts_of(name=info.name, application=info.application, created_by=info.created_by)
        report = task_report(info, batch, stages.TASK, seq=item.seq, key=item.key, facts=facts)
        return PollResult([msgspec.structs.replace(report, remote_id=item.key)])

    async def abort(self, batch: Batch, item: Item) -> None:
        del batch
        raise Refused(f"task {item.key} is only followed")
