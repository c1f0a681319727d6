"""The `fields` parameter: which fields of an answer are sent."""

from collections.abc import Mapping
from typing import Any


def selected(document: Mapping[str, Any], fields: str | None) -> Mapping[str, Any]:
    """The document with those fields alone; `_all`, or nothing asked for, gives all. Of a list the rows are cut."""
    if not fields or fields == "_all":
        return document
    names = [name.strip() for name in fields.split(",")]
    if "items" in document:
        return {**document, "items": [_cut(row, names) for row in document["items"]]}
    return _cut(document, names)


def _cut(row: Mapping[str, Any], names: list[str]) -> Mapping[str, Any]:
    """An error row is not cut; `resource.id` keeps the `id` of `resource`."""
    kept: dict[str, Any] = {name: row[name] for name in ("error",) if "resource" not in row and name in row}
    for name in names:
        head, _, rest = name.partition(".")
        if head not in row:
            continue
        if rest and isinstance(row[head], Mapping):
            kept[head] = {**kept.get(head, {}), **_cut(row[head], [rest])}
        elif not rest:
            kept[head] = row[head]
    return kept
