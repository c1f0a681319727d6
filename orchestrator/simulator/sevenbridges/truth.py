"""What really happened on the simulated Seven Bridges, whatever its answers said."""

from orchestrator.simulator.evidence import EffectEvidence
from orchestrator.simulator.sevenbridges.world import World


class Truth(EffectEvidence):
    """Judges one world.

    Effects: draft, draft_deleted, run, abort, import, export, copy, move, delete, update,
    drs_import, automation_run, stop.
    """

    once = frozenset({"run", "automation_run"})
    """Effects that cost money: one a name, or something was sent twice."""

    def __init__(self, world: World) -> None:
        super().__init__(world.ledger)
        self._world = world

    def status(self, kind: str, name: str) -> str | None:
        """Of an item of a file job or a DRS import: COMPLETED or FAILED once the job has FINISHED, else its state."""
        world = self._world
        now, effect = world.clock.monotonic(), world.ledger.latest(kind, name)
        if effect is None:
            return None
        if (task := world.tasks.get(effect.id)) is not None:
            return task.status(now, world.knobs.parent_end)
        if (transfer := world.transfers.get(effect.id)) is not None:
            return transfer.course.status(now)
        if (run := world.runs.get(effect.id)) is not None:
            return run.course.status(now)
        job = world.jobs.get(effect.id)
        if job is None:
            return None
        state = job.course.status(now)
        return state if state != "FINISHED" else "COMPLETED" if job.names[name] else "FAILED"
