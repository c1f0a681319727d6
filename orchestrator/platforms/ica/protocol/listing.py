"""Reads all pages of a listing, with protection against page tokens that never end.

A listing may return tokens without end, in a circle, or ignore the given token. Each page costs a request, so a token
that was seen before ends the listing, and reading stops after pages without new rows.
"""

from collections.abc import AsyncGenerator, Callable
from typing import Final

from orchestrator.platforms.http.calls import Call
from orchestrator.platforms.ica.protocol.session import Session
from orchestrator.platforms.ica.protocol.wire import Page, PageReader, Row
from orchestrator.platforms.pages import BARREN, EndlessListingError

MOST_PAGES: Final = 200
"""Maximum pages of one listing; ICA itself ends a sorted one at 200,000 rows."""


async def pages(
    session: Session, ask: Callable[[str | None], Call], reader: PageReader[Row], *, what: str
) -> AsyncGenerator[Page[Row], None]:
    """Yield the pages of a listing; `ask` returns the call for the page at a token.

    Raises:
        EndlessListingError: it has more than `MOST_PAGES` pages, or continues without new rows.
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
        if barren >= BARREN:
            break
        seen.add(page.token)
        token, before = page.token, page.rows
    raise EndlessListingError(f"{what} does not end: {len(seen)} pages were read")
