"""A task as JSON."""

from typing import Any

from orchestrator.simulator.sevenbridges.protocol.call import Asked, time_or_none
from orchestrator.simulator.sevenbridges.work.courses import FINAL_TASK
from orchestrator.simulator.sevenbridges.work.task import Task

_CENTS = 42
PASSED_THROUGH = ("description", "batch_by", "batch_input", "execution_settings", "output_location")


def show_task(task: Task, asked: Asked, parent_end: str) -> dict[str, Any]:
    """All fields."""
    status = task.status(asked.at, parent_end)
    ended = status in FINAL_TASK
    return {
        "href": asked.href(f"/tasks/{task.id}"),
        "id": task.id,
        "name": task.name,
        "status": status,
        "project": task.project,
        "app": task.app,
        "type": "v2",
        **{name: task.asked.get(name) for name in PASSED_THROUGH},
        "inputs": task.asked.get("inputs") or {},
        "use_interruptible_instances": task.asked.get("use_interruptible_instances", False),
        "created_by": task.user,
        "executed_by": task.user if task.started is not None else None,
        "created_time": time_or_none(task.wall),
        "start_time": time_or_none(task.wall_at(task.started) if task.started is not None else None),
        "end_time": time_or_none(task.wall_at(task.end(parent_end)) if ended else None),
        "batch": task.batch,
        "batch_group": task.group,
        "parent": task.parent.id if task.parent is not None else None,
        "origin_id": task.origin,
        "errors": [*task.errors, *_failure(task, status)],
        "warnings": [],
        "execution_status": _execution(task, asked.at, status, parent_end),
        "price": {"currency": "USD", "amount": _price(task)} if ended else None,
        "outputs": _outputs(task, status),
    }


def _failure(task: Task, status: str) -> list[dict[str, Any]]:
    if status != "FAILED" or task.batch:
        return []
    return [{"code": 9001, "message": "Task failed: a step of the workflow ended with exit code 1."}]


def _execution(task: Task, at: float, status: str, parent_end: str) -> dict[str, Any]:
    if task.batch:
        counts = task.counts(at, parent_end)
        return {"message": f"{counts['completed']} tasks are completed.", **counts}
    done = 1 if status == "COMPLETED" else 0
    return {"steps_completed": done, "steps_total": 1, "message": status.capitalize(), "account_limit": False}


def _price(task: Task) -> float:
    return sum(_price(child) for child in task.children) if task.batch else _CENTS / 100


def _outputs(task: Task, status: str) -> dict[str, Any]:
    if status != "COMPLETED" or task.batch:
        return {}
    path = task.id.replace("-", "")[:24]
    return {"report": {"class": "File", "path": path, "name": f"{task.name}.html"}}
