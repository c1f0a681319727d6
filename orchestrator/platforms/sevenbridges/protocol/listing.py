"""Lists of the platform, read to their end.

Rows may move between two pages while a list is read: pages overlap, so that a row that moved is not missed.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from orchestrator.domain.errors import Refused
from orchestrator.platforms.sevenbridges.session import Session
from orchestrator.platforms.sevenbridges.wire import ListReader, Resource

_OVERLAP: Final = 5
"""Rows that the next page shows again."""
_BARREN: Final = 3
"""Pages in a row without a new row after which reading stops."""


async def pages(
    session: Session,
    path: str,
    route: str,
    *,
    params: dict[str, str],
    reader: ListReader[Resource],
    size: int,
) -> AsyncIterator[list[Resource]]:
    """Each page of a list, to the last. A row may come twice.

    Raises:
        Refused: the list continues without new rows, as where the platform ignores the offset.
    """
    offset, more = 0, True
    step = step_of(size)
    before: Sequence[Resource] = ()
    barren = 0
    while more:
        if barren >= _BARREN:
            raise Refused(f"the list {route} does not end: page {offset // step} has no new rows either")
        asked = {**params, "limit": str(size), "offset": str(offset)}
        page = reader.read(await session.get(path, route, asked), limit=size)
        yield list(page.rows)
        is_new = bool(page.rows or page.bad_rows) and (not page.rows or page.rows != before)
        barren = 0 if is_new else barren + 1
        offset, more, before = offset + step, page.more, page.rows


def step_of(size: int) -> int:
    """By how much the offset of a list grows from page to page: pages overlap, as rows may move while it is read."""
    return max(1, size - _OVERLAP)
