"""Reads a listing to its end, page by page, whatever the page tokens do.

A listing may hand out tokens without end, in a circle, or ignore the one it is given. Each page costs a request of the
budget, so a token that was seen before ends the listing, and pages that bring nothing new are given up.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Final

from orchestrator.domain.errors import Refused
from orchestrator.platforms.calls import Call
from orchestrator.platforms.ica.auth import Session
from orchestrator.platforms.ica.wire import Page, PageReader, Row

MOST_PAGES: Final = 200
"""Pages of one listing; ICA itself ends a sorted one at 200,000 rows."""
_BARREN: Final = 3
"""Pages in a row without a new row after which no end is expected."""


class EndlessListingError(Refused):
    """It has more pages than may be asked for: nothing follows from what is not on them.

    It is a refusal, and not an error that passes, so that the listing is asked for again rarely.
    """


async def pages(
    session: Session, ask: Callable[[str | None], Call], reader: PageReader[Row], *, what: str
) -> AsyncGenerator[Page[Row], None]:
    """The pages of a listing; `ask` makes the call for the page at a token.

    Raises:
        EndlessListingError: it has more than `MOST_PAGES` pages, or goes on without new rows.
    """
    token: str | None = None
    seen: set[str] = set()
    before: list[Row] = []
    barren = 0
    for _ in range(MOST_PAGES):
        page = reader.read(await session.send(ask(token)))
        yield page
        is_new = bool(page.rows or page.bad_rows) and (not page.rows or page.rows != before)
        barren = 0 if is_new else barren + 1
        if page.token is None or page.token in seen:
            return
        if barren >= _BARREN:
            break
        seen.add(page.token)
        token, before = page.token, page.rows
    raise EndlessListingError(f"{what} does not end: {len(seen)} pages were read")
