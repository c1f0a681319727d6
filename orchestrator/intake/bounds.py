"""Bounds of the check of one file: slices, after each of which others may work, and the whole."""

from orchestrator.domain.messages.mistake import Mistake

SLICE_ITEMS = 500
"""Items after which the check lets others work..."""
SLICE_BYTES = 1024 * 1024
"""... or bytes of them..."""
SLICE_MISTAKES = 500
"""... or mistakes in them: one item may have thousands, and each takes as long as a whole item."""

MOST_GROWTH = 4
"""The items of a file may have so many times the bytes of what was dropped..."""
LEAST_ROOM = 512 * 1024 * 1024
"""... or so many bytes, if that is more."""
MOST_FURTHER = 200_000
"""Mistakes beyond one for each item, after which a file is checked no further: most of them are the same."""


class Bounds:
    """What the items of one file have come to so far. Its jobs share the bounds: they may name the same table."""

    def __init__(self, dropped_bytes: int = 0) -> None:
        """`dropped_bytes`: of the file and its tables."""
        self._room = max(LEAST_ROOM, MOST_GROWTH * dropped_bytes)
        self._items = self._bytes = self._mistakes = 0
        self._of_slice = (0, 0, 0)

    def add_item(self, size: int) -> None:
        """One more item, or row that makes none, with so many bytes, whether or not it has mistakes."""
        self._items += 1
        self._bytes += size

    def add_mistakes(self, count: int) -> None:
        """So many mistakes of one item."""
        self._mistakes += count

    def slice_is_full(self) -> bool:
        """Whether others may work now; if so, the next slice begins."""
        items, size, mistakes = self._of_slice
        full = (
            self._items - items >= SLICE_ITEMS
            or self._bytes - size >= SLICE_BYTES
            or self._mistakes - mistakes >= SLICE_MISTAKES
        )
        if full:
            self._of_slice = (self._items, self._bytes, self._mistakes)
        return full

    def reached(self, key: str) -> Mistake | None:
        """The mistake of a file that is checked no further; it is one of `key`, which makes the items."""
        if self._bytes > self._room:
            message = f"makes items of more than {self._room} bytes in all, {MOST_GROWTH} times what was dropped"
            if self._room == LEAST_ROOM:
                message = f"makes items of more than {LEAST_ROOM // 1024 // 1024} MiB in all"
            return Mistake(message, "take out what is the same in every item, or use fewer rows a file", (key,))
        if self._mistakes - self._items > MOST_FURTHER:
            return Mistake(f"has more than {MOST_FURTHER} mistakes, and was checked no further", None, (key,))
        return None
