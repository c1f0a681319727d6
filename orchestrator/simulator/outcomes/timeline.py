"""Which status a thing has at which instant: laid down when it is created, read off the clock ever after.

Nothing runs in the background. A timeline lists instants of the monotonic clock and the status that begins at each.
"""

import zlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_SLOW = 10.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """Instants in ascending order, and the status that begins at each."""

    instants: tuple[float, ...]
    statuses: tuple[str, ...]

    def stage(self, now: float) -> int:
        """Index of the status in force; -1 before the beginning."""
        return bisect_right(self.instants, now) - 1

    def status(self, now: float) -> str:
        """The status in force, or the first one before the beginning."""
        return self.statuses[max(0, self.stage(now))]

    @property
    def begins(self) -> float:
        return self.instants[0]

    def since(self, status: str) -> float | None:
        """When `status` first begins, if ever."""
        for instant, name in zip(self.instants, self.statuses, strict=True):
            if name == status:
                return instant
        return None


def laid_out(begins: float, seconds: float, steps: Sequence[tuple[str, float]]) -> Timeline:
    """Each status at its share of `seconds` after `begins`."""
    return Timeline(tuple(begins + seconds * share for _, share in steps), tuple(status for status, _ in steps))


def pace(seed: int, name: str, jitter: float, *, slow: bool) -> float:
    """How many times the usual duration a thing takes: jitter by seed and name, ten times when slow."""
    share = zlib.crc32(f"{seed}:{name}".encode()) / 0xFFFFFFFF
    return (1.0 + jitter * (2.0 * share - 1.0)) * (_SLOW if slow else 1.0)
