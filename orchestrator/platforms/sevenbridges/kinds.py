"""The kinds of work that Seven Bridges does."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from orchestrator.domain.kinds import NO_ENGINE, Kind
from orchestrator.domain.model import Stage
from orchestrator.platforms.sevenbridges import items, stages

BULK: Final = 100
"""Items that one call takes, at most."""


def _kind(name: str, stage: Stage, key: str, model: type[BaseModel], **more: object) -> Kind:
    fields: dict[str, object] = {
        "batch_size": BULK,
        "max_batch_size": BULK,
        "project": items.PROJECT,
        "patterns": MappingProxyType(items.PATTERNS),
    }
    models: Mapping[str | None, type[BaseModel]] = MappingProxyType({NO_ENGINE: model})
    return Kind(name=f"sevenbridges.{name}", stage=stage, keys=(key,), models=models, **(fields | more))  # type: ignore[arg-type]


_ONE: Final[Mapping[str, object]] = MappingProxyType({"batch_size": 1, "max_batch_size": 1})

TASK: Final = _kind("task", stages.TASK, "name", items.Task, created_first=True, abortable=True, requests=2, **_ONE)
IMPORT: Final = _kind("import", stages.IMPORT, "source.location", items.Import)
EXPORT: Final = _kind("export", stages.EXPORT, "destination.location", items.Export, options=items.ExportOptions)
FILE_COPY: Final = _kind("file_copy", stages.COPY, "file", items.Copy)
FILE_MOVE: Final = _kind("file_move", stages.MOVE, "file", items.Move)
FILE_DELETE: Final = _kind("file_delete", stages.DELETE, "file", items.Delete)
FILE_UPDATE: Final = _kind("file_update", stages.UPDATE, "file", items.Update)
DRS_IMPORT: Final = _kind("drs_import", stages.IMPORT, "drs_uri", items.DrsImport, options=items.DrsOptions)
AUTOMATION_RUN: Final = _kind(
    "automation_run", stages.RUN, "name", items.AutomationRun, abortable=True, project=None, **_ONE
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
