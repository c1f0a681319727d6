"""The kinds of work, as intake knows them: which platform does it, what an item must hold, what its key is."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestrator.domain.ica_items import (
    PATTERNS,
    UUID,
    CwlAnalysis,
    Link,
    NextflowAnalysis,
    NextflowJsonAnalysis,
)
from orchestrator.domain.mistake import Mistake
from orchestrator.domain.wording import mistakes_of

NO_ENGINE = None


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of work."""

    name: str
    platform: str
    key: str
    """The field of an item that names it inside its job."""
    batch_size: int
    """Items a submission, where the account does not say."""
    models: Mapping[str | None, type[BaseModel]] = field(repr=False)
    """What an item must look like, by the job's engine; a kind without engines has the one key None."""
    project: str | None = None
    """What the project must look like."""

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines to choose from; empty when there is nothing to choose."""
        return tuple(engine for engine in self.models if engine is not None)

    @property
    def setting(self) -> str:
        """Its name inside an account's settings: without the platform."""
        return self.name.partition(".")[2]

    def mistakes_of_project(self, project: str) -> Iterator[Mistake]:
        """What is wrong with the job's project."""
        if self.project and not re.fullmatch(self.project, project):
            yield Mistake(f"{project!r} {PATTERNS[self.project]}", "take the project's id, not its name", ("project",))

    def mistakes_of_engine(self, engine: str | None) -> Iterator[Mistake]:
        """What is wrong with the job's engine."""
        if engine in self.models:
            return
        if not self.engines:
            yield Mistake(f"{self.name} has no engine", "leave `engine` out", ("engine",))
        else:
            text = "is missing" if engine is None else f"{engine!r} is none of this kind"
            yield Mistake(f"`engine` {text}", "one of " + ", ".join(self.engines), ("engine",))

    def mistakes_of_item(self, item: Mapping[str, Any], engine: str | None) -> tuple[Mistake, ...]:
        """What is wrong with one item, with paths below it; empty for a good one. Unknown fields are none of ours."""
        model = self.models.get(engine)
        if model is None:
            return ()
        try:
            model.__pydantic_validator__.validate_python(item)  # what `model_validate` does, but for its options
        except ValidationError as error:
            return tuple(mistakes_of(error, known=lambda _below: (), patterns=PATTERNS))
        return ()


_KINDS = (
    Kind(
        name="ica.analysis_creation",
        platform="ica",
        key="userReference",
        batch_size=100,
        models=MappingProxyType(
            {"nextflow": NextflowAnalysis, "nextflow_json": NextflowJsonAnalysis, "cwl": CwlAnalysis}
        ),
        project=UUID,
    ),
    Kind(
        name="ica.data_linking",
        platform="ica",
        key="dataId",
        batch_size=25_000,
        models=MappingProxyType({NO_ENGINE: Link}),
        project=UUID,
    ),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""The kinds that this version does."""

PLANNED = frozenset(
    {
        "ica.workflow_session",
        "sevenbridges.task",
        "sevenbridges.import",
        "sevenbridges.export",
        "sevenbridges.file_copy",
        "sevenbridges.file_move",
        "sevenbridges.file_delete",
        "sevenbridges.drs_import",
        "sevenbridges.automation_run",
        "odm.publish",
        "odm.import",
    }
)
"""Kinds with a name already, which this version refuses."""


def find_kind(name: str) -> Kind | Mistake:
    """The kind of that name, or why there is none."""
    if kind := KINDS.get(name):
        return kind
    known = "known are " + ", ".join(KINDS)
    if name in PLANNED:
        return Mistake(f"{name} is not available in this version", known, ("kind",))
    return Mistake(f"{name!r} is no kind of work", known, ("kind",))
