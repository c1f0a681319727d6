"""Workflow sessions as ICA writes them, with their inputs, configurations and analyses."""

from typing import Any

from orchestrator.simulator.ica.protocol import wire
from orchestrator.simulator.ica.work.entities import Analysis
from orchestrator.simulator.ica.work.lifecycle import FINAL_ANALYSIS
from orchestrator.simulator.ica.work.workflow_sessions import WorkflowSession

_STORAGE = {"id": "6e1b6c8f-f913-48b2-9bd0-7fc13eda0fd0", "name": "Small", "description": "1.2 TB"}
_LONG_AGO = "2023-01-01T00:00:00Z"


def session(row: WorkflowSession, at: float, version: int) -> bytes:
    """A session as it was at the instant `at`."""
    if version != wire.V4:
        return wire.encode(_written(row, max(0, row.timeline.stage(at)), version))
    stage = max(0, row.timeline.stage(at))
    if row.rendered is None or row.rendered[0] != stage:
        row.rendered = (stage, wire.encode(_written(row, stage, version)))
    return row.rendered[1]


def orchestrated(row: Analysis, session_id: str, shown: bytes) -> bytes:
    """A row of a session's analyses: `shown` is the analysis itself."""
    project = wire.project(row.project, row.user)
    return b'{"analysis":%b,"project":%b,"workflowSessionId":"%b"}' % (shown, bytes(project), session_id.encode())


def inputs(row: WorkflowSession) -> bytes:
    """What went into a session: the folder of a sequencing run, and a sample sheet from elsewhere."""
    data = {
        "dataId": f"fol.{row.id.replace('-', '')}",
        "format": None,
        "name": row.user_reference,
        "dataType": "FOLDER",
        "mountPath": None,
    }
    sheet = {"url": f"https://lims.example.org/{row.number}.csv", "type": "http", "mountPath": "SampleSheet.csv"}
    return wire.encode(
        {
            "items": [
                {"code": "run_folder", "analysisData": [data], "externalData": []},
                {"code": "sample_sheet", "analysisData": [], "externalData": [sheet]},
            ]
        }
    )


def configurations(row: WorkflowSession) -> bytes:
    """How a session was configured."""
    return wire.encode(
        {
            "items": [
                {"name": "workflow", "multiValue": False, "values": [row.workflow]},
                {"name": "lanes", "multiValue": True, "values": ["1", "2"]},
            ]
        }
    )


def _written(row: WorkflowSession, stage: int, version: int) -> dict[str, Any]:
    since, status = row.timeline.instants[stage], row.timeline.statuses[stage]
    started = row.timeline.since("INITIALIZING")
    v4 = version == wire.V4
    owned = {"ownerId": row.user, "tenantId": wire.TENANT, "tenantName": wire.TENANT_NAME}
    owner = {"owner": {"id": row.user}, "tenant": {"id": wire.TENANT, "name": wire.TENANT_NAME}} if v4 else owned
    storage = _STORAGE if v4 else {**_STORAGE, **owned, "timeCreated": _LONG_AGO, "timeModified": _LONG_AGO}
    return {
        "id": row.id,
        "timeCreated": wire.iso(row.wall),
        **owner,
        "userReference": row.user_reference,
        "workflow": {
            "id": row.workflow,
            "code": "simulated-workflow",
            "urn": f"urn:ilmn:ica:workflow:{row.workflow}#simulated",
            "description": "A workflow of the simulator",
            "languageVersion": None,
            "workflowTags": {"technicalTags": []},
            "analysisStorage": storage,
        },
        "status": status if v4 else wire.v3_analysis_status(status),
        "startDate": wire.iso(row.wall_at(started)) if started is not None and started <= since else None,
        "endDate": wire.iso(row.wall_at(since)) if status in FINAL_ANALYSIS else None,
        "summary": "One of its analyses ended with an error" if status.startswith("FAILED") else None,
        "tags": {"technicalTags": list(row.tags.technical), "userTags": list(row.tags.user)},
        **({"application": None} if v4 else {}),
    }
