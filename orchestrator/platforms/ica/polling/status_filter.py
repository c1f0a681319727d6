"""Decides when the list of a batch's items is filtered by status: when few of many pages have open items.

The filtered list has the open items. Items that it no longer has have ended, and the whole list, read after it, has
their outcome. So the filter saves requests only where little changes between polls: at the end of a large batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.model import Batch, BatchKey, Learned
from orchestrator.platforms.bounded_mapping import Bounded
from orchestrator.platforms.pages import pages

_SPARES: Final = 4
"""The whole list must be this many times as long: then at most a quarter is lost when both are needed."""
_MOST_BATCHES: Final = 4096
_REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True)
class _FilteredPoll:
    left: int
    """Number of open items when it was planned."""
    pages: int
    """Pages of the whole list."""


class StatusFilter:
    """Chooses between filtered and whole lists, and stops filtering where ICA's filter does not work."""

    NAME: Final = "item_status"

    def __init__(self, memory: Mapping[str, str], page_size: int) -> None:
        self._supported = memory.get(self.NAME) != _REFUSED
        self._size = page_size
        self._filtered: Bounded[BatchKey, _FilteredPoll] = Bounded(_MOST_BATCHES)
        self._followed: Bounded[BatchKey, int] = Bounded(_MOST_BATCHES)

    def worthwhile(self, batch: Batch, left: int) -> bool:
        """Whether to poll only the open items, of which there are `left`.

        False when the whole list was read after a filtered one and nothing had changed: the filter omits open items.
        """
        whole = pages(batch.items, self._size)
        if not self._supported or whole < _SPARES * pages(left, self._size) or self._followed.get(batch.key) == left:
            return False
        self._filtered[batch.key] = _FilteredPoll(left, whole)
        return True

    def followed(self, batch: BatchKey) -> int:
        """Record that the whole list is read after the filtered one; returns its number of pages."""
        asked = self._filtered.get(batch)
        if asked is None:
            return 1
        self._followed[batch] = asked.left
        return asked.pages

    def refused(self) -> Learned | None:
        """Record that ICA refused the filter; returns what was learned, the first time only."""
        if not self._supported:
            return None
        self._supported = False
        return Learned(self.NAME, _REFUSED)
