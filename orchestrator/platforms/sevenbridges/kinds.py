"""The kinds of work that Seven Bridges does."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from orchestrator.domain.kinds import NO_ENGINE, Kind
from orchestrator.domain.model import Stage
from orchestrator.platforms.sevenbridges import examples, input_files, items, stages

BULK: Final = 100
"""Items that one call takes, at most."""


def _kind(name: str, stage: Stage, key: str, model: type[BaseModel], **more: object) -> Kind:
    fields: dict[str, object] = {
        "batch_size": BULK,
        "max_batch_size": BULK,
        "project": items.PROJECT,
        "patterns": MappingProxyType(items.PATTERNS),
        "ids": items.IDS,
    }
    models: Mapping[str | None, type[BaseModel]] = MappingProxyType({NO_ENGINE: model})
    return Kind(name=f"sevenbridges.{name}", stage=stage, keys=(key,), models=models, **(fields | more))  # type: ignore[arg-type]


_ONE: Final[Mapping[str, object]] = MappingProxyType({"batch_size": 1, "max_batch_size": 1})

TASK: Final = _kind(
    "task",
    stages.TASK,
    "name",
    items.Task,
    created_first=True,
    abortable=True,
    requests=2,
    repeats=input_files.FILE_KEYS,
    further=input_files.mistakes_of_inputs,
    odd=input_files.bare_ids,
    about="Creates a task of an app for each item, and runs it.",
    example=examples.TASK,
    **_ONE,
)
IMPORT: Final = _kind(
    "import",
    stages.IMPORT,
    "source.location",
    items.Import,
    qualifier="source.volume",
    project_of_item=("destination", "project"),
    about="Imports files of a volume into the project.",
    example=examples.IMPORT,
)
EXPORT: Final = _kind(
    "export",
    stages.EXPORT,
    "destination.location",
    items.Export,
    qualifier="destination.volume",
    options=items.ExportOptions,
    about="Exports files of the project to a volume.",
    example=examples.EXPORT,
)
FILE_COPY: Final = _kind(
    "file_copy",
    stages.COPY,
    "file",
    items.Copy,
    about="Copies files into a project or a folder.",
    example=examples.FILE_COPY,
)
FILE_MOVE: Final = _kind(
    "file_move",
    stages.MOVE,
    "file",
    items.Move,
    about="Moves files into a project or a folder.",
    example=examples.FILE_MOVE,
)
FILE_DELETE: Final = _kind(
    "file_delete", stages.DELETE, "file", items.Delete, about="Deletes files.", example=examples.FILE_DELETE
)
FILE_UPDATE: Final = _kind(
    "file_update",
    stages.UPDATE,
    "file",
    items.Update,
    about="Changes names, metadata and tags of files.",
    example=examples.FILE_UPDATE,
)
DRS_IMPORT: Final = _kind(
    "drs_import",
    stages.IMPORT,
    "drs_uri",
    items.DrsImport,
    options=items.DrsOptions,
    about="Imports files that a DRS server names.",
    example=examples.DRS_IMPORT,
)
AUTOMATION_RUN: Final = _kind(
    "automation_run",
    stages.RUN,
    "name",
    items.AutomationRun,
    abortable=True,
    project=None,
    about="Starts a run of an automation for each item.",
    example=examples.AUTOMATION_RUN,
    **_ONE,
)

KINDS: Final = (
    TASK,
    IMPORT,
    EXPORT,
    FILE_COPY,
    FILE_MOVE,
    FILE_DELETE,
    FILE_UPDATE,
    DRS_IMPORT,
    AUTOMATION_RUN,
)
