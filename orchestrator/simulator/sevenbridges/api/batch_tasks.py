"""The children of a batch task: one for each file of its batch input, or for each group of files."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, Refusal
from orchestrator.simulator.sevenbridges.work import courses
from orchestrator.simulator.sevenbridges.work.naming import fate_of
from orchestrator.simulator.sevenbridges.work.task import Task
from orchestrator.simulator.sevenbridges.world import World

_CRITERIA_MISSING, _INPUT_MISSING = 7019, 7020


def check_batch(asked: Mapping[str, Any]) -> None:
    """Raises Refusal 400 where a batch task lacks its input or its criteria."""
    by = asked.get("batch_by")
    if not isinstance(by, Mapping) or by.get("type") not in ("item", "criteria"):
        raise Refusal(BAD_REQUEST, "batch_by must have the type item or criteria.", _CRITERIA_MISSING)
    if by["type"] == "criteria" and not by.get("criteria"):
        raise Refusal(BAD_REQUEST, "batch_by of the type criteria needs criteria.", _CRITERIA_MISSING)
    batched = (asked.get("inputs") or {}).get(asked.get("batch_input"))
    if not isinstance(batched, list) or not batched:
        raise Refusal(BAD_REQUEST, "batch_input must name an input that is a list of files.", _INPUT_MISSING)


def bear_children(world: World, parent: Task, begins: float) -> None:
    """Make and run the children of a batch task that begins now; they are there once its CREATING is over."""
    for label, files in _groups(world, parent, begins):
        name = f"{parent.name} - {label}"
        fate = fate_of(label)
        inputs = {**parent.asked["inputs"], parent.asked["batch_input"]: files}
        child = Task(
            id=world.new_id(),
            number=len(world.tasks),
            user=parent.user,
            name=name,
            project=parent.project,
            app=parent.app,
            asked={"inputs": inputs},
            fate=fate,
            created=begins,
            wall=world.wall_at(begins),
            parent=parent,
            group={"value": label, "fields": {}},
            started=begins,
            course=courses.task(begins, world.seconds(world.knobs.task_seconds, name, fate), fate),
        )
        world.tasks[child.id] = child
        parent.children.append(child)


def _groups(world: World, parent: Task, now: float) -> Iterator[tuple[str, Sequence[Any]]]:
    batched, by = parent.asked["inputs"][parent.asked["batch_input"]], parent.asked["batch_by"]
    if by["type"] == "item":
        for file in batched:
            yield _label(world, file, now), [file]
        return
    groups: dict[str, list[Any]] = {}
    for file in batched:
        groups.setdefault(_criterion(world, file, by["criteria"], now), []).append(file)
    yield from groups.items()


def _label(world: World, file: object, now: float) -> str:
    if not isinstance(file, Mapping):
        return str(file)
    known = world.files.get(str(file.get("path")))
    return str(file.get("name") or (known.name if known is not None and known.exists(now) else file.get("path")))


def _criterion(world: World, file: object, criteria: Sequence[str], now: float) -> str:
    known = world.file(str(file.get("path")) if isinstance(file, Mapping) else str(file), now)
    metadata = known.metadata if known is not None else {}
    return ", ".join(str(metadata.get(each.removeprefix("metadata."), "undefined")) for each in criteria)
