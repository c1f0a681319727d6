"""How the memory of a process is handed out, where that can be told."""

import ctypes
from typing import Final

_M_ARENA_MAX: Final = -8
"""Of glibc's malloc.h."""

_HEAPS: Final = 2


def share() -> bool:
    """Let all threads take their memory from two heaps; returns whether the C library lets us.

    glibc gives nearly every thread a heap of its own. What one has read and freed there, no other can use: that makes
    a tenth of a daemon that reads its database in five threads. Call it before there are threads.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and mallopt(_M_ARENA_MAX, _HEAPS) == 1
