"""Keeps rendered pages while what they show has not changed, so that many open browsers cost little.

A page is rendered again when something was written to the database since, but at most once in `MIN_AGE`, whatever the
number of its readers. Pages that are left open ask for their newer versions by themselves: rendering for them takes
at most `OPEN_SHARE` of the time, and beyond that they get the version that is kept.

What belongs to one session (its name, its CSRF token, its notices) is not part of a kept page: it is filled in where
the page has marks for it.
"""

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from orchestrator.clock import Clock

MIN_AGE = 2.0
"""Seconds for which a page is kept even if something was written."""
MAX_AGE = 30.0
"""Seconds after which a page is rendered again even if nothing was written: it shows figures of the running daemon."""
OPEN_SHARE = 0.007
"""The part of the time that rendering for open pages may take."""
OPEN_BURST = 0.25
"""Seconds of rendering that may be saved up for them."""
MAX_DELAY = 60.0
"""Seconds after which an open page is rendered again whatever that takes."""
MOST_PAGES = 64
MOST_BYTES = 8 * 1024 * 1024

CSRF_MARK = f"csrf-{secrets.token_hex(16)}"
SESSION_MARK = f"session-{secrets.token_hex(16)}"
"""Stand in a kept page for what belongs to one session. Random, so that no text from outside can contain them."""


@dataclass(frozen=True, slots=True)
class KeptPage:
    """A rendered page with its marks."""

    html: str
    etag: str
    version: int
    rendered_at: float


class PageCache:
    """Rendered pages by address and role. For use from one event loop."""

    def __init__(self, clock: Clock, version: Callable[[], int]) -> None:
        """`version` returns a number that changes whenever something was written."""
        self._clock = clock
        self._version = version
        self._pages: OrderedDict[str, KeptPage] = OrderedDict()
        self._bytes = 0
        self._rendering: dict[str, anyio.Lock] = {}
        self._saved = OPEN_BURST
        self._saved_at = clock.monotonic()

    async def get(
        self, key: str, render: Callable[[], Awaitable[str]], *, live: bool = False, is_open: bool = False
    ) -> KeptPage:
        """The page of this key, rendered at most `MIN_AGE` ago, or since which nothing was written.

        `live`: it shows figures that change without a write, and is rendered again whenever it is older.
        `is_open`: a page that is open asks, not a reader who waits.
        """
        if (page := self._fresh(key, live=live)) is not None:
            return page
        if is_open and (page := self._spared(key)) is not None:
            return page
        lock = self._rendering.setdefault(key, anyio.Lock())
        try:
            async with lock:
                if (page := self._fresh(key, live=live)) is not None:
                    return page
                version, began = self._version(), self._clock.monotonic()
                html = await render()
                if is_open:
                    self._saved -= self._clock.monotonic() - began
                etag = f'"{hashlib.sha256(html.encode()).hexdigest()[:32]}"'
                page = KeptPage(html, etag, version, self._clock.monotonic())
                self._keep(key, page)
                return page
        finally:
            if not lock.statistics().tasks_waiting and not lock.locked():
                self._rendering.pop(key, None)

    def clear(self) -> None:
        """Forget all pages, so that who has just changed something sees the change."""
        self._pages.clear()
        self._bytes = 0

    def _fresh(self, key: str, *, live: bool) -> KeptPage | None:
        page = self._pages.get(key)
        if page is None:
            return None
        age = self._clock.monotonic() - page.rendered_at
        unchanged = not live and page.version == self._version() and age < MAX_AGE
        if not unchanged and age >= MIN_AGE:
            return None
        self._pages.move_to_end(key)
        return page

    def _spared(self, key: str) -> KeptPage | None:
        """The kept page, while rendering for open pages has taken its share."""
        now = self._clock.monotonic()
        self._saved = min(OPEN_BURST, self._saved + OPEN_SHARE * (now - self._saved_at))
        self._saved_at = now
        page = self._pages.get(key)
        if page is None or self._saved > 0 or now - page.rendered_at >= MAX_DELAY:
            return None
        return page

    def _keep(self, key: str, page: KeptPage) -> None:
        if (old := self._pages.pop(key, None)) is not None:
            self._bytes -= len(old.html)
        self._pages[key] = page
        self._bytes += len(page.html)
        while len(self._pages) > MOST_PAGES or (self._bytes > MOST_BYTES and len(self._pages) > 1):
            _, dropped = self._pages.popitem(last=False)
            self._bytes -= len(dropped.html)
