"""Asynchronous jobs that copy, move or delete files: one id for all items, their rows at the end."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges.api.file_view import show_file
from orchestrator.simulator.sevenbridges.protocol.bulk import attempt, in_order, rows_of
from orchestrator.simulator.sevenbridges.protocol.call import Asked, known, time_or_none
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, UNAVAILABLE, Refusal
from orchestrator.simulator.sevenbridges.protocol.pages import page
from orchestrator.simulator.sevenbridges.work import courses
from orchestrator.simulator.sevenbridges.work.naming import Fate, Outcome, fate_of
from orchestrator.simulator.sevenbridges.work.things import File, FileJob
from orchestrator.simulator.sevenbridges.world import World

_NO_JOB, _NO_FILE, _NO_ACCESS = 5030, 5002, 5001
_PAGE = 25
_DAY = 86_400.0


class FileJobs:
    """A job ends with FINISHED, whatever its items come to. What it does to the files is done when it begins."""

    def __init__(self, world: World) -> None:
        self._world = world

    def copy(self, asked: Asked) -> Reply:
        """POST /async/files/copy."""
        return self._start(asked, "COPY", self._copied)

    def move(self, asked: Asked) -> Reply:
        """POST /async/files/move."""
        return self._start(asked, "MOVE", self._moved)

    def delete(self, asked: Asked) -> Reply:
        """POST /async/files/delete."""
        return self._start(asked, "DELETE", self._deleted)

    def get(self, asked: Asked) -> Reply:
        """GET /async/files/{type}/{job}: of its own type alone."""
        job = self._world.jobs.get(asked.ids["job"])
        right = job is not None and job.type == asked.ids["type"].upper() and self._remembered(job, asked)
        return asked.json(self._show(known(job if right else None, "There is no such job.", _NO_JOB), asked))

    def listing(self, asked: Asked) -> Reply:
        """GET /async/files: the user's own, the latest first."""
        rows = [
            job
            for job in reversed(self._world.jobs.values())
            if job.type != "DRS"
            and job.user == asked.user
            and job.created <= asked.at - self._world.knobs.list_lag
            and self._remembered(job, asked)
        ]
        return page(asked, self._world, rows, lambda job: self._show(job, asked), default=_PAGE)

    def _start(
        self, asked: Asked, kind: str, each: Callable[[File, Mapping[str, Any], Asked], Mapping[str, Any]]
    ) -> Reply:
        world = self._world
        items = rows_of(asked, world, "items")
        if not all(isinstance(item, Mapping) and item.get("file") for item in items):
            raise Refusal(BAD_REQUEST, "Every item needs a file.")
        names = [str(item["file"]) for item in items]
        fates = [fate_of(name) for name in names]
        rows = [attempt(lambda item: self._done(item, asked, each), item) for item in items]
        job = FileJob(
            id=world.new_digits(),
            number=len(world.jobs),
            type=kind,
            user=asked.user,
            course=courses.job(asked.now, self._ends(asked.now, names, fates)),
            created=asked.now,
            wall=world.clock.now(),
            rows=in_order(asked, world, rows),
            names={name: "resource" in row for name, row in zip(names, rows, strict=True)},
        )
        world.jobs[job.id] = job
        for name, item in zip(names, items, strict=True):
            world.record(kind.lower(), job.id, str(item.get("project", "")), name, asked.now)
        return asked.json(self._show(job, asked), world.knobs.post_status)

    def _done(
        self,
        item: Mapping[str, Any],
        asked: Asked,
        each: Callable[[File, Mapping[str, Any], Asked], Mapping[str, Any]],
    ) -> Mapping[str, Any]:
        match fate_of(str(item["file"])).outcome:
            case Outcome.FAIL | Outcome.BAD:
                raise Refusal(403, "You have no permission for this file.", _NO_ACCESS)
            case Outcome.BUSY:
                raise Refusal(UNAVAILABLE)
            case Outcome.UNKNOWN:
                file = None
            case _:
                file = self._world.file(str(item["file"]), asked.now)
        return each(known(file, "Requested file does not exist.", _NO_FILE), item, asked)

    def _ends(self, now: float, names: Sequence[str], fates: Sequence[Fate]) -> float:
        if any(fate.outcome is Outcome.STUCK for fate in fates):
            return math.inf
        usual = self._world.knobs.file_job_seconds
        return now + max(self._world.seconds(usual, name, fate) for name, fate in zip(names, fates, strict=True))

    def _copied(self, file: File, item: Mapping[str, Any], asked: Asked) -> Mapping[str, Any]:
        world = self._world
        made = File(
            id=world.new_file_id(),
            name=str(item.get("name") or file.name),
            project=str(item.get("project") or ""),
            parent=item.get("parent"),
            metadata=dict(file.metadata),
            tags=list(file.tags),
            created=asked.now,
            wall=world.clock.now(),
        )
        world.add_file(made)
        return show_file(made, asked)

    def _moved(self, file: File, item: Mapping[str, Any], asked: Asked) -> Mapping[str, Any]:
        file.name = str(item.get("name") or file.name)
        file.project, file.parent = str(item.get("project") or file.project), item.get("parent")
        self._world.add_file(file)
        return show_file(file, asked)

    def _deleted(self, file: File, _: Mapping[str, Any], asked: Asked) -> Mapping[str, Any]:
        file.deleted = asked.now
        return {}

    def _remembered(self, job: FileJob, asked: Asked) -> bool:
        kept = self._world.knobs.file_job_days * _DAY
        return job.course.statuses[-1] != "FINISHED" or asked.now < job.course.instants[-1] + kept

    def _show(self, job: FileJob, asked: Asked) -> dict[str, Any]:
        state = job.course.status(asked.at)
        finished = state == "FINISHED"
        failed = sum("error" in row for row in job.rows)
        return {
            "href": asked.href(f"/async/files/{job.type.lower()}/{job.id}"),
            "id": job.id,
            "type": job.type,
            "state": state,
            "result": job.rows if finished else None,
            "total_files": len(job.rows),
            "failed_files": failed if finished else 0,
            "completed_files": len(job.rows) - failed if finished else 0,
            "started_on": time_or_none(job.wall),
            "finished_on": time_or_none(job.wall_at(job.course.instants[-1]) if finished else None),
        }
