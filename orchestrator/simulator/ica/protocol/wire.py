"""JSON as ICA writes it, put together from bytes: a page of a thousand analyses takes a few milliseconds.

V4 is the present form. V3 knows fewer statuses and spells some of them otherwise.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from orchestrator.clock import Micros
from orchestrator.simulator.ica.work.entities import Analysis, Batch, Item, Job, Tags
from orchestrator.simulator.ica.work.lifecycle import FINAL_ANALYSIS, FINAL_JOB
from orchestrator.simulator.ica.work.words import FAILED, STOPPED

V3, V4 = 3, 4

TENANT = "5b0f2f9c-6a5d-4f0e-8f7e-2f6a2f1f9c11"
TENANT_NAME = "simulated-tenant"
_STORAGE = {"id": "6e1b6c8f-f913-48b2-9bd0-7fc13eda0fd0", "name": "Small", "description": "1.2 TB"}
_LONG_AGO = "2023-01-01T00:00:00Z"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_V3_ANALYSIS = {
    "REQUESTED": "REQUESTED",
    "QUEUED": "REQUESTED",
    "AWAITING_INPUT": "AWAITINGINPUT",
    "SUCCEEDED": "SUCCEEDED",
    "FAILED": "FAILED",
    "FAILED_FINAL": "FAILEDFINAL",
    "ABORTED": "ABORTED",
}
_V3_LINK = {
    name: name for name in ("INITIALISED", "WAITING_RESOURCES", "RUNNING", "LINKED", "ALREADY_LINKED", "FAILED")
} | {"PARTIALLY_LINKED": "FAILED"}

encode = msgspec.json.encode


def iso(micros: Micros) -> str:
    """As ICA writes time: UTC, whole seconds, `Z`."""
    return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%SZ")


def v3_analysis_status(status: str) -> str:
    """The older word; whatever V3 does not know counts as in progress."""
    return _V3_ANALYSIS.get(status, "INPROGRESS")


def v3_link_status(status: str) -> str:
    """The older word; V3 has none for links in part."""
    return _V3_LINK.get(status, "RUNNING")


def page(rows: Iterable[bytes], rest: dict[str, Any], *, null_empty: bool) -> bytes:
    """A page object: rows already written, then the paging fields."""
    joined = b",".join(rows)
    items = b"null" if null_empty and not joined else b"[" + joined + b"]"
    tail = encode(rest)[1:]
    return b'{"items":' + items + (b"," if len(tail) > 1 else b"") + tail


def analysis(row: Analysis, at: float, version: int, *, null_empty: bool, session: bytes = b"null") -> bytes:
    """An analysis as it was at the instant `at`; `session` is what it says of its workflow session, in V4."""
    return _analysis_v4(row, at, null_empty, session) if version == V4 else _analysis_v3(row, at, null_empty)


def creation_item(item: Item, at: float, embedded_at: float, version: int, *, null_empty: bool) -> bytes:
    """A row of an analysis creation batch; its analysis is shown as it was at `embedded_at`."""
    request = b'{"id":"%b","request":{"userReference":%b,"pipelineId":%b,"tags":%b},"processing":%b' % (
        item.id.encode(),
        encode(item.name),
        encode(item.pipeline),
        _tags(item.tags, null_empty),
        processing(item, item.status(at)),
    )
    if item.analysis is None or not item.analysis.exists(at):
        return request + b"}"
    shown = analysis(item.analysis, embedded_at, version, null_empty=null_empty)
    return request + b',"createdAnalysis":' + shown + b"}"


def batch(row: Batch, job_json: bytes | None) -> bytes:
    """A batch with its parameters; `job` may be null."""
    return encode({"id": row.id, "job": msgspec.Raw(job_json or b"null"), **row.echo})


def job(row: Job, at: float) -> bytes:
    """A job as it was at the instant `at`."""
    status = row.status(at)
    started = row.timeline.since("RUNNING")
    finished = row.timeline.ends if status in FINAL_JOB else None
    return encode(
        {
            "id": row.id,
            "status": status,
            "additionalStatusInformation": None,
            "subjectType": row.subject_type,
            "subjectId": row.subject_id,
            "timeCreated": iso(row.wall),
            "timeStarted": iso(row.wall_at(started)) if started is not None and started <= at else None,
            "timeFinished": iso(row.wall_at(finished)) if finished is not None else None,
            "owner": _user(row.user),
            "bundle" if row.in_bundle else "project": (_bundle if row.in_bundle else project)(row.owner, row.user),
        }
    )


def _analysis_v4(row: Analysis, at: float, null_empty: bool, session: bytes) -> bytes:  # noqa: FBT001 - private
    stage = max(0, row.timeline.stage(at))
    if row.rendered is None or row.rendered[0] != stage:
        row.rendered = (stage, encode(_changing(row, stage))[1:])
    return (
        b'{"id":"%b","owner":{"id":"%b"},"tenant":{"id":"%b","name":"%b"},"reference":%b,"userReference":%b,'
        b'"projectId":"%b","analysisPriority":"MEDIUM","workflowSession":%b,"pipeline":%b,"tags":%b,%b'
    ) % (
        row.id.encode(),
        row.user.encode(),
        TENANT.encode(),
        TENANT_NAME.encode(),
        encode(row.reference),
        encode(row.user_reference),
        row.project.encode(),
        session,
        _pipeline_v4(row.pipeline, row.language, row.user),
        _tags(row.tags, null_empty),
        row.rendered[1],
    )


def _analysis_v3(row: Analysis, at: float, null_empty: bool) -> bytes:  # noqa: FBT001 - private, next to its caller
    changing = _changing(row, max(0, row.timeline.stage(at)))
    changing["status"] = v3_analysis_status(changing["status"])
    return encode(
        {
            "id": row.id,
            **owned(row.user),
            "reference": row.reference,
            "userReference": row.user_reference,
            "analysisPriority": "MEDIUM",
            "pipeline": {**_pipeline(row.pipeline, row.language), **owned(row.user), "analysisStorage": _storage_v3()},
            "tags": msgspec.Raw(_tags(row.tags, null_empty)),
            **changing,
        }
    )


def _changing(row: Analysis, stage: int) -> dict[str, Any]:
    since, status = row.timeline.instants[stage], row.timeline.statuses[stage]
    started = row.timeline.since("INITIALIZING")
    return {
        "timeCreated": iso(row.wall),
        "timeModified": iso(row.wall_at(since)),
        "status": status,
        "startDate": iso(row.wall_at(started)) if started is not None and started <= since else None,
        "endDate": iso(row.wall_at(since)) if status in FINAL_ANALYSIS else None,
        "summary": "The pipeline ended with an error" if status.startswith("FAILED") else None,
    }


def processing(item: Item, status: str) -> bytes:
    """How far an item is, and why it failed."""
    if item.detail is None or status not in {FAILED, STOPPED}:
        return b'{"status":"%b"}' % status.encode()
    return encode({"status": status, "additionalStatusInformation": item.detail})


def _tags(tags: Tags, null_empty: bool) -> bytes:  # noqa: FBT001 - private, next to its caller
    lists = {"technicalTags": tags.technical, "userTags": tags.user, "referenceTags": tags.reference}
    return encode({name: None if null_empty and not values else values for name, values in lists.items()})


@lru_cache(maxsize=256)
def _pipeline_v4(pipeline_id: str, language: str, user: str) -> bytes:
    return encode(
        {
            **_pipeline(pipeline_id, language),
            "owner": {"id": user},
            "tenant": {"id": TENANT, "name": TENANT_NAME},
            "analysisStorage": _STORAGE,
        }
    )


def _pipeline(pipeline_id: str, language: str) -> dict[str, Any]:
    return {
        "id": pipeline_id,
        "urn": f"urn:ilmn:ica:pipeline:{pipeline_id}#simulated",
        "timeCreated": _LONG_AGO,
        "timeModified": _LONG_AGO,
        "code": f"simulated-{pipeline_id[:8]}",
        "description": "A pipeline of the simulator",
        "status": "RELEASED",
        "language": language,
        "pipelineTags": {"technicalTags": []},
        "proprietary": False,
        "inputFormType": "XML",
    }


def _storage_v3() -> dict[str, Any]:
    return {**_STORAGE, **owned(TENANT), "timeCreated": _LONG_AGO, "timeModified": _LONG_AGO}


def owned(user: str) -> dict[str, Any]:
    """Whose it is."""
    return {"ownerId": user, "tenantId": TENANT, "tenantName": TENANT_NAME}


@lru_cache(maxsize=64)
def _user(user: str) -> msgspec.Raw:
    return msgspec.Raw(
        encode(
            {
                "id": user,
                "timeCreated": _LONG_AGO,
                "timeModified": _LONG_AGO,
                **owned(user),
                "username": "simulated",
                "email": "user@example.org",
                "active": True,
                "tenantAdministrator": False,
                "emailVerified": True,
                "twoFactorAuthentication": False,
            }
        )
    )


@lru_cache(maxsize=256)
def project(project: str, user: str) -> msgspec.Raw:
    """A project, as jobs and sessions show it."""
    return msgspec.Raw(
        encode(
            {
                "id": project,
                "name": f"project-{project[:8]}",
                "active": True,
                "billingMode": "PROJECT",
                "region": region(),
                "tags": {"technicalTags": [], "userTags": []},
                **_meta(user),
            }
        )
    )


@lru_cache(maxsize=256)
def _bundle(bundle: str, user: str) -> msgspec.Raw:
    return msgspec.Raw(
        encode(
            {
                "id": bundle,
                "name": f"bundle-{bundle[:8]}",
                "region": region(),
                "releaseVersion": "1.0",
                "status": "DRAFT",
                **_meta(user),
            }
        )
    )


def region() -> dict[str, Any]:
    """Where everything is."""
    meta = _meta(TENANT)
    country = {"id": _derived("country"), "code": "NL", "name": "Netherlands", "region": "EU", **meta}
    return {"id": _derived("region"), "code": "EU", "cityName": "Amsterdam", "country": country, **meta}


def _meta(user: str) -> dict[str, Any]:
    return {"timeCreated": _LONG_AGO, "timeModified": _LONG_AGO, **owned(user)}


def _derived(name: str) -> str:
    return str(uuid.uuid5(uuid.UUID(TENANT), name))
