"""The toy platform as tests set it up."""

from typing import Any

from platform_setups import PlatformSetup

from orchestrator.platforms.http.responses import unclassified
from toy.adapter import Toy
from toy.server import Server


def _request(kind: str, key: str) -> dict[str, Any]:
    return {"tasks": {"name": key, "parts": int(key.partition("x")[2] or 0)}, "copies": {"source": key}}.get(
        kind, {"id": key}
    )


TOY = PlatformSetup(
    name="toy",
    simulate=lambda clock, **_knobs: Server(clock),
    connect=Toy,
    kinds={"tasks": "toy.task", "copies": "toy.file_copy", "sessions": "toy.session"},
    engines={},
    request=_request,
    classify=unclassified,
    project="",
)
