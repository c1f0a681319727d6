"""Import jobs: the same links once more are a conflict that names the job; stopped and failed ones may be restarted."""

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.odm.protocol.call import Asked, json
from orchestrator.simulator.odm.protocol.errors import BAD_REQUEST, CONFLICT, NOT_FOUND, Refusal
from orchestrator.simulator.odm.protocol.times import of_job
from orchestrator.simulator.odm.work import courses
from orchestrator.simulator.odm.work.naming import Outcome, fate_of
from orchestrator.simulator.odm.work.objects import Execution, Instance
from orchestrator.simulator.odm.world import World
from orchestrator.simulator.outcomes.timeline import Timeline

NEEDED = {
    "study": "metadataLink",
    "samples": "metadataLink",
    "libraries": "metadataLink",
    "preparations": "metadataLink",
    "expression": "dataLink",
    "variant": "dataLink",
    "flow-cytometry": "dataLink",
    "cells": "dataLink",
    "file": "dataLink",
}
"""The nine types, and the link that each cannot do without."""


class ImportJobs:
    """Starts import jobs, and runs them again."""

    def __init__(self, world: World) -> None:
        self._world = world

    def start(self, asked: Asked) -> Reply:
        """POST /api/v1/jobs/import/{type}."""
        world, what, body = self._world, asked.ids["type"], asked.body()
        if what not in NEEDED:
            raise Refusal(NOT_FOUND)
        if not body.get(NEEDED[what]):
            raise Refusal(BAD_REQUEST, f"{NEEDED[what]} is required")
        name = str(body.get("dataLink") or body.get("metadataLink"))
        if fate_of(name).outcome is Outcome.BAD:
            raise Refusal(BAD_REQUEST, f"{name} cannot be read")
        links = (what, str(body.get("dataLink", "")), str(body.get("metadataLink", "")))
        instance = world.instances.setdefault(links, Instance())
        if instance.executions and not asked.flag("allow_dups"):
            self._refuse_repeat(instance, body, asked.now)
        execution = self._run(instance, what, name, body, asked)
        world.record("import", str(execution.id), name, asked.now)
        return json(self._show(execution, asked.now))

    def info(self, asked: Asked) -> Reply:
        """GET /api/v1/jobs/{job}/info."""
        return json(self._show(self._find(asked), asked.at))

    def output(self, asked: Asked) -> Reply:
        """GET /api/v1/jobs/{job}/output: a result once it is COMPLETED, errors once it is FAILED."""
        execution = self._find(asked)
        status = self._status(execution, asked.at)
        result = errors = None
        if status == "COMPLETED":
            result = {"accession" if execution.type == "study" else "groupAccession": execution.accession}
        elif status == "FAILED":
            stack = [{"type": "ImportException", "message": f"{execution.name} has no header"}]
            errors = [{"stage": "parse", "stack": stack}]
        return json({"status": status, "result": result, "errors": errors})

    def restart(self, asked: Asked) -> Reply:
        """PUT /api/v1/jobs/{job}/restart: the latest execution of an import, once it has ended other than well."""
        world, execution = self._world, self._find(asked)
        instance = self._instance_of(execution)
        latest = instance.executions[-1]
        if latest is not execution or execution.course.status(asked.now) not in courses.ENDED_BADLY:
            raise Refusal(CONFLICT, f"job execution {execution.id} cannot be restarted")
        before = self._show(execution, asked.now)
        if world.knobs.restart_id == "same":
            execution.course = self._course(execution.name, asked.now, again=True)
            again = execution
        else:
            again = self._run(instance, execution.type, execution.name, execution.asked, asked)
        world.record("restart", str(again.id), execution.name, asked.now)
        shown = self._show(again, asked.now)
        return json({**before, "jobExecId": again.id} if world.knobs.restart_answer == "stale" else shown)

    def stop(self, asked: Asked) -> Reply:
        """PUT /api/v1/jobs/{job}/stop."""
        world, execution = self._world, self._find(asked)
        status = execution.course.status(asked.now)
        if status in courses.FINAL_JOB:
            raise Refusal(CONFLICT, f"job execution {execution.id} is not running")
        world.record("stop", str(execution.id), execution.name, asked.now)
        if status != "STOPPING":
            execution.course = courses.stopped(execution.course, asked.now, world.knobs.stop_seconds)
        return json(self._show(execution, asked.now))

    # ------------------------------------------------------------ inside

    def _refuse_repeat(self, instance: Instance, body: Mapping[str, Any], now: float) -> None:
        knobs, latest = self._world.knobs, instance.executions[-1]
        if knobs.failed_again == "new" and latest.course.status(now) in courses.ENDED_BADLY:
            return
        parameters = ", ".join(f"{name}={value}" for name, value in body.items())
        message = f"job instance already exists for parameters {{{parameters}}}"
        if knobs.conflict_names != "nobody":
            named = latest if knobs.conflict_names == "latest" else instance.executions[0]
            message += f", jobExecId={named.id}"
        raise Refusal(CONFLICT, message)

    def _run(self, instance: Instance, what: str, name: str, body: Mapping[str, Any], asked: Asked) -> Execution:
        world = self._world
        execution = Execution(
            id=world.new_job_id(),
            type=what,
            name=name,
            user=asked.user,
            fate=fate_of(name),
            asked=body,
            accession=world.new_accession(),
            course=self._course(name, asked.now, again=bool(instance.executions)),
            created=asked.now,
            wall=world.clock.now(),
        )
        instance.executions.append(execution)
        world.executions[execution.id] = execution
        return execution

    def _course(self, name: str, now: float, *, again: bool) -> Timeline:
        world, fate = self._world, fate_of(name)
        return courses.job(now, world.seconds(world.knobs.import_seconds, name, fate), fate, again=again)

    def _instance_of(self, execution: Execution) -> Instance:
        return next(each for each in self._world.instances.values() if execution in each.executions)

    def _find(self, asked: Asked) -> Execution:
        job = asked.ids["job"]
        execution = self._world.executions.get(int(job)) if job.isdecimal() else None
        if execution is None:
            raise Refusal(NOT_FOUND)
        return execution

    def _status(self, execution: Execution, at: float) -> str:
        status = execution.course.status(at)
        return self._world.knobs.running_word if status == "RUNNING" else status

    def _show(self, execution: Execution, at: float) -> dict[str, Any]:
        ends, written = courses.end_of(execution.course, courses.FINAL_JOB), self._world.knobs.job_times
        return {
            "jobExecId": execution.id,
            "startedBy": f"{execution.user}@example.org",
            "jobName": f"IMPORT_{execution.type.upper()}",
            "status": self._status(execution, at),
            "createTime": of_job(execution.wall, written),
            "endTime": of_job(execution.wall_at(ends) if ends != math.inf and ends <= at else None, written),
        }
