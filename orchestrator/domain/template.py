"""Templates: `${column}` filled from a table row, and the deep merge of a template under an item."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain.mistake import Mistake, Path

_MARK = re.compile(r"\$(?:\$|\{([^{}]*)\}|(\{))")
"""`$$`, `${column}`, or a `${` that is never closed. Any other `$` is itself."""

Row = Mapping[str, str]
Fill = Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A template taken apart once, to be filled for each of many rows."""

    fill: Fill
    """The template's value for one row; a part without columns is shared between rows, so nothing may change it."""
    columns: frozenset[str]
    mistakes: tuple[Mistake, ...]


def compile_template(value: Any, path: Path = ()) -> Template:  # noqa: ANN401 - any JSON value
    """Take a template apart. Its mistakes are told below `path`."""
    columns: set[str] = set()
    mistakes: list[Mistake] = []
    fill = _compiled(value, path, columns, mistakes)
    return Template(fill, frozenset(columns), tuple(mistakes))


def merge(under: Any, over: Any) -> Any:  # noqa: ANN401 - any JSON values
    """`over` laid on `under`: objects are merged key by key, anything else (lists too) replaces what lies below."""
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    merged = dict(under)
    for key, value in over.items():
        merged[key] = merge(under[key], value) if key in under else value
    return merged


def uses_of(value: Any, path: Path = ()) -> Iterator[tuple[str, Path]]:  # noqa: ANN401 - any JSON value
    """Each column that a template names, with where."""
    if isinstance(value, str):
        yield from ((match[1], path) for match in _MARK.finditer(value) if match[1] is not None)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from uses_of(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from uses_of(part, (*path, index))


def _compiled(value: Any, path: Path, columns: set[str], mistakes: list[Mistake]) -> Fill:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _text(value, path, columns, mistakes)
    if isinstance(value, dict):
        fields = {key: _compiled(part, (*path, key), columns, mistakes) for key, part in value.items()}
        fill: Fill = lambda row: {key: part(row) for key, part in fields.items()}  # noqa: E731 - a value, as its siblings
    elif isinstance(value, list):
        parts = [_compiled(part, (*path, index), columns, mistakes) for index, part in enumerate(value)]
        fill = lambda row: [part(row) for part in parts]  # noqa: E731 - a value, as its siblings
    else:
        return lambda _row: value
    if not any(uses_of(value)):
        constant = fill({})
        return lambda _row: constant
    return fill


def _text(text: str, path: Path, columns: set[str], mistakes: list[Mistake]) -> Fill:
    pieces: list[tuple[str, str | None]] = []
    end = 0
    for match in _MARK.finditer(text):
        if match[2]:
            mistakes.append(Mistake("`${` is never closed by `}`", "write `$${` for the two characters", path))
        literal = text[end : match.start()] + ("$" if match[0] == "$$" else "")
        pieces.append((literal, match[1]))
        end = match.end()
        if match[1] is not None:
            columns.add(match[1])
    rest = text[end:]
    if not any(column is not None for _, column in pieces):
        constant = "".join(literal for literal, _ in pieces) + rest
        return lambda _row: constant
    return lambda row: "".join(literal + ("" if column is None else row[column]) for literal, column in pieces) + rest
