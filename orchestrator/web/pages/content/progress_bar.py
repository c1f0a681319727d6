"""The progress of a job as segments of a bar, one for each state."""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.domain.model import ItemState
from orchestrator.web.pages.content.formatting import counted, number

WIDTH = 1000
"""Units of the drawing."""
_ORDER = (
    ItemState.SUCCEEDED,
    ItemState.PARTIAL,
    ItemState.FAILED,
    ItemState.ABORTED,
    ItemState.CANCELLED,
    ItemState.ATTENTION,
    ItemState.RUNNING,
    ItemState.SUBMITTED,
    ItemState.PENDING,
)
_LEAST = 6
"""Units of the narrowest segment: one failure of a hundred thousand items is visible too."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One state of a bar."""

    state: ItemState
    count: int
    x: int
    width: int


@dataclass(frozen=True, slots=True)
class ProgressBar:
    """A drawing with its text."""

    segments: tuple[Segment, ...]
    total: int
    final: int

    @property
    def text(self) -> str:
        """What the drawing shows, for a screen reader: `300 items: 200 succeeded, 100 running`."""
        states = ", ".join(f"{number(each.count)} {each.state}" for each in self.segments)
        return f"{counted(self.total, 'item')}: {states}" if states else "no items"


def progress_bar(counts: Mapping[ItemState, int]) -> ProgressBar:
    """The segments of a job's counts, final states first."""
    present = [(state, counts[state]) for state in _ORDER if counts.get(state)]
    total = sum(count for _, count in present)
    final = sum(count for state, count in present if state.final)
    widths = _widths([count for _, count in present], total)
    segments, x = [], 0
    for (state, count), width in zip(present, widths, strict=True):
        segments.append(Segment(state, count, x, width))
        x += width
    return ProgressBar(tuple(segments), total, final)


def _widths(counts: list[int], total: int) -> list[int]:
    """Widths that add up to `WIDTH`; what the narrow ones get too much, the widest gives."""
    widths = [max(_LEAST, round(WIDTH * count / total)) for count in counts]
    if widths:
        widths[widths.index(max(widths))] += WIDTH - sum(widths)
    return widths
