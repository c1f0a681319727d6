"""`GET /tasks`: by project, status, time, parent and origin; there is no filter by name."""

from collections.abc import Mapping
from typing import Any

from orchestrator.clock import Micros
from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges.api.task_view import show_task
from orchestrator.simulator.sevenbridges.protocol.call import Asked
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, Refusal
from orchestrator.simulator.sevenbridges.protocol.pages import page
from orchestrator.simulator.sevenbridges.protocol.times import within
from orchestrator.simulator.sevenbridges.work.task import Task
from orchestrator.simulator.sevenbridges.world import World

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
        rows = [task for task in self._world.tasks.values() if self._wanted(task, asked)]
        return page(asked, self._world, self._sorted(rows, asked), lambda task: self._row(task, asked))

    def _row(self, task: Task, asked: Asked) -> Mapping[str, Any]:
        document = show_task(task, asked, self._world.knobs.parent_end)
        return document if asked.query("fields") else {name: document[name] for name in _SUMMARY}

    def _wanted(self, task: Task, asked: Asked) -> bool:
        knobs, parent = self._world.knobs, asked.query("parent")
        if task.user != asked.user or not task.exists(asked.at - knobs.list_lag):
            return False
        if parent is not None:
            if task.parent is None or task.parent.id != parent:
                return False
        elif task.parent is not None and not knobs.children_listed:
            return False
        statuses, batch = asked.all_of("status"), asked.flag("batch")
        return (
            asked.query("project") in (None, task.project)
            and asked.query("origin_id") in (None, task.origin)
            and batch in (None, task.batch)
            and (not statuses or task.status(asked.at, knobs.parent_end) in statuses)
            and self._in_time(task, asked)
        )

    def _in_time(self, task: Task, asked: Asked) -> bool:
        precision = self._world.knobs.time_filter
        return all(
            within(moment, asked.query(f"{name}_from"), asked.query(f"{name}_to"), precision)
            for name, moment in self._times(task, asked.at).items()
        )

    def _times(self, task: Task, at: float) -> Mapping[str, Micros | None]:
        end = task.end(self._world.knobs.parent_end)
        return {
            "created": task.wall,
            "started": task.wall_at(task.started) if task.started is not None else None,
            "ended": task.wall_at(end) if end <= at else None,
        }

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
