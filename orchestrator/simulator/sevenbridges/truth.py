"""What really happened on the simulated Seven Bridges, whatever its answers said."""

from collections import Counter
from typing import Any

from orchestrator.simulator.evidence import Evidence
from orchestrator.simulator.sevenbridges.world import World

ONCE = frozenset({"run", "automation_run"})
"""Effects that cost money: one a name, or something was sent twice."""


class Truth(Evidence):
    """Judges one world.

    Effects: draft, draft_deleted, run, abort, import, export, copy, move, delete, update,
    drs_import, automation_run, stop.
    """

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

    def duplicates(self) -> dict[tuple[str, str], int]:
        """How often each name was run, by kind, where more than once."""
        return {thing: count for thing, count in self.made().items() if thing[0] in ONCE and count > 1}

    def summary(self) -> dict[str, Any]:
        """Effects by kind, and names that were run more than once."""
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
