"""JSON of the items of batches on data, and of samples."""

from typing import Any

import msgspec

from orchestrator.simulator.ica.protocol import wire
from orchestrator.simulator.ica.protocol.wire import encode, iso
from orchestrator.simulator.ica.work.entities import Item, Sample


def item(row: Item, status: str, created: dict[str, Any], *, ids_only: bool) -> bytes:
    """A row of a batch; `created` is what it says of the object that it made."""
    shown = row.echo if row.echo is not None and not (ids_only and "dataId" in row.echo) else {"dataId": row.name}
    return encode({"id": row.id, "request": shown, "processing": msgspec.Raw(wire.processing(row, status)), **created})


def project_data(data_id: str, project: str) -> dict[str, Any]:
    """Data of a project."""
    return {"createdProjectData": {"data": _data(data_id), "projectId": project}}


def bundle_data(data_id: str, bundle: str) -> dict[str, Any]:
    """Data of a bundle."""
    return {"bundleData": {"data": _data(data_id), "bundleId": bundle}}


def created_sample(row: Sample) -> dict[str, Any]:
    """The sample of an item."""
    return {"createdSample": sample(row)}


def project_sample(row: Sample) -> bytes:
    """A row of a search for samples."""
    return encode({"sample": sample(row), "projectId": row.project})


def sample(row: Sample) -> dict[str, Any]:
    """A sample; it is in part until it was completed."""
    when = iso(row.wall)
    return {
        "id": row.id,
        "timeCreated": when,
        "timeModified": when,
        **wire.owned(wire.TENANT),
        "name": row.name,
        "description": row.asked.get("description"),
        "tags": row.tags,
        "region": wire.region(),
        "status": "AVAILABLE" if row.complete else "PARTIAL",
        "metadataValid": True,
        "metadata": [],
    }


def _data(data_id: str) -> dict[str, Any]:
    return {"id": data_id, "urn": f"urn:ilmn:ica:region:data:{data_id}"}
