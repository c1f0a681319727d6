"""Jobs: what executes the batches of all projects."""

from collections.abc import Sequence

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica.protocol import wire
from orchestrator.simulator.ica.protocol.call import Asked, known
from orchestrator.simulator.ica.protocol.paging import spoilt
from orchestrator.simulator.ica.protocol.sorting import sort_rows
from orchestrator.simulator.ica.work.entities import Job
from orchestrator.simulator.ica.work.lifecycle import FINAL_JOB
from orchestrator.simulator.ica.world import World

_NO_TIME = float("-inf")


class Jobs:
    """A user sees its own jobs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def listing(self, asked: Asked) -> Reply:
        """GET jobs."""
        world = self._world
        statuses = frozenset(asked.request.query.get("status", ()))

        def wanted(job: Job) -> bool:
            return job.user == asked.user and (not statuses or job.status(asked.at) in statuses)

        def find() -> Sequence[Job]:
            rows = [job for job in world.jobs.values() if wanted(job)]
            keys = {
                "timeCreated": lambda job: (job.timeline.begins, job.number),
                "timeStarted": lambda job: _reached(job.timeline.since("RUNNING"), asked.at),
                "timeFinished": lambda job: _finished(job, asked.at),
            }
            return sort_rows(rows, asked.request, keys)

        place = f"jobs/{asked.user}?{sorted(statuses)}"
        page = spoilt(world.cursors.page(asked.request, place, find, world.knobs, asked.now).only(wanted), asked.fault)
        rows = (wire.job(job, asked.at) for job in page.rows)
        return asked.json(wire.page(rows, page.rest, null_empty=world.knobs.null_lists))

    def get(self, asked: Asked) -> Reply:
        """GET jobs/{job}."""
        return asked.json(wire.job(known(self._world.jobs.get(asked.ids["job"]), "The job"), asked.at))


def _reached(instant: float | None, at: float) -> float:
    return instant if instant is not None and instant <= at else _NO_TIME


def _finished(job: Job, at: float) -> float:
    return job.timeline.ends if job.status(at) in FINAL_JOB else _NO_TIME
