"""The events that YAML and JSON are read as: ijson's, with one event for all scalars."""

from collections.abc import Iterator
from typing import Any, Protocol

from orchestrator.domain.messages.mistake import Mistake
from orchestrator.intake.reading.text import MalformedTextError

START_MAP, END_MAP = "start_map", "end_map"
START_ARRAY, END_ARRAY = "start_array", "end_array"
MAP_KEY = "map_key"
SCALAR = "scalar"

ParsedEvent = tuple[str, Any]
"""An event and its value: the text of a key, the value of a scalar, None otherwise."""

DEEPEST = 64
"""Levels of a document."""

LONGEST_NUMBER = 1000
"""Digits of a number. Longer ones are text that lost its quotes."""


class Events(Protocol):
    """A document as a stream of events. Iterating raises MalformedTextError where the text is no document."""

    def __iter__(self) -> Iterator[ParsedEvent]: ...

    @property
    def line(self) -> int | None:
        """The line of the last event, where it is known."""
        ...

    def values(self, levels: int) -> Iterator[bytes]:
        """The next values of a list, as `canonical` spells them; asked for at its start, or after one of its values.

        Only as many as can be read faster than as events, perhaps none; they contain no mistakes of syntax, and
        are nested no deeper than `levels`. The events continue after them, and raise what was wrong.
        """
        ...


def bad_number(line: int | None) -> MalformedTextError:
    """A number that is too large."""
    return MalformedTextError(Mistake("a number is too large to keep", "write it in quotes", line=line))
