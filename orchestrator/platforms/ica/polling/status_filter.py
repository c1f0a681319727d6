"""When the items of a batch are asked for by their status: once few of many pages go on.

Such a list tells which items go on. What it leaves out has been resolved, and the whole list, asked behind it, tells
how. So it spares requests only where little changes from one time to the next: at the end of a large batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestrator.domain.model import Batch, BatchKey, Learned
from orchestrator.platforms.bounded import Bounded
from orchestrator.platforms.pages import pages

_SPARES: Final = 4
"""Times that the whole list must be as long as the narrow one: no more than a quarter is lost when both are needed."""
_MOST_BATCHES: Final = 4096
_REFUSED: Final = "refused"


@dataclass(frozen=True, slots=True)
class _Asked:
    left: int
    """Items that went on when it was asked."""
    pages: int
    """Pages of the whole list."""


class StatusFilter:
    """Decides, and notices where ICA does not do as its description says."""

    NAME: Final = "item_status"

    def __init__(self, memory: Mapping[str, str], page_size: int) -> None:
        self._taken = memory.get(self.NAME) != _REFUSED
        self._size = page_size
        self._asked: Bounded[BatchKey, _Asked] = Bounded(_MOST_BATCHES)
        self._followed: Bounded[BatchKey, int] = Bounded(_MOST_BATCHES)

    def pays(self, batch: Batch, left: int) -> bool:
        """Whether to ask only for those that go on, of which there are `left`.

        Not when the whole list was asked behind it and nothing had changed: then the filter leaves out what goes on.
        """
        whole = pages(batch.items, self._size)
        if not self._taken or whole < _SPARES * pages(left, self._size) or self._followed.get(batch.key) == left:
            return False
        self._asked[batch.key] = _Asked(left, whole)
        return True

    def followed(self, batch: BatchKey) -> int:
        """The whole list is asked behind the narrow one; returns the requests it will take."""
        asked = self._asked.get(batch)
        if asked is None:
            return 1
        self._followed[batch] = asked.left
        return asked.pages

    def refused(self) -> Learned | None:
        """ICA does not take the filter; returns what is learnt from that, once."""
        if not self._taken:
            return None
        self._taken = False
        return Learned(self.NAME, _REFUSED)
