"""Long lists as parameters of several statements."""

from collections.abc import Sequence
from typing import TypeVar

Value = TypeVar("Value")


def chunks(values: Sequence[Value], size: int = 1000) -> list[Sequence[Value]]:
    """Slices small enough to be the parameters of one statement."""
    return [values[start : start + size] for start in range(0, len(values), size)]
