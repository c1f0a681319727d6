"""The kinds of work on ICA."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from pydantic import BaseModel

from orchestrator.domain.kinds import NO_ENGINE, Kind
from orchestrator.domain.model import Stage
from orchestrator.platforms.ica import data_models, stages
from orchestrator.platforms.ica.data_models import DATA_PATTERNS
from orchestrator.platforms.ica.items import (
    DATA_IN_REQUEST,
    IDS,
    PATTERNS,
    UUID,
    CwlAnalysis,
    Link,
    NextflowAnalysis,
    NextflowJsonAnalysis,
)

_LINKS: Final = 25_000
"""What ICA recommends as the most of a linking batch."""


def _on_data(
    name: str, stage: Stage, model: type[BaseModel], *, batch_size: int, key: str = "dataId", **more: object
) -> Kind:
    """A kind whose items have ended when their batch has."""
    models: Mapping[str | None, type[BaseModel]] = MappingProxyType({NO_ENGINE: model})
    return Kind(
        name=f"ica.{name}",
        stage=stage,
        keys=(key,),
        batch_size=batch_size,
        models=models,
        project=UUID,
        patterns=MappingProxyType(DATA_PATTERNS),
        ids=IDS,
        **more,  # type: ignore[arg-type]
    )


KINDS = (
    Kind(
        name="ica.analysis_creation",
        stage=stages.ANALYSIS,
        keys=("userReference",),
        created_first=True,
        abortable=True,
        batch_size=100,
        models=MappingProxyType(
            {"nextflow": NextflowAnalysis, "nextflow_json": NextflowJsonAnalysis, "cwl": CwlAnalysis}
        ),
        project=UUID,
        patterns=MappingProxyType(PATTERNS),
        ids=IDS,
        data=DATA_IN_REQUEST,
    ),
    _on_data("data_linking", stages.LINK, Link, batch_size=_LINKS),
    _on_data("data_unlinking", stages.UNLINK, data_models.Datum, batch_size=_LINKS),
    _on_data("data_copy", stages.COPY, data_models.Datum, batch_size=1000, options=data_models.CopyOptions),
    _on_data("data_move", stages.MOVE, data_models.Datum, batch_size=1000, options=data_models.MoveOptions),
    _on_data("data_update", stages.UPDATE, data_models.Update, batch_size=5000, max_batch_size=100_000),
    _on_data("sample_creation", stages.SAMPLE, data_models.Sample, batch_size=100, key="sampleToCreate.name"),
    _on_data("bundle_linking", stages.LINK, data_models.Datum, batch_size=_LINKS),
    _on_data("bundle_unlinking", stages.UNLINK, data_models.Datum, batch_size=_LINKS),
)
