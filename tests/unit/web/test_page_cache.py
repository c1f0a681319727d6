"""Kept pages: when one is rendered again, and when not."""

import anyio

from orchestrator.clock import ManualClock
from orchestrator.web.pages.page_cache import MAX_AGE, MIN_AGE, MOST_PAGES, PageCache


class Server:
    """A cache whose pages are numbered in the order in which they are rendered."""

    def __init__(self):
        self.clock = ManualClock()
        self.writes = 0
        self.rendered = 0
        self.cache = PageCache(self.clock, lambda: self.writes)

    async def get(self, key="/", **more):
        """The text of a page."""

        async def render():
            self.rendered += 1
            await anyio.lowlevel.checkpoint()
            return f"page {self.rendered} of {key}"

        return (await self.cache.get(key, render, **more)).html


async def test_a_page_is_kept_while_nothing_is_written():
    """Until it is so old that what only the daemon knows may have changed."""
    server = Server()
    assert await server.get() == "page 1 of /"
    await server.clock.advance(MAX_AGE - 1)
    assert await server.get() == "page 1 of /"
    await server.clock.advance(1)
    assert await server.get() == "page 2 of /"


async def test_a_page_is_rendered_again_after_a_write_but_not_at_once():
    """Under constant writes each page is rendered once in two seconds, whatever the number of readers."""
    server = Server()
    await server.get()
    server.writes += 1
    assert await server.get() == "page 1 of /"
    await server.clock.advance(MIN_AGE)
    assert await server.get() == "page 2 of /"


async def test_a_live_page_does_not_wait_for_a_write():
    """Its figures change without one."""
    server = Server()
    await server.get(live=True)
    assert await server.get(live=True) == "page 1 of /"
    await server.clock.advance(MIN_AGE)
    assert await server.get(live=True) == "page 2 of /"


async def test_twenty_readers_at_once_have_one_page_rendered():
    """The others wait for it."""
    server, seen = Server(), []

    async def read():
        seen.append(await server.get())

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(read)
    assert seen == ["page 1 of /"] * 20


async def test_equal_pages_have_equal_tags():
    """So that a browser is told that nothing changed."""
    server = Server()

    async def render(text):
        return text

    first = await server.cache.get("/", lambda: render("same"))
    server.cache.clear()
    second = await server.cache.get("/", lambda: render("same"))
    server.cache.clear()
    other = await server.cache.get("/", lambda: render("other"))
    assert first.etag == second.etag != other.etag


async def test_after_an_action_every_page_is_new():
    """Whoever changed something sees it on the next page."""
    server = Server()
    await server.get()
    server.cache.clear()
    assert await server.get() == "page 2 of /"


async def test_the_number_of_kept_pages_is_bounded():
    """The one that was read longest ago goes."""
    server = Server()
    await server.get("first")
    for number in range(MOST_PAGES):
        await server.get(str(number))
    assert await server.get("first") == f"page {MOST_PAGES + 2} of first"
    assert await server.get(str(MOST_PAGES - 1)) == f"page {MOST_PAGES + 1} of {MOST_PAGES - 1}"
