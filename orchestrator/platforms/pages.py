"""Arithmetic of listings, and protection against listings that never end.

A listing may repeat its rows in a circle, ignore the place that it is asked for, or invent rows without end. Each page
costs a request, so reading stops where nothing new comes.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from orchestrator.domain.errors import Refused
from orchestrator.domain.model import Poll

MOST_PAGES: Final = 2000
"""Pages after which a listing is assumed to be endless."""
BARREN: Final = 3
"""Pages in a row without a new row after which reading stops."""


class EndlessListingError(Refused):
    """A listing has more pages than may be read, so nothing follows from rows that were not found.

    A kind of `Refused`, and not of `Transient`, so that the listing is rarely retried.
    """


def pages(rows: int, size: int) -> int:
    """The number of requests for a list of `rows` rows with pages of `size`; at least 1."""
    return max(1, -(-rows // size))


@dataclass(slots=True)
class ListingGuard:
    """Counts the pages of one listing; `what` names it in the error."""

    what: str
    most_pages: int = MOST_PAGES
    _read: int = field(default=0, init=False)
    _barren: int = field(default=0, init=False)
    _seen: set[Hashable] = field(default_factory=set, init=False)

    def check(self, rows: Iterable[Hashable], *, bad_rows: int = 0) -> None:
        """Take note of a page, by what identifies its rows, when another one is to be read.

        Raises:
            EndlessListingError: it is one too many, or one of several without a new row.
        """
        known = len(self._seen)
        self._seen.update(rows)
        self._read += 1
        self._barren = 0 if len(self._seen) > known or bad_rows else self._barren + 1
        if self._barren >= BARREN or self._read >= self.most_pages:
            raise EndlessListingError(f"{self.what} does not end: {self._read} pages were read")


def page_behind(poll: Poll, cursor: str, rows: Iterable[Hashable]) -> Poll | None:
    """The poll of the page behind one with these rows; None where the same rows have come several times."""
    page = hash(tuple(rows))
    again = next((mark for time in range(BARREN) if (mark := f"{page}/{time}") not in poll.trail), None)
    if again is None or poll.page >= MOST_PAGES:
        return None
    return replace(poll, cursor=cursor, page=poll.page + 1, trail=poll.trail | {again})
