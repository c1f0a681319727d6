"""Keeps rendered pages while what they show has not changed, so that many open browsers cost little.

A page is rendered again when something was written to the database since, but at most once in `MIN_AGE`, whatever the
number of its readers. What belongs to one session (its name, its CSRF token, its notices) is not part of a kept page:
it is filled in where the page has marks for it.
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

    async def get(self, key: str, render: Callable[[], Awaitable[str]], *, live: bool = False) -> KeptPage:
        """The page of this key, rendered at most `MIN_AGE` ago, or since which nothing was written.

        `live`: it shows figures that change without a write, and is rendered again whenever it is older.
        """
        if (page := self._fresh(key, live=live)) is not None:
            return page
        lock = self._rendering.setdefault(key, anyio.Lock())
        try:
            async with lock:
                if (page := self._fresh(key, live=live)) is not None:
                    return page
                version = self._version()
                html = await render()
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

    def _keep(self, key: str, page: KeptPage) -> None:
        if (old := self._pages.pop(key, None)) is not None:
            self._bytes -= len(old.html)
        self._pages[key] = page
        self._bytes += len(page.html)
        while len(self._pages) > MOST_PAGES or (self._bytes > MOST_BYTES and len(self._pages) > 1):
            _, dropped = self._pages.popitem(last=False)
            self._bytes -= len(dropped.html)
