"""`/openapi.json`: what FastAPI makes of the routes, with the queue file's schema and what a request must prove."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from orchestrator.domain.queue_file.model import QueueFile
from orchestrator.web.guard import FORM, PROBES, QUEUE_FILE_SUFFIXES

_SCHEMAS = "#/components/schemas/{model}"
_TOKEN = "token"  # noqa: S105 - the name of the scheme
_READS = frozenset({"get", "head"})
_FORM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "One queue file, and the tables that it names; each part has a file name.",
    "minProperties": 1,
    "additionalProperties": {"type": "string", "format": "binary"},
}


def describe(app: FastAPI, *, has_token: bool) -> None:
    """Let the app describe itself; `has_token`: whether a token is configured, without which none is ever asked for."""
    described: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not described:
            described.update(_document(app, has_token=has_token))
        return described

    # FastAPI documents this as the way to extend what it generates.
    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, *, has_token: bool) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {})
    components["schemas"] = components.get("schemas", {}) | _queue_file()
    if has_token:
        text = "The server's token. On this machine, reads need none."
        components["securitySchemes"] = {_TOKEN: {"type": "http", "scheme": "bearer", "description": text}}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["security"] = _security(path, method, has_token=has_token)
    document["paths"]["/api/v1/queue"]["post"]["requestBody"] = _queue_file_body(has_token=has_token)
    return document


def _queue_file_body(*, has_token: bool) -> dict[str, Any]:
    """A form is taken with the token alone, as a page of another origin can send one."""
    content = {media: {"schema": {"$ref": _SCHEMAS.format(model="QueueFile")}} for media in QUEUE_FILE_SUFFIXES}
    if has_token:
        content[FORM] = {"schema": dict(_FORM_SCHEMA)}
    text = "A queue file. `orchestrator schema` prints its JSON Schema with the fields of every kind of work."
    return {"required": True, "description": text, "content": content}


def _security(path: str, method: str, *, has_token: bool) -> list[dict[str, list[str]]]:
    """Alternatives, of which the empty one is a request without a token; no alternatives: nothing to prove."""
    if not has_token or path in PROBES:
        return []
    needed: dict[str, list[str]] = {_TOKEN: []}
    return [{}, needed] if method in _READS else [needed]


def _queue_file() -> dict[str, Any]:
    """The schemas of a queue file, without the fields of each kind of work."""
    schema = QueueFile.model_json_schema(ref_template=_SCHEMAS)
    definitions: dict[str, Any] = schema.pop("$defs")
    return definitions | {"QueueFile": schema}
