"""Templates: `${column}` filled from a table row, and the deep merge of a template under an item.

A text that is nothing but one placeholder may be typed (`${n:int}`), a list (`${ids[]}`) or left out where the cell is
empty (`${?r2}`). A list among the elements of a list adds its own elements. An object in a list is left out where all
of its placeholders are. Under a key that takes one text alone (`repeats`), a list makes an object for each of its
values, and an empty cell of an optional placeholder leaves the object out.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from orchestrator.domain.messages.mistake import Mistake, Path
from orchestrator.domain.queue_file.placeholder import LEFT_OUT, LeftOut, Placeholder, Row, parse

_MARK = re.compile(r"\$(?:\$|\{([^{}]*)\}|(\{))")
"""`$$`, `${column}`, or a `${` that is never closed. Any other `$` is itself."""

MOST_PLACEHOLDERS = 10_000
"""Placeholders of one template: each is filled for every row."""

Fill = Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A template taken apart once, to be filled for each of many rows."""

    fill: Fill
    """The template's value for one row; a part without columns is shared between rows, so nothing may change it."""
    """Raises CellError where a cell does not hold what a placeholder asks for."""
    columns: frozenset[str]
    mistakes: tuple[Mistake, ...]
    mixed: tuple[tuple[Path, str, tuple[str, ...]], ...] = ()
    """Each text that holds more than one placeholder alone: where it is, the text, and the columns in it."""


def compile_template(
    value: Any,  # noqa: ANN401 - any JSON value
    path: Path = (),
    columns: Collection[str] = (),
    repeats: AbstractSet[str] = frozenset(),
) -> Template:
    """Take a template apart, for a table of these columns. Its mistakes have their paths below `path`.

    `repeats` are keys that take one text alone: a list in such a place makes an object for each of its values.
    """
    compiler = _Compiler(columns, repeats)
    if (place := _where_too_many(value, path)) is not None:
        message = f"the template has more than {MOST_PLACEHOLDERS} placeholders"
        return Template(lambda _row: None, frozenset(), (Mistake(message, "use fewer of them", place),))
    part = compiler.compiled(value, path)
    fill = part.fill or (lambda _row: part.constant)
    return Template(fill, frozenset(compiler.used), tuple(compiler.mistakes), tuple(compiler.mixed))


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
    """What each placeholder of a template says between its braces, with where."""
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


def value_at(value: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON values
    """What stands at a path; None where nothing does."""
    inner, left = _follow(value, path)
    return None if left else inner


def filled_at(value: Any, path: Path) -> str | None:  # noqa: ANN401 - any JSON value
    """The text of a template that fills what stands at a path from a row; None where no row changes anything."""
    inner, left = _follow(value, path)
    if isinstance(inner, list):  # it has fewer elements than what is made of it
        elements = (_follow(each, left[1:])[0] for each in inner)
        inner = next((each for each in elements if isinstance(each, str) and _changes_length(each)), None)
    return inner if isinstance(inner, str) and any(True for _ in uses_of(inner)) else None


def _changes_length(text: str) -> bool:
    return any(parse(inside).many or parse(inside).optional for inside, _ in uses_of(text))


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
    spliced: bool = False
    """Among the elements of a list it adds its own elements."""
    optional: bool = False
    """Its value may be LEFT_OUT."""
    as_element: Fill | None = None
    """In place of `fill` among the elements of a list: its value may be LEFT_OUT there."""


class _Compiler:
    def __init__(self, columns: Collection[str], repeats: AbstractSet[str]) -> None:
        self._columns = columns
        self._repeats = repeats
        self.used: set[str] = set()
        self.mistakes: list[Mistake] = []
        self.mixed: list[tuple[Path, str, tuple[str, ...]]] = []

    def compiled(self, value: Any, path: Path) -> _Part:  # noqa: ANN401 - any JSON value
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, dict):
            return _object({key: self.compiled(part, (*path, key)) for key, part in value.items()}, self._repeats)
        if isinstance(value, list):
            return _list([self.compiled(part, (*path, index)) for index, part in enumerate(value)])
        return _Part(value, None)

    def _text(self, text: str, path: Path) -> _Part:
        used: list[Placeholder] = []
        pattern = ""  # for `%`
        end = 0
        for match in _MARK.finditer(text):
            if match[2]:
                self.mistakes.append(Mistake("`${` is never closed by `}`", "write `$${` for the two characters", path))
            pattern += _literal(text[end : match.start()]) + ("$" if match[0] == "$$" else "")
            end = match.end()
            if match[1] is not None:
                used.append(parse(match[1], self._columns))
                pattern += "%s"
        pattern += _literal(text[end:])
        self.used.update(each.column for each in used)
        if not used:
            return _Part(pattern % (), None)
        if pattern == "%s":
            (alone,) = used
            return _Part(None, alone.value, alone.many, alone.optional)
        self.mixed.append((path, text, tuple(each.column for each in used)))
        if typed := next((each for each in used if not each.is_plain), None):
            message = f"`{text}` has a typed, optional or list placeholder inside a longer text"
            remedy = f"let it stand alone, or write `${{{typed.column}}}`"
            self.mistakes.append(Mistake(message, remedy, path))
        values = [each.value for each in used]
        return _Part(None, lambda row: pattern % tuple(value(row) for value in values))


def _object(fields: Mapping[str, _Part], repeats: AbstractSet[str]) -> _Part:
    whole = {key: part.constant for key, part in fields.items()}
    filled = [(key, part.fill) for key, part in fields.items() if part.fill]
    optional = [key for key, part in fields.items() if part.optional]

    def fill(row: Row) -> dict[str, Any]:
        value = whole.copy()
        for key, fill_part in filled:
            value[key] = fill_part(row)
        for key in optional:
            if value[key] is LEFT_OUT:
                del value[key]
        return value

    if not filled:
        return _Part(whole, None)
    for key in sorted(repeats & fields.keys()):
        if fields[key].spliced:
            return _Part(None, _one_each(fill, key), spliced=True)
        if fields[key].optional:
            return _Part(None, _left_out_without(fill, [key]), optional=True)
    return _Part(None, fill, as_element=_left_out_without(fill, optional) if len(optional) == len(filled) else None)


def _one_each(fill: Fill, key: str) -> Fill:
    """An object for each value of the list that is filled in at its key; none where that is left out."""

    def fill_each(row: Row) -> list[dict[str, Any]]:
        value = fill(row)
        return [value | {key: each} for each in value.get(key, ())]

    return fill_each


def _left_out_without(fill: Fill, keys: Sequence[str]) -> Fill:
    """The object, left out where all of these keys are."""

    def fill_or_leave_out(row: Row) -> dict[str, Any] | LeftOut:
        value: dict[str, Any] = fill(row)
        return value if any(key in value for key in keys) else LEFT_OUT

    return fill_or_leave_out


def _list(parts: Sequence[_Part]) -> _Part:
    whole = [part.constant for part in parts]
    filled = [(index, own) for index, part in enumerate(parts) if (own := part.as_element or part.fill)]

    def fill(row: Row) -> list[Any]:
        value = whole.copy()
        for index, fill_part in filled:
            value[index] = fill_part(row)
        return value

    def fill_any_length(row: Row) -> list[Any]:
        value: list[Any] = []
        for part, each in zip(parts, fill(row), strict=True):
            if each is LEFT_OUT:
                continue
            if part.spliced:
                value += each
            else:
                value.append(each)
        return value

    if not filled:
        return _Part(whole, None)
    return _Part(None, fill_any_length if any(map(_varies, parts)) else fill)


def _varies(part: _Part) -> bool:
    """Whether a list has more or fewer elements because of this one."""
    return part.spliced or part.optional or part.as_element is not None


def _literal(text: str) -> str:
    return text.replace("%", "%%")
