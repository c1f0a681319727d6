"""What really happened on the simulated ODM, whatever its answers said."""

from orchestrator.simulator.evidence import EffectEvidence
from orchestrator.simulator.odm.world import World


class Truth(EffectEvidence):
    """Judges one world.

    Effects: publish (by study), publish_all (by message), version (by study), import, restart, stop (by link).
    """

    once = frozenset({"version", "import"})
    """Effects of which two are one too many: a version of the same changes, a job for the same links."""

    def __init__(self, world: World) -> None:
        super().__init__(world.ledger)
        self._world = world

    def status(self, kind: str, name: str) -> str | None:
        """Of the task or the job of the latest effect of that kind and name."""
        world = self._world
        now, effect = world.clock.monotonic(), world.ledger.latest(kind, name)
        if effect is None:
            return None
        if (task := world.tasks.get(effect.id)) is not None:
            return task.course.status(now)
        execution = world.executions.get(int(effect.id)) if effect.id.isdecimal() else None
        return execution.course.status(now) if execution is not None else None
