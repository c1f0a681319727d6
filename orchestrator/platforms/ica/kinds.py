"""The kinds of work that ICA does."""

from types import MappingProxyType

from orchestrator.domain.kinds import NO_ENGINE, Kind
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
        keys=("userReference",),
        batch_size=100,
        models=MappingProxyType(
            {"nextflow": NextflowAnalysis, "nextflow_json": NextflowJsonAnalysis, "cwl": CwlAnalysis}
        ),
        project=UUID,
        patterns=MappingProxyType(PATTERNS),
        ids=IDS,
        data=DATA_IN_REQUEST,
    ),
    Kind(
        name="ica.data_linking",
        keys=("dataId",),
        batch_size=25_000,
        models=MappingProxyType({NO_ENGINE: Link}),
        project=UUID,
        patterns=MappingProxyType(PATTERNS),
        ids=IDS,
    ),
)
