"""The kinds of work of Seven Bridges as tests take them: what is sent, what comes of it, and what a repeat does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from platform_setups import SEVEN_BRIDGES

from orchestrator.domain.kinds import Kind
from orchestrator.platforms.registry import KINDS
from orchestrator.platforms.sevenbridges.kinds import BULK

FOUND = "found"
"""What was lost is searched for, and sent again where it is not there."""
HARMLESS = "harmless"
"""What was lost is sent again: a second time changes nothing."""
NEVER = "never"
"""What was lost and is not found waits for the operator."""


@dataclass(frozen=True)
class Work:
    """One kind of work under its short name in `SEVEN_BRIDGES`."""

    name: str
    keys: tuple[str, str, str]
    """Three items, of which the second fails."""
    effect: str
    """What the simulator records of each."""
    operations: tuple[str, ...]
    """The calls that submit it, in their order."""
    repeat: str = FOUND
    size: int = BULK

    @property
    def kind(self) -> Kind:
        return KINDS[SEVEN_BRIDGES.kinds[self.name]]


_FILES = ("f1", "f2-fail", "f3")
_ALL = (
    Work("tasks", ("s1", "s2-fail", "s3-flip"), "run", ("create_task", "run_task"), size=1),
    Work("batch_tasks", ("c1", "c2-fail", "c3"), "run", ("create_task", "run_task"), size=1),
    Work("imports", ("run/f1", "run/f2-fail", "run/f3"), "import", ("bulk_create_imports",)),
    Work("exports", ("run/x1", "run/x2-fail", "run/x3"), "export", ("bulk_create_exports",)),
    Work("copies", _FILES, "copy", ("create_copy_job",), NEVER),
    Work("moves", _FILES, "move", ("create_move_job",)),
    Work("deletions", _FILES, "delete", ("create_delete_job",)),
    Work("updates", _FILES, "update", ("bulk_edit_files",), HARMLESS),
    Work("drs", ("drs://dg/1", "drs://dg/2-fail", "drs://dg/3"), "drs_import", ("bulk_create_drs_imports",), HARMLESS),
    Work("runs", ("r1", "r2-fail", "r3"), "automation_run", ("create_automation_run",), size=1),
)
WORK: Mapping[str, Work] = {work.name: work for work in _ALL}
"""All kinds; a batch task is a task with children."""


async def submit(it: Any, name: str, keys: Sequence[str], *, kind: str = "tasks", **spec: Any) -> None:
    """A job of this kind in a world, in batches of the size that its calls take."""
    work = WORK[kind]
    size = {"batch_size": work.size, "first_stage": work.kind.first_stage}
    await it.submit(name, keys, kind=kind, **(size | spec))


def made(it: Any, effect: str) -> dict[str, int]:
    """How often each name met this effect; the mark in the name of a run is left out."""
    counted: dict[str, int] = {}
    for (kind, name), count in it.simulator.truth.made().items():
        if kind == effect:
            plain = name.partition(" (orc-batch=")[0]
            counted[plain] = counted.get(plain, 0) + count
    return counted


def done(it: Any, kind: str) -> dict[str, int]:
    """How often each item was done in the way that counts: paid for, or with something new left behind."""
    work, world = WORK[kind], it.simulator._world
    match kind:
        case "updates":
            return dict.fromkeys(made(it, work.effect), 1)  # a change made twice is one change
        case "drs":
            names = [file.name for file in world.files.values() if file.tags]
            return {key: names.count(key.rpartition("/")[2]) for key in made(it, work.effect)}
        case "imports" | "exports":
            names = [effect.name for effect in it.simulator.ledger.effects(work.effect)]
            worked = [
                effect.name
                for effect in it.simulator.ledger.effects(work.effect)
                if world.transfers[effect.id].file is not None
            ]
            return {name: worked.count(name) for name in names}
        case _:
            return made(it, work.effect)
