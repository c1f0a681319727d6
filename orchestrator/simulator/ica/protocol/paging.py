"""Pages, by cursor and by offset.

A cursor keeps the rows that its first page found: complete, unique, in a fixed order, however the rows change
meanwhile. Offset paging counts the rows anew for each page, as databases do, so rows may be missed or met twice.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from orchestrator.simulator.exchange import Request
from orchestrator.simulator.faults import Fault
from orchestrator.simulator.ica import quirks
from orchestrator.simulator.ica.knobs import Knobs
from orchestrator.simulator.ica.protocol.problems import BAD_REQUEST, Problem

MAX_OFFSET_ROWS = 200_000

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of one page, and the paging fields of its JSON."""

    rows: Sequence[Row]
    rest: dict[str, Any]
    beyond: Sequence[Row] = ()
    """The first row of the next page, where there is one."""

    def only(self, wanted: Callable[[Row], bool]) -> "Page[Row]":
        """Without the rows that are not wanted (any more)."""
        return Page([row for row in self.rows if wanted(row)], self.rest, self.beyond)


@dataclass(slots=True)
class _Cursor:
    number: int
    place: str
    rows: Sequence[Any]
    handed_out: float


class Cursors:
    """The cursors that clients hold."""

    def __init__(self) -> None:
        self._open: dict[int, _Cursor] = {}
        self._next = 0

    def page(
        self, request: Request, place: str, find: Callable[[], Sequence[Row]], knobs: Knobs, now: float
    ) -> Page[Row]:
        """The page that `request` asks for; `find` brings all rows when they have to be looked for.

        `place` names what is paged through: a token is good for its own place only. Raises Problem 400.
        """
        size = _number(request, "pageSize", knobs.default_page_size, 1, knobs.max_page_size)
        token, offset = _only(request, "pageToken"), _only(request, "pageOffset")
        if token and (offset is not None or "sort" in request.query):
            raise Problem(BAD_REQUEST, "pageToken cannot be used together with pageOffset or sort")
        if offset is not None or "sort" in request.query:
            return _by_offset(find(), _number(request, "pageOffset", 0, 0, MAX_OFFSET_ROWS), size)
        if token:
            number, start = _parsed(token)
            cursor = self._resume(number, place, knobs, now)
        else:
            start = 0
            cursor = _Cursor(self._next, place, find(), now)
        return self._by_cursor(cursor, range(start, start + size), knobs, now)

    def _by_cursor(self, cursor: _Cursor, span: range, knobs: Knobs, now: float) -> Page[Row]:
        start, end = span.start, span.stop
        remaining = max(0, len(cursor.rows) - end)
        rest: dict[str, Any] = {"remainingRecords": remaining}
        if remaining:
            cursor.handed_out = now
            self._keep(cursor, knobs, now)
            rest["nextPageToken"] = base64.urlsafe_b64encode(b"%d.%d" % (cursor.number, end)).decode()
        elif knobs.last_page != "absent":
            rest["nextPageToken"] = "" if knobs.last_page == "empty" else None
        return Page(cursor.rows[start:end], rest, cursor.rows[end : end + 1])

    def _resume(self, number: int, place: str, knobs: Knobs, now: float) -> _Cursor:
        cursor = self._open.get(number)
        if cursor is None or cursor.place != place or now >= cursor.handed_out + knobs.cursor_seconds:
            raise Problem(BAD_REQUEST, "The pageToken is not valid or has expired")
        return cursor

    def _keep(self, cursor: _Cursor, knobs: Knobs, now: float) -> None:
        if cursor.number in self._open:
            return
        for old in [key for key, kept in self._open.items() if now >= kept.handed_out + knobs.cursor_seconds]:
            del self._open[old]
        self._open[cursor.number] = cursor
        self._next = cursor.number + 1


def spoilt(page: Page[Row], fault: Fault | None) -> Page[Row]:
    """The page with a row lost, or one of another page mixed in, where a fault asks for it."""
    if fault is None or not page.rows:
        return page
    middle = len(page.rows) // 2
    match fault.quirk:
        case quirks.ITEM_VANISHES:
            return Page([*page.rows[:middle], *page.rows[middle + 1 :]], page.rest)
        case quirks.ITEM_TWICE:
            return Page([*page.rows, *(page.beyond or page.rows[:1])], page.rest)
        case _:
            return page


def _by_offset(rows: Sequence[Row], offset: int, size: int) -> Page[Row]:
    end = offset + size
    return Page(rows[offset:end], {"nextPageToken": "", "totalItemCount": len(rows)}, rows[end : end + 1])


def _parsed(token: str) -> tuple[int, int]:
    try:
        number, _, start = base64.urlsafe_b64decode(token).partition(b".")
        return int(number), int(start)
    except (binascii.Error, ValueError):
        raise Problem(BAD_REQUEST, "The pageToken is not valid or has expired") from None


def _only(request: Request, name: str) -> str | None:
    values = request.query.get(name)
    return values[-1] if values else None


def _number(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = _only(request, name)
    if text is None:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        raise Problem(BAD_REQUEST, f"{name} must be a whole number from {least} to {most}")
    return int(text)
