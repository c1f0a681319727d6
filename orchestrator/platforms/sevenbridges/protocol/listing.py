"""Lists of the platform, read to their end.

Rows may move between two pages while a list is read: pages overlap, so that a row that moved is not missed.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

from orchestrator.clock import Micros
from orchestrator.platforms.pages import ListingGuard
from orchestrator.platforms.sevenbridges.session import Session
from orchestrator.platforms.sevenbridges.wire import FileJob, ListReader, Resource, Transfer, moment

Began = TypeVar("Began", FileJob, Transfer)

_OVERLAP: Final = 5
"""Rows that the next page shows again."""


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
        EndlessListingError: it continues without new rows, or has more than `MOST_PAGES` pages.
    """
    offset, more, guard = 0, True, ListingGuard(f"the platform's list {path}")
    step = step_of(size)
    while more:
        asked = {**params, "limit": str(size), "offset": str(offset)}
        page = reader.read(await session.get(path, route, asked), limit=size)
        yield list(page.rows)
        if page.more:
            guard.check([getattr(row, "id", None) for row in page.rows], bad_rows=page.bad_rows)
        offset, more = offset + step, page.more


def step_of(size: int) -> int:
    """By how much the offset of a list grows from page to page: pages overlap, as rows may move while it is read."""
    return max(1, size - _OVERLAP)


async def begun_since(
    session: Session,
    path: str,
    route: str,
    *,
    fields: str,
    reader: ListReader[Began],
    size: int,
    since: Micros,
) -> Sequence[Began]:
    """What the user began at `since` or later; a list in descending order is not read beyond.

    Raises:
        EndlessListingError: as `pages`.
    """
    listed: dict[str, Began] = {}
    newest_first = True
    async for page in pages(session, path, route, params={"fields": fields}, reader=reader, size=size):
        began = [moment(each.started_on) for each in page]
        listed |= {str(each.id): each for each, at in zip(page, began, strict=True) if at is None or at >= since}
        known = [at for at in began if at is not None]
        newest_first = newest_first and known == sorted(known, reverse=True)
        if newest_first and known and known[0] < since:
            break
    return list(listed.values())
