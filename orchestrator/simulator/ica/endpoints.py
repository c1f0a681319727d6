"""The endpoints, under their names in ICA's own description."""

from collections.abc import Sequence

from orchestrator.simulator.ica.api.analyses import AnalysisReads
from orchestrator.simulator.ica.api.analysis_batches import AnalysisBatches
from orchestrator.simulator.ica.api.jobs import Jobs
from orchestrator.simulator.ica.api.sessions import Sessions
from orchestrator.simulator.ica.api.workflow_sessions import WorkflowSessionReads
from orchestrator.simulator.ica.data_endpoints import DataFamilies
from orchestrator.simulator.ica.protocol.call import Operation
from orchestrator.simulator.ica.protocol.media import Media

_V3 = Media()
_BOTH = Media(gives=(4, 3))


def operations(
    sessions: Sessions, jobs: Jobs, analyses: AnalysisReads, creations: AnalysisBatches, data: DataFamilies
) -> Sequence[Operation]:
    """All endpoints; paths are relative to the API's base path."""
    analysis = "/api/projects/{project}/analyses/{analysis}"
    creation = "/api/projects/{project}/analysisCreationBatch"
    one, items, item = "/{batch}", "/{batch}/items", "/{batch}/items/{item}"
    return [
        Operation("createJwtToken", "POST", "/api/tokens", sessions.create_token, _V3, public=True),
        Operation("refreshJwtToken", "POST", "/api/tokens:refresh", sessions.refresh_token, _V3),
        Operation("getSystemInfo", "GET", "/api/system/info", sessions.info, _V3),
        Operation("getJobs", "GET", "/api/jobs", jobs.listing, _V3),
        Operation("getJob", "GET", "/api/jobs/{job}", jobs.get, _V3),
        Operation(
            "searchAnalyses",
            "POST",
            "/api/projects/{project}/analysis:search",
            analyses.search,
            Media(takes=(3,), takes_json=True),
        ),
        Operation("getAnalyses", "GET", "/api/projects/{project}/analyses", analyses.listing, _V3),
        Operation("abortAnalysis", "POST", analysis + ":abort", analyses.abort, Media(gives=())),
        Operation("getAnalysis", "GET", analysis, analyses.get, _BOTH),
        Operation("createAnalysisCreationBatch", "POST", creation, creations.create, Media(takes=(3,)), keyed=True),
        Operation("getAnalysisCreationBatch", "GET", creation + one, creations.batch, _V3),
        Operation("getAnalysisCreationBatchItems", "GET", creation + items, creations.items, _BOTH),
        Operation("getAnalysisCreationBatchItem", "GET", creation + item, creations.item, _BOTH),
        *data.operations(),
    ]


def of_workflow_sessions(sessions: WorkflowSessionReads) -> Sequence[Operation]:
    """The endpoints of workflow sessions."""
    every = "/api/projects/{project}/workflowSessions"
    one, search = every + "/{session}", Media(takes=(3,), takes_json=True)
    return [
        Operation("searchWorkflowSessions", "POST", every + ":search", sessions.search, search),
        Operation("getWorkflowSessions", "GET", every, sessions.listing, _V3),
        Operation("searchOrchestratedAnalyses", "POST", one + "/analyses:search", sessions.orchestrated, search),
        Operation("getWorkflowSessionInputs", "GET", one + "/inputs", sessions.inputs, _V3),
        Operation("getWorkflowSessionConfigurations", "GET", one + "/configurations", sessions.configurations, _V3),
    ]
