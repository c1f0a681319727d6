"""What really happened on the simulated ODM, whatever its answers said."""

from collections import Counter
from typing import Any

from orchestrator.simulator.evidence import Evidence
from orchestrator.simulator.odm.world import World

ONCE = frozenset({"version", "import"})
"""Effects of which two are one too many: a version of the same changes, a job for the same links."""


class Truth(Evidence):
    """Judges one world.

    Effects: publish (by study), publish_all (by message), version (by study), import, restart, stop (by link).
    """

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

    def duplicates(self) -> dict[tuple[str, str], int]:
        """How often each thing was made that may be made once, by kind and name, where more than once."""
        return {thing: count for thing, count in self.made().items() if thing[0] in ONCE and count > 1}

    def summary(self) -> dict[str, Any]:
        """Effects by kind, and names that were made more than once."""
        return {
            "effects": dict(Counter(effect.kind for effect in self._ledger)),
            "duplicates": [
                {"kind": kind, "name": name, "made": count} for (kind, name), count in self.duplicates().items()
            ],
        }

    def report(self) -> dict[str, Any]:
        """Every effect, with the present status of what it made."""
        return {
            "summary": self.summary(),
            "effects": [
                {**effect._asdict(), "status": self.status(effect.kind, effect.name)} for effect in self._ledger
            ],
        }
