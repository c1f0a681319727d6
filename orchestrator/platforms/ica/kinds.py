"""The kinds of work on ICA."""

from types import MappingProxyType

from orchestrator.domain.kinds import NO_ENGINE, Kind
from orchestrator.platforms.ica import stages
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
from orchestrator.platforms.ica.sessions.requested_sessions import PATTERNS as SESSION_PATTERNS
from orchestrator.platforms.ica.sessions.requested_sessions import SESSION_ID, FollowedSession

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
    Kind(
        name="ica.data_linking",
        stage=stages.LINK,
        keys=("dataId",),
        batch_size=25_000,
        models=MappingProxyType({NO_ENGINE: Link}),
        project=UUID,
        patterns=MappingProxyType(PATTERNS),
        ids=IDS,
    ),
    Kind(
        name="ica.workflow_session",
        stage=stages.SEARCH,  # until its session is found; that of a selector for good
        keys=("id", "name"),
        batch_size=1000,
        models=MappingProxyType({NO_ENGINE: FollowedSession}),
        project=UUID,
        follow_only=True,
        requests=0,
        patterns=MappingProxyType({**PATTERNS, **SESSION_PATTERNS}),
        ids=IDS | {SESSION_ID},
    ),
)
