"""Configures the memory allocator of the C library."""

import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8
"""From glibc's malloc.h."""

_HEAPS: Final = 2


def share() -> bool:
    """Limit all threads to two heaps; returns whether the C library supports it.

    glibc gives nearly every thread its own heap, and memory freed in one cannot be used by another. With five threads
    that read the database this wastes a tenth of the daemon's memory. Call it before starting threads.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_ARENA_MAX, _HEAPS) == 1
