"""The queue file as a JSON Schema, for editors: it completes kinds and fields, explains them, and marks what is wrong.

It accepts every file that `validate` accepts. It cannot know everything that `validate` does: what a table holds, names
of accounts, keys that occur twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orchestrator.domain.kinds import NO_ENGINE, Kind, Kinds
from orchestrator.domain.queue_file.model import PATTERNS, QueueFile

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REF = "#/$defs/{model}"
_IN_TEMPLATE = ".template"
_PLACEHOLDER = {"type": "string", "pattern": r"\$\{", "description": "Filled from a column of the table."}
"""What may stand for a value of any type where there is a template."""
_SIMPLE = ("type", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum")

Schema = dict[str, Any]
Refs = Mapping[type[BaseModel], str]
"""Model → where its schema is."""


def json_schema(kinds: Kinds) -> Schema:
    """The document as a JSON Schema (2020-12) with the fields of every kind of work.

    Besides the standard's, it has keywords that editors read and validators ignore: `defaultSnippets` (a whole job of
    each kind), `enumDescriptions` and `patternErrorMessage`.
    """
    schema = QueueFile.model_json_schema()
    refs, definitions = _items_of(kinds)
    schema["$defs"] |= definitions
    job = schema["$defs"]["QueuedJob"]
    job["properties"]["kind"] |= {"enum": list(kinds), "enumDescriptions": [kind.about for kind in kinds.values()]}
    job["properties"]["engine"]["anyOf"][0] |= {"enum": list(kinds.engines)}
    job["allOf"] = [_if_kind(kind, refs) for kind in kinds.values()]
    jobs = schema["properties"]["jobs"]["items"]
    jobs["defaultSnippets"] = [
        {"label": kind.name, "description": kind.about, "body": dict(kind.example_job)}
        for kind in kinds.values()
        if kind.example
    ]
    examples = [{"version": 1, "jobs": [dict(kind.example_job)]} for kind in kinds.values() if kind.example]
    _tidy(schema, PATTERNS | {pattern: text for kind in kinds.values() for pattern, text in kind.patterns.items()})
    return {"$schema": DIALECT, **schema, "title": "Queue file, version 1", "examples": examples}


def _items_of(kinds: Kinds) -> tuple[Refs, Schema]:
    """Where the schema of each model of an item or of options is, and the definitions with those beside a template."""
    models = {model: None for kind in kinds.values() for model in kind.models.values()}
    models |= {kind.options: None for kind in kinds.values() if kind.options is not None}
    found, document = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    definitions: Schema = document.get("$defs", {})
    relaxed = {f"{name}{_IN_TEMPLATE}": _relaxed(schema) for name, schema in definitions.items()}
    return {model: found[model, "validation"]["$ref"] for model in models}, definitions | relaxed


def _if_kind(kind: Kind, refs: Refs) -> Schema:
    """What holds for a job of this kind."""
    required: list[str] = []
    then: Schema = {
        "properties": {},
        "required": required,
        "examples": [dict(kind.example_job)] if kind.example else [],
    }
    if kind.project is None:
        then["properties"]["project"] = {"type": "null"}
    else:
        described = kind.patterns.get(kind.project, "")
        then["properties"]["project"] = {"pattern": kind.project, "patternErrorMessage": f"The project {described}"}
        required.append("project")
    if kind.options is not None:
        then["properties"]["options"] = {"$ref": refs[kind.options]}
    if kind.engines:
        required.append("engine")
        then["properties"]["engine"] = {"enum": list(kind.engines)}
        items = [(engine, _items(refs[kind.models[engine]])) for engine in kind.engines]
        then["allOf"] = [_conditional("engine", engine, schema) for engine, schema in items]
    else:
        then |= _items(refs[kind.models[NO_ENGINE]])
    return _conditional("kind", kind.name, then)


def _conditional(key: str, value: str, then: Schema) -> Schema:
    return {"if": {"properties": {key: {"const": value}}, "required": [key]}, "then": then}


def _items(ref: str) -> Schema:
    """The items of a job: whole objects, or what is laid over a template."""
    relaxed = {"$ref": f"{ref}{_IN_TEMPLATE}"}
    return {
        "if": {"required": ["template"]},
        "then": {"properties": {"template": relaxed, "items": {"items": relaxed}}},
        "else": {"properties": {"items": {"items": {"$ref": ref}}}},
    }


# ---------------------------------------------------------------- schemas of items


def _relaxed(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """The schema of a part of an object: nothing is required, and a placeholder may stand for every value."""
    match schema:
        case {"$ref": str(ref)}:
            relaxed = schema | {"$ref": f"{ref}{_IN_TEMPLATE}"}
        case {"type": "object"} | {"properties": _}:
            relaxed = {key: _relaxed_part(key, part) for key, part in schema.items() if key != "required"}
        case {"type": "array"}:
            relaxed = {"anyOf": [{key: _relaxed_part(key, part) for key, part in schema.items()}, _PLACEHOLDER]}
        case {"anyOf": [*choices]} | {"oneOf": [*choices]}:
            rest = {key: part for key, part in schema.items() if key not in ("anyOf", "oneOf", "discriminator")}
            relaxed = rest | {"anyOf": [_relaxed(choice) for choice in choices]}
        case {"type": str(name)} if name != "null":
            own = {key: part for key, part in schema.items() if key in _SIMPLE}
            rest = {key: part for key, part in schema.items() if key not in _SIMPLE}
            relaxed = rest | {"anyOf": [own, _PLACEHOLDER]}
        case _:
            relaxed = schema
    return relaxed


def _relaxed_part(key: str, part: Any) -> Any:  # noqa: ANN401 - as above
    match key:
        case "properties":
            return {name: _relaxed(each) for name, each in part.items()}
        case "items":
            return _relaxed(part)
        case _:
            return part


def _tidy(schema: Schema, patterns: Mapping[str, str]) -> None:
    """Remove the titles that are made of names, and add what a pattern means."""
    for part in _parts(schema):
        if isinstance(part.get("title"), str):
            del part["title"]
        if isinstance(pattern := part.get("pattern"), str) and (described := patterns.get(pattern)):
            part.setdefault("patternErrorMessage", f"The value {described}")


def _parts(schema: object) -> Iterator[Schema]:
    """Every object of a schema that is a schema itself, or may be one; not the examples, which are documents."""
    if isinstance(schema, dict):
        yield schema
        parts: Sequence[object] = [part for key, part in schema.items() if key not in ("examples", "defaultSnippets")]
    elif isinstance(schema, list):
        parts = schema
    else:
        return
    for part in parts:
        yield from _parts(part)
