"""The drawing of a time line: how many items were submitted, and how they ended, as shapes of an SVG image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import ItemState
from orchestrator.domain.units import DAY
from orchestrator.engine.report.outcome import BINS, Timeline, cumulated, states_in_order

WIDTH, HEIGHT = 760, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 12, 30
_ROWS = 8
"""Lines of the table that says the same as the drawing."""
_MOST_TICKS = 7
_MINUTE, _HOUR = 60, 3600
_STEPS = (1, 2, 5, 10, 15, 30)
_STEPS_S = (
    *_STEPS,
    *(step * _MINUTE for step in _STEPS),
    *(step * _HOUR for step in (1, 2, 3, 6, 12)),
    *(step * 24 * _HOUR for step in (1, 2, 7, 14, 30, 90, 180, 365, 3650)),
)
"""Seconds between two marks of the time axis."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Area:
    """The items that ended in one state."""

    state: ItemState
    path: str


@dataclass(frozen=True, slots=True)
class Row:
    """The numbers at one time, for those who cannot see the drawing."""

    at: Micros
    submitted: int
    ended: Sequence[int]
    """One number for each of the chart's areas."""


@dataclass(frozen=True, slots=True)
class Chart:
    """What the page draws."""

    areas: Sequence[Area]
    submitted: str
    """The path of the line of submitted items."""
    columns: Sequence[Tick]
    """Of the time axis."""
    lines: Sequence[Tick]
    """Of the axis of numbers."""
    rows: Sequence[Row]


def draw(timeline: Timeline, total: int) -> Chart | None:
    """The chart of `total` items; None if none was submitted and none has ended."""
    states = states_in_order(timeline.ended)
    if not states and not any(timeline.submitted):
        return None
    total = max(total, 1, sum(timeline.submitted), sum(map(sum, timeline.ended.values())))
    submitted = list(cumulated(timeline.submitted))
    ended = [list(cumulated(timeline.ended[state])) for state in states]
    areas, below = [], [0] * (BINS + 1)
    for state, numbers in zip(states, ended, strict=True):
        above = [low + number for low, number in zip(below, numbers, strict=True)]
        areas.append(Area(state, _closed(above, below, total)))
        below = above
    rows = [
        Row(timeline.time(bins), submitted[bins], [numbers[bins] for numbers in ended])
        for bins in range(BINS // _ROWS, BINS + 1, BINS // _ROWS)
    ]
    lines = [Tick(_y(number, total), f"{number:,}") for number in sorted({0, total // 2, total})]
    return Chart(areas, f"M{_points(submitted, total)}", list(_columns(timeline)), lines, rows)


def _closed(above: Sequence[int], below: Sequence[int], total: int) -> str:
    back = [f"{_x(bins):.1f},{_y(below[bins], total):.1f}" for bins in range(BINS, -1, -1)]
    return f"M{_points(above, total)}L{' '.join(back)}Z"


def _points(numbers: Sequence[int], total: int) -> str:
    return " ".join(f"{_x(bins):.1f},{_y(number, total):.1f}" for bins, number in enumerate(numbers))


def _x(bins: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * bins / BINS


def _y(number: int, total: int) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * number / total


def _columns(timeline: Timeline) -> Iterator[Tick]:
    length = (timeline.end - timeline.start) / SECOND
    step = next((each for each in _STEPS_S if length / each <= _MOST_TICKS), _STEPS_S[-1])
    first = -(-timeline.start // (step * SECOND)) * step * SECOND
    for at in range(first, timeline.end + 1, step * SECOND):
        yield Tick(_x((at - timeline.start) * BINS / (timeline.end - timeline.start)), _label(at, step))


def _label(at: Micros, step: int) -> str:
    stamp = datetime.fromtimestamp(at // SECOND, tz=UTC)
    if at % DAY == 0:
        return f"{stamp.day} {stamp:%b}" if step < 365 * 24 * _HOUR else f"{stamp:%b %Y}"
    return f"{stamp:%H:%M:%S}" if step < _MINUTE else f"{stamp:%H:%M}"
