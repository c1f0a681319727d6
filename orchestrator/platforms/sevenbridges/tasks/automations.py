"""Runs of automations: created and started by one call, found again by the mark in their names.

A run makes tasks of its own, which are found by its id.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import quote

import msgspec

from orchestrator.domain.errors import Refused
from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import Batch, BatchKey, Item, ItemReport, ItemState, Poll, PollResult, Receipt
from orchestrator.domain.submission import Resend, Submission
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.http.json_bodies import read, unreadable_is_unconfirmed
from orchestrator.platforms.json_objects import facts_of, request_of
from orchestrator.platforms.pages import page_behind
from orchestrator.platforms.prepared import prepared
from orchestrator.platforms.sevenbridges import kinds, stages, statuses, wire
from orchestrator.platforms.sevenbridges.protocol import polls, sent
from orchestrator.platforms.sevenbridges.protocol.listing import pages, step_of
from orchestrator.platforms.sevenbridges.protocol.marks import in_name, without_mark
from orchestrator.platforms.sevenbridges.session import Session
from orchestrator.platforms.sevenbridges.tasks.task_polls import TaskPolls, child_report
from orchestrator.platforms.status_table import state_of

_PATH: Final = "/automation/runs"
_RUN_POLL: Final = "run"
_TASK_POLL: Final = "get"
_MOST_LISTED: Final = 4096
"""Runs of which it is remembered that their tasks were listed after their end; what is forgotten costs a list."""


@dataclass(slots=True)
class Automations:
    """Implements `Work`."""

    session: Session
    page_size: int
    tasks: TaskPolls
    _listed: Bounded[str, bool] = field(default_factory=lambda: Bounded(_MOST_LISTED))

    @property
    def kind(self) -> Kind:
        return kinds.AUTOMATION_RUN

    def compose(self, batch: Batch, items: Sequence[Item]) -> Submission:
        [item] = items
        request = request_of(item)
        return sent.submission(_PATH, {**request, "name": in_name(request["name"], batch.key)}, Resend.FIND_FIRST)

    async def submit(self, batch: Batch) -> Receipt:
        answer = await self.session.submit(prepared(batch), "automation/runs/create")
        with unreadable_is_unconfirmed():
            run = read(answer, wire.RUN)
        return self._receipt(batch, [run])

    async def reconcile(self, batch: Batch) -> Receipt:
        """The run of exactly that name, which no other batch gives."""
        name = sent.body_of(batch)["name"]
        found: dict[str, wire.Run] = {}
        async for page in pages(
            self.session, _PATH, "automation/runs", params={"name": name}, reader=wire.RUNS, size=self.page_size
        ):
            found |= {run.id: run for run in page if run.name == name}
        return self._receipt(batch, list(found.values()))

    def polls(self, batches: Sequence[Batch]) -> Sequence[Poll]:
        setting = self.kind.setting
        runs = [batch for batch in batches if batch.open > batch.found_open]
        return [
            *polls.by_id(runs, f"{setting}/{_RUN_POLL}", {self.kind.stage}, names=1),
            *polls.by_id([batch for batch in batches if batch.found_open], f"{setting}/{_TASK_POLL}", {stages.TASK}),
        ]

    async def poll(self, poll: Poll) -> PollResult:
        if poll.route.endswith(f"/{_TASK_POLL}"):
            return await self.tasks.ask(poll)
        if not poll.named:
            return PollResult(())
        [item] = poll.named
        batch = polls.home_of(poll, item)
        run_id = item.remote_id or (poll.subjects.get(batch) if batch is not None else None)
        if batch is None or run_id is None:
            return PollResult(())
        if poll.cursor is not None:
            return await self._tasks_of(poll, item, batch, run_id)
        answer = await self.session.get(f"{_PATH}/{quote(run_id, safe='')}", "automation/runs/get")
        run = read(answer, wire.RUN)
        report = _report(batch, run, item)
        ended = report.state.final
        if ended and run_id not in self._listed:
            report = msgspec.structs.replace(report, state=ItemState.RUNNING, finished_at=None)
        elif ended or report.state is not ItemState.RUNNING:
            return PollResult([report])
        return PollResult([report], next=replace(poll, cursor=f"{int(ended)}:0", page=1))

    async def abort(self, batch: Batch, item: Item) -> None:
        run_id = item.remote_id or batch.remote_id
        if run_id is None:
            raise Refused(f"nothing is known on the platform of item {item.key!r} that could be stopped")
        await self.session.stop("POST", f"{_PATH}/{quote(run_id, safe='')}/actions/stop", "automation/runs/stop")

    async def _tasks_of(self, poll: Poll, item: Item, batch: BatchKey, run_id: str) -> PollResult:
        ended, _, offset = (poll.cursor or "").partition(":")
        params = {
            "origin_id": run_id,
            "order_by": "created_time",
            "order": "asc",
            "fields": "id,status,name,batch,parent,end_time,errors,execution_status,price,outputs",
            "limit": str(self.page_size),
            "offset": offset,
        }
        page = wire.TASKS.read(await self.session.get("/tasks", "tasks/origin", params), limit=self.page_size)
        reports = [child_report(task, batch, item, ended=ended == "1") for task in page.rows]
        if page.more:
            cursor = f"{ended}:{int(offset) + step_of(self.page_size)}"
            behind = page_behind(poll, cursor, [task.id for task in page.rows])
            if behind is not None:
                return PollResult(reports, next=behind, bad_rows=page.bad_rows)
        if ended == "1":
            self._listed[run_id] = True
        return PollResult(reports, bad_rows=page.bad_rows)

    def _receipt(self, batch: Batch, runs: Sequence[wire.Run]) -> Receipt:
        if not runs:
            return Receipt()
        key = without_mark(sent.body_of(batch)["name"])
        if len(runs) > 1:
            ids = ", ".join(sorted(run.id for run in runs))
            detail = f"these runs all have its name: {ids}. Look there, then `adopt` one of them"
            report = ItemReport(
                batch=batch.key,
                stage=self.kind.stage,
                state=ItemState.ATTENTION,
                status=None,
                key=key,
                detail=detail,
            )
            return Receipt(final=True, items=[report])
        return Receipt(remote_id=runs[0].id, final=True, items=[sent.unended(_report(batch.key, runs[0], key=key))])


def _report(batch: BatchKey, run: wire.Run, item: Item | None = None, *, key: str | None = None) -> ItemReport:
    state, known = state_of(run.status, statuses.RUN)
    return ItemReport(
        batch=batch,
        stage=stages.RUN,
        state=state,
        status=run.status,
        seq=item.seq if item is not None else None,
        key=item.key if item is not None else key,
        remote_id=run.id,
        detail=run.message if state is ItemState.FAILED else None,
        finished_at=wire.moment(run.end_time) if state.final else None,
        known_status=known,
        facts=facts_of(outputs=wire.plain(run.outputs)) if state.final else None,
    )
