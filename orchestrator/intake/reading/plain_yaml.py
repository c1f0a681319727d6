# ruff: noqa: ANN401 - libyaml's events have no types, and their values are any JSON scalar
"""Reads ordinary YAML items as a whole, faster than event by event through reader and checks.

Only an item without anything unusual is taken. One with an alias, a tag, a duplicate key or an invisible
character is handed back event by event to the code that reports it. So this may refuse valid items, and never
takes what that code would report.
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import yaml

from orchestrator.domain.queue_file.estimate import canonical
from orchestrator.intake.reading.parse_events import LONGEST_NUMBER

LONGEST = 10_000
"""Events of an item. A larger one would take too much memory, since they are kept until it is whole."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_LITERALS = {"null": None, "true": True, "false": False}


def meaning(text: str) -> Any:
    """What an unquoted text stands for: only JSON's own literals are anything but text.

    Raises ValueError or ArithmeticError for a number that is too large.
    """
    if text in _LITERALS:
        return _LITERALS[text]
    if match := _NUMBER.fullmatch(text):
        if len(text) > LONGEST_NUMBER:
            raise ValueError("a number of too many digits")
        return Decimal(text) if match[1] or match[2] else int(text)
    return text


def take_plain(next_event: Callable[[], Any], seen: list[Any], levels: int) -> bytes | None:
    """The object that begins with the one event in `seen`, as `canonical` has it; None where it is not plain.

    What is taken from the parser meanwhile is added to `seen`. Raises what the parser raises.
    """
    if not _opens(seen[0], yaml.MappingStartEvent):
        return None
    try:
        item = _composed(next_event, seen, levels)
    except _NotPlain:
        return None
    return canonical(item)


class _NotPlain(Exception):
    """This item is unusual, and may contain a mistake."""


def _composed(next_event: Callable[[], Any], seen: list[Any], levels: int) -> Any:  # noqa: C901, PLR0912 - one hot loop
    scalar, start_map, start_array = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
    ends = (yaml.MappingEndEvent, yaml.SequenceEndEvent)
    container: Any = {}
    key: str | None = None  # of the value that comes next; None in a list, and where a key comes next
    above: list[tuple[Any, str | None]] = []
    for _ in range(LONGEST):
        event = next_event()
        seen.append(event)
        kind = event.__class__
        expects_key = key is None and container.__class__ is dict
        if kind is scalar:
            value = event.value
            if event.anchor or event.tag or not value.isprintable():
                raise _NotPlain
            if expects_key:
                if value in container or value == "<<":
                    raise _NotPlain
                key = value
                continue
            if not event.style:
                try:
                    value = meaning(value)
                except (ValueError, ArithmeticError):
                    raise _NotPlain from None
        elif kind in ends:
            if not above:
                return container
            value = container
            container, key = above.pop()
        else:
            if expects_key or len(above) + 1 >= levels:
                raise _NotPlain
            above.append((container, key))
            if _opens(event, start_map):
                container = {}
            elif _opens(event, start_array):
                container = []
            else:
                raise _NotPlain
            key = None
            continue
        if key is None:
            container.append(value)
        else:
            container[key], key = value, None
    raise _NotPlain


def _opens(event: Any, kind: Any) -> bool:
    return event.__class__ is kind and not (event.anchor or event.tag)
