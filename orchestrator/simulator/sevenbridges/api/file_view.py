"""A file as JSON."""

from typing import Any

from orchestrator.simulator.sevenbridges.protocol.call import Asked, time_or_none
from orchestrator.simulator.sevenbridges.work.things import File

_SIZE = 1024


def show_file(file: File, asked: Asked) -> dict[str, Any]:
    """All fields."""
    return {
        "href": asked.href(f"/files/{file.id}"),
        "id": file.id,
        "name": file.name,
        "size": _SIZE,
        "project": file.project,
        "parent": file.parent,
        "type": "file",
        "created_on": time_or_none(file.wall),
        "modified_on": time_or_none(file.wall),
        "metadata": dict(file.metadata),
        "tags": list(file.tags),
        "storage": {"type": "VOLUME" if file.exported else "PLATFORM"},
        "origin": {},
    }
