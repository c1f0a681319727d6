"""Templates: `${column}` filled from a table row, and the deep merge of a template under an item."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from orchestrator.domain.mistake import Mistake, Path

_MARK = re.compile(r"\$(?:\$|\{([^{}]*)\}|(\{))")
"""`$$`, `${column}`, or a `${` that is never closed. Any other `$` is itself."""

MOST_PLACEHOLDERS = 10_000
"""Placeholders of one template: each is filled for every row."""

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
    if (place := _where_too_many(value, path)) is not None:
        message = f"the template has more than {MOST_PLACEHOLDERS} placeholders"
        return Template(lambda _row: None, frozenset(), (Mistake(message, "use fewer of them", place),))
    part = _compiled(value, path, columns, mistakes)
    fill = part.fill or (lambda _row: part.constant)
    return Template(fill, frozenset(columns), tuple(mistakes))


def _where_too_many(value: Any, path: Path) -> Path | None:  # noqa: ANN401 - any JSON value
    """Where the placeholder stands that is one too many; None where there are not too many."""
    return next((place for _, place in islice(uses_of(value, path), MOST_PLACEHOLDERS, None)), None)


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


def reaches(value: Any, path: Path) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a value settles what stands at a path: it is there, or something without such keys is in its way."""
    inner, left = _follow(value, path)
    return not (left and isinstance(inner, dict))


def filled_at(value: Any, path: Path) -> str | None:  # noqa: ANN401 - any JSON value
    """The text of a template that fills what stands at a path from a row; None where no row changes anything."""
    inner, _ = _follow(value, path)
    return inner if isinstance(inner, str) and any(True for _ in uses_of(inner)) else None


def _follow(value: Any, path: Path) -> tuple[Any, Path]:  # noqa: ANN401 - any JSON value
    """The innermost value on the way along a path, and the part of the path that is left there."""
    for index, part in enumerate(path):
        match value, part:
            case dict(), _ if part in value:
                value = value[part]
            case list(), int() if part < len(value):
                value = value[part]
            case _:
                return value, path[index:]
    return value, ()


class _Part(NamedTuple):
    """A value of a template: the same for every row, or filled."""

    constant: Any
    fill: Fill | None


def _compiled(value: Any, path: Path, columns: set[str], mistakes: list[Mistake]) -> _Part:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return _text(value, path, columns, mistakes)
    if isinstance(value, dict):
        fields = {key: _compiled(part, (*path, key), columns, mistakes) for key, part in value.items()}
        return _object(fields)
    if isinstance(value, list):
        return _list([_compiled(part, (*path, index), columns, mistakes) for index, part in enumerate(value)])
    return _Part(value, None)


def _object(fields: Mapping[str, _Part]) -> _Part:
    whole = {key: part.constant for key, part in fields.items()}
    filled = [(key, part.fill) for key, part in fields.items() if part.fill]

    def fill(row: Row) -> dict[str, Any]:
        value = whole.copy()
        for key, fill_part in filled:
            value[key] = fill_part(row)
        return value

    return _Part(None, fill) if filled else _Part(whole, None)


def _list(parts: Sequence[_Part]) -> _Part:
    whole = [part.constant for part in parts]
    filled = [(index, part.fill) for index, part in enumerate(parts) if part.fill]

    def fill(row: Row) -> list[Any]:
        value = whole.copy()
        for index, fill_part in filled:
            value[index] = fill_part(row)
        return value

    return _Part(None, fill) if filled else _Part(whole, None)


def _text(text: str, path: Path, columns: set[str], mistakes: list[Mistake]) -> _Part:
    used: list[str] = []
    pattern = ""  # for `%`
    end = 0
    for match in _MARK.finditer(text):
        if match[2]:
            mistakes.append(Mistake("`${` is never closed by `}`", "write `$${` for the two characters", path))
        pattern += _literal(text[end : match.start()]) + ("$" if match[0] == "$$" else "")
        end = match.end()
        if match[1] is not None:
            used.append(match[1])
            pattern += "%s"
    pattern += _literal(text[end:])
    columns.update(used)
    if not used:
        return _Part(pattern % (), None)
    cells = itemgetter(*used)  # one cell, or a tuple of them
    return _Part(None, cells if pattern == "%s" else lambda row: pattern % cells(row))


def _literal(text: str) -> str:
    return text.replace("%", "%%")
