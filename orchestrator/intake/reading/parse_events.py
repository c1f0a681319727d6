"""The one vocabulary that YAML and JSON are read in: ijson's words, with one for every kind of scalar."""

from collections.abc import Iterator
from typing import Any, Protocol

from orchestrator.domain.mistake import Mistake
from orchestrator.intake.reading.text import MalformedTextError

START_MAP, END_MAP = "start_map", "end_map"
START_ARRAY, END_ARRAY = "start_array", "end_array"
MAP_KEY = "map_key"
SCALAR = "scalar"

ParsedEvent = tuple[str, Any]
"""What was met, and its value: the text of a key, the value of a scalar, None otherwise."""

DEEPEST = 64
"""Levels of a document."""

LONGEST_NUMBER = 1000
"""Digits of a number. Longer ones are text that lost its quotes."""


class Events(Protocol):
    """A document as a stream of events. Iterating raises SpoiltError where the text is no document."""

    def __iter__(self) -> Iterator[ParsedEvent]: ...

    @property
    def line(self) -> int | None:
        """The line of the event told last, where it is known."""
        ...

    def values(self, levels: int) -> Iterator[bytes]:
        """The next values of a list, as `canonical` spells them; asked for at its start, or after one of its values.

        As many as can be had faster than as events, none at all perhaps; there is nothing to tell about them, and they
        are nested no deeper than `levels`. The events go on behind them, and raise what was met on the way.
        """
        ...


def bad_number(line: int | None) -> MalformedTextError:
    """A number that no one can mean."""
    return MalformedTextError(Mistake("a number is too large to keep", "write it in quotes", line=line))
