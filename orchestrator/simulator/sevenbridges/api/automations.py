"""Automation runs: created and started in one call, stopped, listed by name; they make tasks of their own."""

from collections.abc import Mapping
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges.api.tasks import Tasks
from orchestrator.simulator.sevenbridges.api.transfers import refuse_by_name
from orchestrator.simulator.sevenbridges.protocol.call import Asked, known, time_or_none
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, Refusal
from orchestrator.simulator.sevenbridges.protocol.pages import page
from orchestrator.simulator.sevenbridges.protocol.times import Span
from orchestrator.simulator.sevenbridges.work import courses
from orchestrator.simulator.sevenbridges.work.naming import fate_of
from orchestrator.simulator.sevenbridges.work.task import Task
from orchestrator.simulator.sevenbridges.work.things import AutomationRun
from orchestrator.simulator.sevenbridges.world import World

_NO_RUN, _WRONG_STATE, _NO_PACKAGE = 15002, 15003, 15001


class Automations:
    """Runs of automations, and the tasks that they make once they are RUNNING."""

    def __init__(self, world: World, tasks: Tasks) -> None:
        self._world = world
        self._tasks = tasks

    def create(self, asked: Asked) -> Reply:
        """POST /automation/runs."""
        world, body = self._world, asked.body()
        if not body.get("package"):
            raise Refusal(BAD_REQUEST, "package is needed.", _NO_PACKAGE)
        name = str(body.get("name") or f"Run {len(world.runs) + 1}")
        fate = fate_of(name)
        refuse_by_name(fate, str(body["package"]))
        inputs = body.get("inputs")
        project = inputs.get("project") if isinstance(inputs, Mapping) else None
        run = AutomationRun(
            id=world.new_id(),
            number=len(world.runs),
            name=name,
            user=asked.user,
            project=str(project or ""),
            asked=body,
            course=courses.automation_run(asked.now, world.seconds(world.knobs.automation_seconds, name, fate), fate),
            created=asked.now,
            wall=world.clock.now(),
        )
        world.runs[run.id] = run
        world.record("automation_run", run.id, run.project, name, asked.now)
        self._make_tasks(run)
        return asked.json(self._show(run, asked), world.knobs.post_status)

    def get(self, asked: Asked) -> Reply:
        """GET /automation/runs/{run}."""
        return asked.json(self._show(self._find(asked), asked))

    def listing(self, asked: Asked) -> Reply:
        """GET /automation/runs: the latest first; `name` is compared whole."""
        rows = [run for run in reversed(self._world.runs.values()) if self._wanted(run, asked)]
        return page(asked, self._world, rows, lambda run: self._show(run, asked))

    def stop(self, asked: Asked) -> Reply:
        """POST /automation/runs/{run}/actions/stop: answers 200 with the run."""
        world, run = self._world, self._find(asked)
        if courses.ended(run.course, asked.now):
            raise Refusal(BAD_REQUEST, "The run has ended.", _WRONG_STATE)
        world.record("stop", run.id, run.project, run.name, asked.now)
        if run.course.status(asked.now) != "QUEUED_FOR_TERMINATION":
            run.course = courses.stopped(run.course, asked.now, world.knobs.abort_seconds, "QUEUED_FOR_TERMINATION")
        for task in run.tasks:
            if task.exists(asked.now):
                self._tasks.stop(task, asked.now)
            else:
                world.tasks.pop(task.id, None)
        run.tasks = [task for task in run.tasks if task.exists(asked.now)]
        return asked.json(self._show(run, asked))

    def _make_tasks(self, run: AutomationRun) -> None:
        world, begins = self._world, run.course.since("RUNNING")
        for number in range(1, world.knobs.automation_tasks + 1 if begins is not None else 0):
            name = f"{run.name} {number}"
            fate = fate_of(run.name)
            started = begins or 0.0
            task = Task(
                id=world.new_id(),
                number=len(world.tasks),
                user=run.user,
                name=name,
                project=run.project,
                app=str(run.asked["package"]),
                asked={},
                fate=fate,
                created=started,
                wall=world.wall_at(started),
                origin=run.id,
                started=started,
                course=courses.task(started, world.seconds(world.knobs.automation_seconds / 2, name, fate), fate),
            )
            world.tasks[task.id] = task
            run.tasks.append(task)

    def _wanted(self, run: AutomationRun, asked: Asked) -> bool:
        knobs, statuses = self._world.knobs, asked.all_of("status")
        created = Span.of(asked.query("created_from"), asked.query("created_to"), knobs.time_filter)
        return (
            run.user == asked.user
            and run.created <= asked.at - knobs.list_lag
            and asked.query("name") in (None, run.name)
            and asked.query("package_id") in (None, str(run.asked["package"]))
            and asked.query("project_id") in (None, run.project)
            and (not statuses or run.course.status(asked.at) in statuses)
            and (created is None or run.wall in created)
        )

    def _find(self, asked: Asked) -> AutomationRun:
        return known(self._world.runs.get(asked.ids["run"]), "There is no such automation run.", _NO_RUN)

    def _show(self, run: AutomationRun, asked: Asked) -> dict[str, Any]:
        status, began = run.course.status(asked.at), run.course.since("RUNNING")
        ended = courses.ended(run.course, asked.at)
        return {
            "href": asked.href(f"/automation/runs/{run.id}"),
            "id": run.id,
            "name": run.name,
            "status": status,
            "package": {"id": str(run.asked["package"])},
            "inputs": run.asked.get("inputs") or {},
            "outputs": {"report": "done"} if status == "FINISHED" else {},
            "settings": run.asked.get("settings") or {},
            "memory_limit": run.asked.get("memory_limit"),
            "project_id": run.project,
            "created_by": run.user,
            "created_on": time_or_none(run.wall),
            "start_time": time_or_none(run.wall_at(began) if began is not None and began <= asked.at else None),
            "end_time": time_or_none(run.wall_at(run.course.instants[-1]) if ended else None),
            "message": "The run failed." if status == "FAILED" else None,
            "execution_details": {},
            "resumed_from": None,
        }
