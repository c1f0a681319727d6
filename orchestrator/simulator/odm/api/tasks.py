"""Tasks: what publishing makes, and any other."""

import math
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.odm.protocol.call import Asked, json
from orchestrator.simulator.odm.protocol.errors import NOT_FOUND, Refusal
from orchestrator.simulator.odm.protocol.times import of_task
from orchestrator.simulator.odm.work import courses
from orchestrator.simulator.odm.work.naming import Outcome, fate_of
from orchestrator.simulator.odm.work.objects import Task
from orchestrator.simulator.odm.world import World


class Tasks:
    """Reads tasks. One that nobody here has started is taken as begun when it is first asked for."""

    def __init__(self, world: World) -> None:
        self._world = world

    def get(self, asked: Asked) -> Reply:
        """GET /api/v1/tasks/{task}."""
        world, task_id = self._world, asked.ids["task"]
        task = world.tasks.get(task_id)
        if task is None:
            fate = fate_of(task_id)
            if fate.outcome is Outcome.UNKNOWN:
                raise Refusal(NOT_FOUND)
            seconds = world.seconds(world.knobs.publish_seconds, task_id, fate)
            task = world.add_task(
                "A task of somebody", "somebody", courses.task(asked.now, seconds, fate), asked.now, task_id
            )
        return json(show_task(task, world, asked.at))


def show_task(task: Task, world: World, at: float) -> dict[str, Any]:
    """The TaskInfo at an instant. What is blocked for good has an end, what is blocked for a while has none."""
    began, ends = task.course.since("RUNNING"), courses.end_of(task.course, courses.FINAL_TASK)
    written = world.knobs.task_times
    return {
        "id": task.id,
        "name": task.name,
        "status": task.course.status(at),
        "application": "publisher",
        "startedAt": of_task(task.wall_at(began) if began is not None and began <= at else None, written),
        "endedAt": of_task(task.wall_at(ends) if ends != math.inf and ends <= at else None, written),
        "createdBy": task.user,
    }
