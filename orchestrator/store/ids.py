"""Identifiers that sort by the time they were made."""

import secrets
import uuid

from orchestrator.clock import Micros

_RANDOM_BITS = 62


class TimeOrderedIds:
    """UUIDs of version 7: milliseconds, a counter, random bits.

    Those of one source ascend even within a millisecond, and when the clock is set back; so jobs of one file keep
    their order.
    """

    def __init__(self) -> None:
        self._last = 0

    def make(self, now: Micros) -> str:
        """A new identifier; `now` in microseconds UTC."""
        # 48 bits of milliseconds and 12 of a counter, as one number: a full counter runs on into the next millisecond.
        self._last = max(self._last + 1, (now // 1000) << 12)
        millis, counter = self._last >> 12, self._last & 0xFFF
        return _with_random_bits((millis & 0xFFFF_FFFF_FFFF) << 16 | 0x7000 | counter)


def beside(identifier: str) -> str:
    """Another identifier that sorts where this one does."""
    return _with_random_bits(uuid.UUID(identifier).int >> 64)


def _with_random_bits(high: int) -> str:
    return str(uuid.UUID(int=high << 64 | 0b10 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)))
