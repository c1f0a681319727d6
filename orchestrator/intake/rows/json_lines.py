"""One line of JSON lines as a row of texts: a flat object; numbers keep their digits, null is empty text."""

import json
from typing import Any

from orchestrator.intake.reading.text import CONTROL

_ONE_OBJECT = "one flat object a line; is it CSV? then name it .csv"
SEVERAL_LINES = (
    "is JSON over several lines, not JSON lines",
    "write one object a line: `jq -c .[]`, or in pandas `to_json(path, orient='records', lines=True)`",
)
"""Message and remedy for a file that holds one list, or whose objects are spread over lines."""


class NoRowError(ValueError):
    """A line of JSON lines that is no row."""

    def __init__(self, what: str, remedy: str = _ONE_OBJECT, keys: tuple[str, ...] | None = None) -> None:
        """`keys` are those of the row, where they could be read."""
        super().__init__(what)
        self.remedy = remedy
        self.keys = keys


def flat(line: str) -> dict[str, str]:
    """One line as a row. Raises NoRowError."""
    try:
        pairs = json.loads(line, object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=_NotANumber)
    except RecursionError:
        raise NoRowError("is nested too deep") from None
    except json.JSONDecodeError as error:
        raise _not_json(error, line) from None
    if not isinstance(pairs, _Pairs) and isinstance(pairs, list) and any(isinstance(each, _Pairs) for each in pairs):
        raise NoRowError("is a list of rows in JSON, not JSON lines", SEVERAL_LINES[1])
    if not isinstance(pairs, _Pairs):
        raise NoRowError("is not an object")
    row: dict[str, str] = {}
    for name, value in pairs:
        key = _whole(name, name).strip()
        if key in row:
            raise NoRowError(f"has the key {key!r} twice", "a key may stand once in a row")
        try:
            row[key] = _cell(key, value).strip()
        except NoRowError as error:
            error.keys = tuple(name.strip() for name, _ in pairs)
            raise
    return row


def _not_json(error: json.JSONDecodeError, line: str) -> NoRowError:
    """What is wrong with a line, without the terms of Python's reader."""
    where = f"at column {error.colno}"
    if error.msg.startswith("Extra data"):
        return NoRowError(f"is not JSON: something stands behind the object {where}")
    if error.msg.startswith("Unterminated string") or not line[error.pos :].strip():
        return NoRowError("is not JSON: a quote or bracket is never closed", "was the line cut? one object a line")
    if line[error.pos : error.pos + 1] == "'":
        return NoRowError(f"is not JSON: it has single quotes {where}", 'JSON has double quotes: {"sample": "S01"}')
    return NoRowError(f"is not JSON: it cannot be read {where}")


def _cell(key: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case _NotANumber():
            raise NoRowError(f"holds {value} under {key!r}, which is no JSON", "write null for what is empty")
        case str():
            return _whole(key, value)
        case _:
            remedy = "one flat object a line: write it in the `template`, and its ids in columns"
            raise NoRowError(f"holds a list or an object under {key!r}", remedy)


def _whole(key: str, text: str) -> str:
    if not text.isprintable():
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise NoRowError(f"holds half a character (a lone surrogate) under {key!r}")
        if CONTROL.search(text):
            raise NoRowError(f"holds a control character under {key!r}")
    return text


class _Pairs(list[tuple[str, Any]]):
    """An object whose keys have not been counted yet."""


class _NotANumber(str):
    """NaN or Infinity, as Python writes them."""

    __slots__ = ()
