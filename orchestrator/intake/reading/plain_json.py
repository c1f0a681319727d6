"""Reads ordinary JSON values as a whole, several times faster than event by event.

Only a value without anything unusual is taken. Everything else, from a duplicate key to an unpaired surrogate, is
left to the events, which find the mistakes and report them. So this may refuse valid values, and never takes what the
events would report.
"""

import json
import re
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from orchestrator.domain.queue_file.estimate import canonical

LONGEST = 200_000
"""Characters of a value: too few to hold more values than an item may."""

_END = re.compile(r"[ \t\n\r]*([,\]])")
_SPACE = re.compile(r"[ \t\n\r]+")
_AWKWARD = re.compile(r"(?<!\\)(?:\\\\)*\\(?:[bf]|u00(?:[01789]|3[aA]))")
"""Escapes of control characters; and of the colon, since colons are counted."""


class Plain(NamedTuple):
    """One value of a list."""

    spelling: bytes
    """As `canonical` has it."""
    end: int
    """Where the comma or bracket stands that ends it."""
    last: bool


def take_plain(text: str, start: int, levels: int) -> Plain | None:
    """The value of a list that begins at `start`, nested no deeper than `levels`; None where none is to be had."""
    if space := _SPACE.match(text, start):
        start = space.end()
    try:
        value, end = _decode(text, start)
        spelling = canonical(value)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    closed = _END.match(text, end)
    if closed is None or not _is_plain(text, start, end):
        return None
    # A key that stood twice is gone by now, with its colon; in texts there are as many of them as before.
    if text.count(":", start, end) != spelling.count(b":"):
        return None
    if spelling.count(b"{") + spelling.count(b"[") > levels and not _fits(value, levels):
        return None
    return Plain(spelling, closed.start(1), closed[1] == "]")


def _is_plain(text: str, start: int, end: int) -> bool:
    if end - start > LONGEST:
        return False
    return text.find("\\", start, end) < 0 or _AWKWARD.search(text, start, end) is None


def _fits(value: Any, levels: int) -> bool:  # noqa: ANN401 - any JSON value
    """Whether lists and objects are nested no deeper than that."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_fits(each, levels - 1) for each in inner)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decode = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant).raw_decode
