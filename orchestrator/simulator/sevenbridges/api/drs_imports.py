"""DRS imports: one job for up to a hundred files, taken up at a fixed pace; there is no list of them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.sevenbridges.api.file_view import show_file
from orchestrator.simulator.sevenbridges.protocol.bulk import attempt, in_order, rows_of
from orchestrator.simulator.sevenbridges.protocol.call import Asked, known, time_or_none
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, UNAVAILABLE, Refusal
from orchestrator.simulator.sevenbridges.work import courses
from orchestrator.simulator.sevenbridges.work.naming import Outcome, fate_of
from orchestrator.simulator.sevenbridges.work.things import File, FileJob
from orchestrator.simulator.sevenbridges.world import World

_NO_JOB, _BAD_ITEM, _NO_OBJECT = 5030, 5014, 5003
_RESOLUTIONS = frozenset({"SKIP", "OVERWRITE", "RENAME"})


class DrsImports:
    """`conflict_resolution`: SKIP answers with the file that is there, OVERWRITE and RENAME make another one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pace: dict[str, tuple[float, int]] = {}
        """When the present window of each user began, and the files that it has taken up."""

    def create(self, asked: Asked) -> Reply:
        """POST /bulk/drs/imports/create."""
        world, body = self._world, asked.body()
        items = rows_of(asked, world, "items")
        resolution = body.get("conflict_resolution") or "SKIP"
        if resolution not in _RESOLUTIONS:
            raise Refusal(BAD_REQUEST, f"Invalid conflict resolution: {resolution}")
        if not all(isinstance(item, Mapping) and item.get("drs_uri") for item in items):
            raise Refusal(BAD_REQUEST, "Every item needs a drs_uri.")
        ends = self._ends(asked, [str(item["drs_uri"]) for item in items])
        tags = [str(tag) for tag in body.get("tags") or ()]
        made = [attempt(lambda item: self._file(item, tags, resolution, ends, asked), item) for item in items]
        job = FileJob(
            id=world.new_digits(),
            number=len(world.jobs),
            type="DRS",
            user=asked.user,
            course=courses.job(asked.now, ends),
            created=asked.now,
            wall=world.clock.now(),
            rows=in_order(asked, world, made),
            names={str(item["drs_uri"]): "resource" in row for item, row in zip(items, made, strict=True)},
        )
        world.jobs[job.id] = job
        for item in items:
            project = str(item.get("project", ""))
            world.record("drs_import", job.id, project, str(item["drs_uri"]), asked.now, *tags)
        return asked.json(self._show(job, asked), world.knobs.post_status)

    def get(self, asked: Asked) -> Reply:
        """GET /bulk/drs/imports/{job}."""
        job = self._world.jobs.get(asked.ids["job"])
        right = job is not None and job.type == "DRS"
        return asked.json(self._show(known(job if right else None, "There is no such import.", _NO_JOB), asked))

    def _ends(self, asked: Asked, uris: Sequence[str]) -> float:
        """When the last file has been taken up and imported; infinity where one never ends."""
        knobs = self._world.knobs
        begins, taken = self._pace.get(asked.user, (asked.now, 0))
        if asked.now >= begins + knobs.drs_per:
            begins, taken = asked.now, 0
        for _ in uris:
            if taken >= knobs.drs_files:
                begins, taken = begins + knobs.drs_per, 0
            taken += 1
        self._pace[asked.user] = begins, taken
        fates = [fate_of(uri) for uri in uris]
        if any(fate.outcome is Outcome.STUCK for fate in fates):
            return math.inf
        longest = max(self._world.seconds(knobs.drs_seconds, uri, fate) for uri, fate in zip(uris, fates, strict=True))
        return max(asked.now, begins) + longest

    def _file(
        self, item: Mapping[str, Any], tags: Sequence[str], resolution: str, ends: float, asked: Asked
    ) -> Mapping[str, Any]:
        world, uri = self._world, str(item["drs_uri"])
        match fate_of(uri).outcome:
            case Outcome.BAD:
                raise Refusal(BAD_REQUEST, f"{uri} is not valid.", _BAD_ITEM)
            case Outcome.BUSY:
                raise Refusal(UNAVAILABLE)
            case Outcome.FAIL | Outcome.UNKNOWN:
                raise Refusal(404, f"{uri} could not be resolved.", _NO_OBJECT)
            case _:
                pass
        name, project, parent = str(item.get("name") or uri.rpartition("/")[2]), item.get("project"), item.get("parent")
        there = world.named(name, project or parent, asked.now)
        if there is not None and resolution == "SKIP":
            return show_file(there, asked)
        if there is not None and resolution == "OVERWRITE":
            there.deleted = ends
        elif there is not None:
            name = f"_{len(world.files)}_{name}"
        file = File(
            id=world.new_file_id(),
            name=name,
            project=project or "",
            parent=parent,
            metadata=dict(item.get("metadata") or {}),
            tags=list(tags),
            created=ends,
            wall=world.clock.now(),
        )
        world.add_file(file)
        return show_file(file, asked)

    def _show(self, job: FileJob, asked: Asked) -> dict[str, Any]:
        state = job.course.status(asked.at)
        finished = state == "FINISHED"
        return {
            "href": asked.href(f"/bulk/drs/imports/{job.id}"),
            "id": job.id,
            "state": state,
            "result": job.rows if finished else None,
            "started_on": time_or_none(job.wall),
            "finished_on": time_or_none(job.wall_at(job.course.instants[-1]) if finished else None),
        }
