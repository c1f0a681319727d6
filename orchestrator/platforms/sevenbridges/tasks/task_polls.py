"""Polls of tasks: a hundred by their ids in a request, and the children of batch tasks and automation runs by lists.

A batch task ends after its children: its own last status is reported once as many children are known as it counts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from orchestrator.clock import Clock
from orchestrator.domain.model import CREATION, Batch, BatchKey, Item, ItemReport, ItemState, Poll, PollResult
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.json_objects import facts_of
from orchestrator.platforms.pages import page_behind
from orchestrator.platforms.sevenbridges import stages, statuses, wire
from orchestrator.platforms.sevenbridges.protocol import polls, sent
from orchestrator.platforms.sevenbridges.protocol.listing import step_of
from orchestrator.platforms.sevenbridges.session import Session
from orchestrator.platforms.status_table import state_of

_FIELDS: Final = (
    "id",
    "status",
    "name",
    "batch",
    "parent",
    "end_time",
    "errors",
    "execution_status",
    "price",
    "outputs",
)
_BULK_FIELDS: Final = ",".join(f"resource.{field}" for field in _FIELDS)
_COUNTS: Final = ("queued", "running", "completed", "failed", "aborted")
"""The children of a batch task by status, in its `execution_status`."""
_MOST_LISTED: Final = 4096
"""Parents of which it is remembered that their children were listed; what is forgotten costs a list."""
_LISTS: Final = 3
"""Lists of an ended parent's children, after which rows that come and go are waited for no longer."""
_LIST_LAG: Final = 3600.0
"""Seconds after which children that the parent counts, and no list shows, are waited for no longer."""


@dataclass(frozen=True, slots=True)
class _Lists:
    """The lists of an ended parent's children."""

    since: float
    """When the first one was read, on the monotonic clock."""
    times: int = 0
    rows: int = 0
    """Of the last one."""


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """Where among the lists of children a request is."""

    parent: int
    """In `named`."""
    offset: int = 0
    ended: bool = False
    """Whether the parent's own status is final."""


_PLACE: Final = msgspec.json.Decoder(list[_Place])


class TaskPolls:
    """Asks about tasks of one account."""

    def __init__(self, session: Session, page_size: int, clock: Clock) -> None:
        self._session = session
        self._page_size = page_size
        self._clock = clock
        self._listed: Bounded[str, _Lists] = Bounded(_MOST_LISTED)
        """Of parents that ended."""

    def of(self, batches: Sequence[Batch], route: str) -> Sequence[Poll]:
        """The polls of these batches, one of their tasks each or found below a run."""
        return polls.by_id(batches, route, {CREATION, stages.TASK})

    async def ask(self, poll: Poll) -> PollResult:
        """One request of a poll: a bulk read, or a page of children."""
        if poll.cursor is not None:
            return await self._children(poll, _PLACE.decode(poll.cursor))
        named = {task_id: item for item in poll.named if (task_id := _id_of(poll, item)) is not None}
        if not named:
            return PollResult(())
        answer = await self._session.ask(
            "/bulk/tasks/get", "bulk/tasks/get", {"task_ids": list(named)}, {"fields": _BULK_FIELDS}
        )
        rows = wire.TASK_ROWS.read(answer)
        tasks = [row.resource for row in rows if row.resource is not None and row.resource.id in named]
        reports, parents = [], []
        for task in tasks:
            item = named[task.id]
            batch = polls.home_of(poll, item)
            if batch is None:
                continue
            report = report_of(task, batch, seq=item.seq, key=item.key)
            if task.batch and self._has_unknown_children(task, item, report):
                parents.append(_Place(poll.named.index(item), ended=report.state.final))
                report = sent.unended(report)
            reports.append(report)
        bad = sum(row.resource is None and row.error is None for row in rows)
        return PollResult(reports, next=_to_children(poll, parents), bad_rows=bad)

    # ------------------------------------------------------------ children

    def _has_unknown_children(self, task: wire.Task, parent: Item, report: ItemReport) -> bool:
        counted = sum(_counts(task).values())
        if not report.state.final:
            return counted > parent.found
        lists = self._listed.get(task.id)
        if lists is None:
            return True
        if lists.times < _LISTS:
            return max(counted, lists.rows) > parent.found
        return counted > parent.found and self._clock.monotonic() - lists.since < _LIST_LAG

    async def _children(self, poll: Poll, places: Sequence[_Place]) -> PollResult:
        place, *others = places
        parent = poll.named[place.parent]
        batch, task_id = polls.home_of(poll, parent), _id_of(poll, parent)
        if batch is None or task_id is None:
            return PollResult((), next=_to_children(poll, others))
        params = {
            "parent": task_id,
            "order_by": "created_time",
            "order": "asc",
            "fields": ",".join(_FIELDS),
            "limit": str(self._page_size),
            "offset": str(place.offset),
        }
        page = wire.TASKS.read(await self._session.get("/tasks", "tasks/children", params), limit=self._page_size)
        reports = [child_report(child, batch, parent, ended=place.ended) for child in page.rows]
        if page.more:
            behind = msgspec.structs.replace(place, offset=place.offset + step_of(self._page_size))
            following = page_behind(poll, _cursor([behind, *others]), (task_id, *(child.id for child in page.rows)))
            if following is not None:
                return PollResult(reports, next=following, bad_rows=page.bad_rows)
        if place.ended:
            lists = self._listed.get(task_id) or _Lists(self._clock.monotonic())
            self._listed[task_id] = replace(lists, times=lists.times + 1, rows=place.offset + len(page.rows))
        return PollResult(reports, next=_to_children(poll, others), bad_rows=page.bad_rows)


def report_of(task: wire.Task, batch: BatchKey, *, seq: int | None = None, key: str | None = None) -> ItemReport:
    """What the platform says of a task."""
    status = task.status or "?"
    state, known = _state(task, status)
    execution = wire.plain(task.execution_status)
    message = execution.get("message") if isinstance(execution, Mapping) else None
    failed = state in {ItemState.FAILED, ItemState.PARTIAL}
    return ItemReport(
        batch=batch,
        stage=stages.TASK if task.status != statuses.DRAFT else CREATION,
        state=state,
        status=status,
        seq=seq,
        key=key,
        remote_id=task.id,
        detail=(wire.problems(task.errors) or (str(message) if message else None)) if failed else None,
        finished_at=wire.moment(task.end_time) if state.final else None,
        known_status=known,
        facts=facts_of(
            execution_status=execution,
            price=wire.plain(task.price) if state.final else None,
            outputs=wire.plain(task.outputs) if state.final else None,
        ),
    )


def child_report(task: wire.Task, batch: BatchKey, parent: Item, *, ended: bool) -> ItemReport:
    """What a list says of a task below an item. What was never run has ended once the parent `ended`."""
    report = msgspec.structs.replace(report_of(task, batch, key=task.id), stage=stages.TASK, parent=parent.seq)
    if ended and task.status == statuses.DRAFT:
        return msgspec.structs.replace(report, state=ItemState.CANCELLED, detail="never run: what it belongs to ended")
    return report


def _state(task: wire.Task, status: str) -> tuple[ItemState, bool]:
    """By the table; a batch task that ended by what became of its children, where it counts them."""
    state, known = state_of(status, statuses.TASK)
    counts = _counts(task)
    total = sum(counts.values())
    if not task.batch or not total or state not in {ItemState.SUCCEEDED, ItemState.FAILED}:
        return state, known
    if counts["completed"] == total:
        return ItemState.SUCCEEDED, known
    return (ItemState.PARTIAL if counts["completed"] else ItemState.FAILED), known


def _counts(task: wire.Task) -> Mapping[str, int]:
    execution = wire.plain(task.execution_status)
    if not isinstance(execution, Mapping):
        return dict.fromkeys(_COUNTS, 0)
    return {name: value if isinstance(value := execution.get(name), int) else 0 for name in _COUNTS}


def _to_children(poll: Poll, places: Sequence[_Place]) -> Poll | None:
    if not places:
        return None
    return replace(poll, cursor=_cursor(places), page=poll.page + 1)


def _cursor(places: Sequence[_Place]) -> str:
    return msgspec.json.encode(places).decode()


def _id_of(poll: Poll, item: Item) -> str | None:
    """The id of an item's task; of an adopted batch of one it is the batch's."""
    if item.remote_id is not None or item.parent is not None:
        return item.remote_id
    key = polls.home_of(poll, item)
    return poll.subjects.get(key) if key is not None else None
