"""`GET /tasks`: by project, status, time, parent and origin; there is no filter by name."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from orchestrator.clock import Micros
from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges.api.task_view import show_task
from orchestrator.simulator.sevenbridges.protocol.call import Asked
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, Refusal
from orchestrator.simulator.sevenbridges.protocol.pages import page
from orchestrator.simulator.sevenbridges.protocol.times import Span
from orchestrator.simulator.sevenbridges.work.task import Task
from orchestrator.simulator.sevenbridges.world import World

Filter = Callable[[Task], bool]

_FILTERABLE = frozenset({"QUEUED", "DRAFT", "RUNNING", "COMPLETED", "ABORTED", "ABORTING", "FAILED"})
_BAD_STATUS = 7006
_SUMMARY = ("href", "id", "name", "project")
_ORDERS = ("created_time", "start_time", "name", "end_time", "created_by")


class TaskLists:
    """Lists of tasks. Without `fields` a row holds href, id, name and project alone."""

    def __init__(self, world: World) -> None:
        self._world = world

    def listing(self, asked: Asked) -> Reply:
        """GET /tasks."""
        if wrong := sorted(asked.all_of("status") - _FILTERABLE):
            raise Refusal(BAD_REQUEST, f"Invalid task status: {', '.join(wrong)}", _BAD_STATUS)
        wanted = [*self._visible(asked), *self._filters(asked), *self._time_filters(asked)]
        rows = [task for task in self._world.tasks.values() if all(passes(task) for passes in wanted)]
        return page(asked, self._world, self._sorted(rows, asked), lambda task: self._row(task, asked))

    def _row(self, task: Task, asked: Asked) -> Mapping[str, Any]:
        document = show_task(task, asked, self._world.knobs.parent_end)
        return document if asked.query("fields") else {name: document[name] for name in _SUMMARY}

    def _visible(self, asked: Asked) -> Iterator[Filter]:
        """What a user sees: its own tasks, children only when they are asked for."""
        user, until, parent = asked.user, asked.at - self._world.knobs.list_lag, asked.query("parent")
        yield lambda task: task.user == user and task.created <= until
        if parent is not None:
            yield lambda task: task.parent is not None and task.parent.id == parent
        elif not self._world.knobs.children_listed:
            yield lambda task: task.parent is None

    def _filters(self, asked: Asked) -> Iterator[Filter]:
        project, origin, batch = asked.query("project"), asked.query("origin_id"), asked.flag("batch")
        statuses, at, parent_end = asked.all_of("status"), asked.at, self._world.knobs.parent_end
        if project is not None:
            yield lambda task: task.project == project
        if origin is not None:
            yield lambda task: task.origin == origin
        if batch is not None:
            yield lambda task: task.batch == batch
        if statuses:
            yield lambda task: task.status(at, parent_end) in statuses

    def _time_filters(self, asked: Asked) -> Iterator[Filter]:
        at, knobs = asked.at, self._world.knobs
        moments: Mapping[str, Callable[[Task], Micros | None]] = {
            "created": lambda task: task.wall,
            "started": lambda task: task.wall_at(task.started) if task.started is not None else None,
            "ended": lambda task: task.wall_at(end) if (end := task.end(knobs.parent_end)) <= at else None,
        }
        for name, moment in moments.items():
            span = Span.of(asked.query(f"{name}_from"), asked.query(f"{name}_to"), knobs.time_filter)
            if span is not None:
                yield partial(_within, span, moment)

    def _sorted(self, rows: list[Task], asked: Asked) -> list[Task]:
        order = asked.query("order_by") or "created_time"
        if order not in _ORDERS:
            raise Refusal(BAD_REQUEST, f"Cannot order by {order}")
        keys = {
            "name": lambda task: (task.name, task.number),
            "start_time": lambda task: (task.started or 0.0, task.number),
            "end_time": lambda task: (task.end(self._world.knobs.parent_end), task.number),
            "created_by": lambda task: (task.user, task.number),
        }
        ascending = asked.query("order") == "asc"
        return sorted(rows, key=keys.get(order, lambda task: (task.created, task.number)), reverse=not ascending)


def _within(span: Span, moment: Callable[[Task], Micros | None], task: Task) -> bool:
    return moment(task) in span
