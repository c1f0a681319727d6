"""Tasks and batch tasks: a draft is made, then it is run. Making two drafts costs nothing, running two tasks does.

The draft carries our mark in its description, and its id is durable before it is run. A task is run once: the platform
refuses to run what is no draft (7007), so that is the answer to a repeat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import msgspec

from orchestrator.domain.errors import Missing, NeverRan, Refused, Unconfirmed
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, Item, ItemReport, ItemState, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import SECOND, Micros
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.json_bodies import failure_is_unconfirmed, read, unreadable_is_unconfirmed
from orchestrator.platforms.json_objects import request_of
from orchestrator.platforms.prepared import prepared
from orchestrator.platforms.sevenbridges import kinds, stages, statuses, wire
from orchestrator.platforms.sevenbridges.protocol import sent
from orchestrator.platforms.sevenbridges.protocol.marks import Mark, in_description, read_mark
from orchestrator.platforms.sevenbridges.session import Session, submission_headers
from orchestrator.platforms.sevenbridges.tasks.task_polls import TaskPolls, report_of
from orchestrator.platforms.sevenbridges.tasks.task_search import NOT_THERE, TaskSearch

_DRAFT, _RUN = 1, 2
"""The steps of a submission."""
_SEARCH_DELAY: Micros = 60 * SECOND
"""A draft that shows up later than this is one draft more, which is never run."""
_NOT_A_DRAFT: Final = "7007"
_INVALID: Final = "7024"


@dataclass(slots=True)
class Tasks:
    """Implements `Work`."""

    session: Session
    instance: str
    search: TaskSearch
    task_polls: TaskPolls

    @property
    def kind(self) -> Kind:
        return kinds.TASK

    # ------------------------------------------------------------ submission

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission:
        [item] = items
        if batch.step == _DRAFT:
            mark = Mark(self.instance, batch.key, item.seq)
            request = request_of(item)
            described = in_description(request.get("description"), mark)
            body = {**request, "project": batch.project, "description": described}
            return sent.submission("/tasks", body, Resend.FIND_FIRST, search_delay=_SEARCH_DELAY)
        if item.remote_id is None:
            raise ValueError(f"item {item.key!r} has no draft that could be run")
        return Submission(
            method="POST",
            path=f"{_path(item.remote_id)}/actions/run",
            headers=submission_headers(),
            body=b"null",
            resend=Resend.SAME_KEY,
            search_delay=_SEARCH_DELAY,
        )

    async def submit(self, batch: Batch) -> Receipt:
        submission = prepared(batch)
        if batch.step == _DRAFT:
            task = _task(await self.session.submit(submission, "tasks/create"))
        else:
            task = await self._run(submission)
        refusal = wire.problems(task.errors) if task.status == statuses.DRAFT else None
        if refusal is not None and not batch.in_doubt:
            raise Refused(f"the platform cannot run task {task.id}: {refusal}", status=400, detail=refusal)
        return self._receipt(batch, task)

    async def _run(self, submission: Submission) -> wire.Task:
        """Run the draft; one that is no draft any more was run by us before.

        Raises:
            Missing: the draft was deleted (7002). Only drafts can be: nothing ran, and another one is needed.
            NeverRan: the draft cannot run (7024). It is a draft still, so no earlier request ran it.
            Unconfirmed: something else says 404, such as a gateway, which says nothing about an earlier send; or the
                task that was run before cannot be read.
        """
        task_id = submission.path.split("/")[2]
        try:
            return _task(await self.session.submit(submission, "tasks/run"))
        except Missing as missing:
            if missing.code == NOT_THERE:
                raise
            raise Unconfirmed(str(missing), status=missing.status, server_date=missing.server_date) from missing
        except Refused as refusal:
            if refusal.code not in {_NOT_A_DRAFT, _INVALID}:
                raise
            with failure_is_unconfirmed():
                task = await self.search.get(task_id)
            if refusal.code == _INVALID:
                if task is None or task.status != statuses.DRAFT:
                    raise
                raise NeverRan(refusal.message, refusal.status, refusal.code, refusal.detail) from refusal
        if task is None or task.status == statuses.DRAFT:
            raise Unconfirmed(f"the platform says that task {task_id} was run, and shows it as {task and task.status}")
        return task

    # ------------------------------------------------------------ what became of it

    async def reconcile(self, batch: Batch) -> Receipt:
        """At the first step by the mark; at the second by the id, where a draft counts as not found.

        The draft of a job that was cancelled is deleted, so that a run which is still under way finds nothing to run.
        """
        if batch.step != _DRAFT and batch.remote_id is not None:
            task = await self.search.get(batch.remote_id)
            if task is not None and task.status == statuses.DRAFT:
                task = await self._delete(task) if batch.cancelled else None
            return self._receipt(batch, task) if task is not None else Receipt()
        tasks = await self.search.reconcile(batch)
        ran = [task for task in tasks if task.status != statuses.DRAFT]
        if len(ran) > 1:
            return _two_ran(batch, ran)
        chosen = next(iter(ran or tasks), None)
        return self._receipt(batch, chosen) if chosen is not None else Receipt()

    async def _delete(self, draft: wire.Task) -> wire.Task | None:
        """Delete a draft; the task, where it was run before it could be deleted."""
        try:
            await self.session.stop("DELETE", _path(draft.id), "tasks/delete")
        except Missing:
            return None
        except Refused:
            task = await self.search.get(draft.id)
            return task if task is not None and task.status != statuses.DRAFT else None
        return None

    def _receipt(self, batch: Batch, task: wire.Task) -> Receipt:
        """What the platform has of a batch of one task. A draft is half of a submission, one with errors its end."""
        mark = read_mark(task.description)
        report = report_of(task, batch.key, seq=mark.seq if mark is not None else None, key=self._key(batch, task))
        refusal = wire.problems(task.errors) if task.status == statuses.DRAFT else None
        if refusal is not None:
            report = msgspec.structs.replace(report, state=ItemState.FAILED, detail=refusal)
        if task.batch and refusal is None:
            report = sent.unended(report)  # its children are still to be found
        more = task.status == statuses.DRAFT and refusal is None
        return Receipt(remote_id=task.id, final=True, items=[report], more=more)

    def _key(self, batch: Batch, task: wire.Task) -> str | None:
        """What names the item: the body says it, as people may rename a task."""
        if read_mark(task.description) is not None:
            return None
        return sent.key_of(self.kind, sent.body_of(batch)) if batch.step == _DRAFT else task.name

    # ------------------------------------------------------------ polls

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        return self.task_polls.of(batches, f"{self.kind.setting}/get")

    async def poll(self, poll: Poll) -> PollResult:
        return await self.task_polls.ask(poll)

    async def abort(self, batch: Batch, item: Item) -> None:
        remote_id = item.remote_id or batch.remote_id
        if remote_id is None:
            raise Refused(f"nothing is known on the platform of item {item.key!r} that could be stopped")
        await self.session.stop("POST", f"{_path(remote_id)}/actions/abort", "tasks/abort")


def _path(task_id: str) -> str:
    return f"/tasks/{quote(task_id, safe='')}"


def _task(answer: Answer) -> wire.Task:
    """The task in the answer to a submission; raises Unconfirmed where the answer cannot be read."""
    with unreadable_is_unconfirmed():
        return read(answer, wire.TASK)


def _two_ran(batch: Batch, tasks: Sequence[wire.Task]) -> Receipt:
    ids = ", ".join(sorted(task.id for task in tasks))
    mark = next(filter(None, (read_mark(task.description) for task in tasks)), None)
    report = ItemReport(
        batch=batch.key,
        stage=stages.TASK,
        state=ItemState.ATTENTION,
        status=None,
        seq=mark.seq if mark is not None else None,
        detail=f"these tasks all carry its mark, and were all run: {ids}. Look there, then `adopt` one of them",
    )
    return Receipt(final=True, items=[report])
