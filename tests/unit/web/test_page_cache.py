"""Kept pages: when one is rendered again, and when not."""

import anyio

from orchestrator.clock import ManualClock
from orchestrator.web.pages.page_cache import MAX_AGE, MAX_DELAY, MIN_AGE, MOST_PAGES, OPEN_SHARE, PageCache


class Server:
    """A cache whose pages are numbered in the order in which they are rendered."""

    def __init__(self):
        self.clock = ManualClock()
        self.writes = 0
        self.rendered = 0
        self.seconds = 0.0
        self.cache = PageCache(self.clock, lambda: self.writes)

    async def get(self, key="/", **more):
        """The text of a page."""

        async def render():
            self.rendered += 1
            await anyio.lowlevel.checkpoint()
            self.clock._move_to(self.clock.monotonic() + self.seconds)
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


async def test_rendering_for_open_pages_takes_a_small_part_of_the_time():
    """However many there are; beyond it they get what is kept, while a reader who waits gets a new page."""
    server = Server()
    server.seconds = 0.05
    pages = [str(number) for number in range(20)]
    for page in pages:
        await server.get(page)
    before = server.rendered
    for _ in range(100):
        server.writes += 1
        await server.clock.advance(5)
        for page in pages[:5]:
            await server.get(page, is_open=True)
    taken = (server.rendered - before) * server.seconds
    assert 0 < taken <= OPEN_SHARE * 510 + 0.6
    server.writes += 1
    await server.clock.advance(MIN_AGE)
    before = server.rendered
    await server.get(pages[0])
    assert server.rendered == before + 1


async def test_an_open_page_is_not_forgotten():
    """It is rendered again after a minute, whatever that takes."""
    server = Server()
    server.seconds = 30.0
    await server.get()
    await server.clock.advance(MIN_AGE)
    server.writes += 1
    assert await server.get(is_open=True) == "page 2 of /"
    server.writes += 1
    await server.clock.advance(MAX_DELAY - 1)
    assert await server.get(is_open=True) == "page 2 of /"
    await server.clock.advance(1)
    assert await server.get(is_open=True) == "page 3 of /"
