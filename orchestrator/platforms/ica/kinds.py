"""The kinds of work on ICA."""

from types import MappingProxyType

from orchestrator.domain.kinds import NO_ENGINE, Kind
from orchestrator.platforms.ica import examples, stages
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
        about="Starts an analysis of a pipeline for each item.",
        example=examples.ANALYSIS_CREATION,
    ),
    Kind(
        name="ica.data_linking",
        stage=stages.LINK,
        keys=("dataId",),
        batch_size=25_000,
        models=MappingProxyType({NO_ENGINE: Link}),
        project=UUID,
        patterns=MappingProxyType(PATTERNS),
        ids=IDS,
        about="Links data of other projects into the project.",
        example=examples.DATA_LINKING,
    ),
)
