"""Finds the line of a value in a document, only when a message needs it."""

import contextlib
from collections.abc import Generator, Iterable

from orchestrator.domain.messages.mistake import Path
from orchestrator.intake.reading.parse_events import (
    DEEPEST,
    END_ARRAY,
    END_MAP,
    MAP_KEY,
    START_ARRAY,
    START_MAP,
    Events,
)
from orchestrator.intake.reading.text import MalformedTextError

SLICE = 10_000
"""Events after which others may work."""
MOST_EVENTS = 1_000_000
"""Events that are read for the sake of lines; what stands behind them has the line of what is around it."""


def lines_of(events: Events, paths: Iterable[Path]) -> Generator[None, None, dict[Path, int]]:
    """The line of each path, or of the nearest thing around it that is there; yields now and then."""
    wanted = {path[:length] for path in paths for length in range(len(path) + 1)}
    found: dict[Path, int] = {}
    with contextlib.suppress(MalformedTextError):  # reported already; the lines before it were found
        yield from _collect(events, wanted, found)
    return {path: line for path in wanted if (line := _nearest(path, found)) is not None}


def _nearest(path: Path, found: dict[Path, int]) -> int | None:
    return next((found[path[:length]] for length in range(len(path), 0, -1) if path[:length] in found), None)


def _collect(events: Events, wanted: set[Path], found: dict[Path, int]) -> Generator[None, None, None]:
    trail: list[str | int] = []  # the key or index of the value that comes next, in each open container
    for number, (event, value) in enumerate(events, 1):
        if number % SLICE == 0:
            yield
        if len(trail) > DEEPEST or number > MOST_EVENTS:
            return  # the reader that found the mistakes went no further
        if event == MAP_KEY:
            trail[-1] = value
            _note(trail, events.line, wanted, found)
            continue
        if event in (END_MAP, END_ARRAY):
            trail.pop()
        else:
            _note(trail, events.line, wanted, found)
            if event in (START_MAP, START_ARRAY):
                trail.append("" if event == START_MAP else 0)
                continue
        if trail and isinstance(trail[-1], int):
            trail[-1] += 1


def _note(trail: list[str | int], line: int | None, wanted: set[Path], found: dict[Path, int]) -> None:
    path = tuple(trail)
    if path in wanted and line is not None:
        found[path] = line  # of a key that occurs twice, the second line is reported
