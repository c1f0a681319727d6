"""Tasks: drafted, run, aborted, deleted, read one by one and in bulk."""

import uuid
from collections.abc import Mapping
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.outcomes.timeline import Timeline
from orchestrator.simulator.sevenbridges.api.batch_tasks import bear_children, check_batch
from orchestrator.simulator.sevenbridges.api.task_view import show_task
from orchestrator.simulator.sevenbridges.protocol.bulk import bulk, rows_of
from orchestrator.simulator.sevenbridges.protocol.call import Asked, known
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, NOT_FOUND, UNAVAILABLE, Refusal
from orchestrator.simulator.sevenbridges.work import courses
from orchestrator.simulator.sevenbridges.work.naming import Fate, Outcome, fate_of
from orchestrator.simulator.sevenbridges.work.task import Task
from orchestrator.simulator.sevenbridges.world import World

_NOT_THERE, _NOT_A_UUID, _NOT_A_DRAFT, _NOT_RUNNING, _INVALID, _NO_APP = 7002, 7005, 7007, 7011, 7024, 6002
_ABORTABLE = frozenset({"CREATING", "QUEUED", "RUNNING", courses.UNKNOWN_STATUS})
_NEEDED = ("name", "project", "app")


class Tasks:
    """What can be done to tasks."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create(self, asked: Asked) -> Reply:
        """POST /tasks: a draft; with `action=run` it is run at once."""
        body = asked.body()
        for name in _NEEDED:
            if not isinstance(body.get(name), str) or not body[name]:
                raise Refusal(BAD_REQUEST, f"Task field {name} is missing.", 7001)
        fate = fate_of(body["name"])
        if fate.outcome is Outcome.BAD:
            raise Refusal(BAD_REQUEST, "Task inputs are not valid.", 7008)
        if fate.outcome is Outcome.BUSY:
            raise Refusal(UNAVAILABLE)
        if fate.outcome is Outcome.UNKNOWN:
            raise Refusal(NOT_FOUND, f"App {body['app']} does not exist.", _NO_APP)
        batch = bool(body.get("batch_by")) and asked.flag("batch") is not False
        if batch:
            check_batch(body)
        task = self._draft(asked, body, fate, batch=batch)
        if asked.query("action") == "run" or asked.flag("run"):
            self._run(asked, task)
        return asked.json(self._shown(task, asked), self._world.knobs.post_status)

    def get(self, asked: Asked) -> Reply:
        """GET /tasks/{task}."""
        return asked.json(self._shown(self._find(asked.ids["task"], asked.at), asked))

    def bulk_get(self, asked: Asked) -> Reply:
        """POST /bulk/tasks/get."""
        rows = rows_of(asked, self._world, "task_ids")
        return bulk(asked, self._world, rows, lambda row: self._shown(self._find(str(row), asked.at), asked))

    def run(self, asked: Asked) -> Reply:
        """POST /tasks/{task}/actions/run: of a draft alone."""
        task = self._find(asked.ids["task"], asked.now)
        if task.started is not None:
            raise Refusal(BAD_REQUEST, "Only tasks in DRAFT status can be run.", _NOT_A_DRAFT)
        if asked.flag("batch") is False:
            task.batch = False
        if task.fate.outcome is Outcome.INVALID and self._world.knobs.invalid_run == "refuse":
            raise Refusal(BAD_REQUEST, "The task cannot be run: it has validation errors.", _INVALID)
        self._run(asked, task)
        return asked.json(self._shown(task, asked))

    def abort(self, asked: Asked) -> Reply:
        """POST /tasks/{task}/actions/abort."""
        world, task = self._world, self._find(asked.ids["task"], asked.now)
        if task.status(asked.now, world.knobs.parent_end) not in _ABORTABLE:
            raise Refusal(BAD_REQUEST, "Only tasks in CREATING, RUNNING or QUEUED status can be aborted.", _NOT_RUNNING)
        world.record("abort", task.id, task.project, task.name, asked.now)
        self.stop(task, asked.now)
        return asked.json(self._shown(task, asked))

    def delete(self, asked: Asked) -> Reply:
        """DELETE /tasks/{task}: of a draft alone."""
        task = self._find(asked.ids["task"], asked.now)
        if task.started is not None:
            raise Refusal(BAD_REQUEST, "Only tasks in DRAFT status can be deleted.", _NOT_A_DRAFT)
        self._world.record("draft_deleted", task.id, task.project, task.name, asked.now)
        del self._world.tasks[task.id]
        return Reply(204)

    def stop(self, task: Task, now: float) -> None:
        """Abort a task, and its children that have not ended."""
        knobs = self._world.knobs
        if task.course is None or task.status(now, knobs.parent_end) not in _ABORTABLE:
            return
        task.course = courses.stopped(task.course, now, knobs.abort_seconds, "ABORTING")
        for child in task.children:
            self.stop(child, now)

    def _draft(self, asked: Asked, body: Mapping[str, Any], fate: Fate, *, batch: bool) -> Task:
        world = self._world
        task = Task(
            id=world.new_id(),
            number=len(world.tasks),
            user=asked.user,
            name=body["name"],
            project=body["project"],
            app=body["app"],
            asked=body,
            fate=fate,
            created=asked.now,
            wall=world.clock.now(),
            batch=batch,
        )
        world.tasks[task.id] = task
        world.record("draft", task.id, task.project, task.name, asked.now)
        return task

    def _run(self, asked: Asked, task: Task) -> None:
        world, now = self._world, asked.now
        if task.fate.outcome is Outcome.INVALID:
            task.errors = [{"code": 7012, "message": "Required input 'reference' is missing."}]
            return
        world.record("run", task.id, task.project, task.name, now)
        task.started = now
        if not task.batch:
            task.course = courses.task(now, world.seconds(world.knobs.task_seconds, task.name, task.fate), task.fate)
            return
        created = now + world.knobs.creating_seconds
        task.course = Timeline((now, created), ("CREATING", "QUEUED"))
        bear_children(world, task, created)

    def _find(self, task_id: str, now: float) -> Task:
        try:
            uuid.UUID(task_id)
        except ValueError:
            raise Refusal(BAD_REQUEST, f"Task id {task_id} is not a UUID.", _NOT_A_UUID) from None
        task = self._world.tasks.get(task_id)
        there = task is not None and task.exists(max(now, self._world.clock.monotonic()))
        return known(task if there else None, "Requested task does not exist.", _NOT_THERE)

    def _shown(self, task: Task, asked: Asked) -> dict[str, Any]:
        return show_task(task, asked, self._world.knobs.parent_end)
