"""The token of a Seven Bridges account: in each request, read again when it is refused or old."""

import anyio
import pytest

from orchestrator.domain.errors import Transient, Unauthorised


async def test_each_request_carries_the_token(session, script):
    """In the platform's own header, and in no repr."""
    opened = session()
    script.say("tasks/get", {"id": "t"})
    await opened.get("/tasks/t", "tasks/get")
    assert script.tokens == ["the-token"]
    assert "the-token" not in repr(script.calls[0])


async def test_a_token_that_was_replaced_is_read_again_when_it_is_refused(session, script):
    """The request is sent once more, with the new one."""
    secrets = iter(["old", "new"])
    opened = session(lambda: next(secrets))
    script.say("tasks/get", Unauthorised("401"), {"id": "t"})
    await opened.get("/tasks/t", "tasks/get")
    assert script.tokens == ["old", "new"]


async def test_a_token_that_is_still_the_same_is_refused_for_good(session, script):
    """Nothing is sent a second time with what was just refused."""
    opened = session()
    script.say("tasks/get", Unauthorised("401"))
    with pytest.raises(Unauthorised):
        await opened.get("/tasks/t", "tasks/get")
    assert script.tokens == ["the-token"]


async def test_a_token_is_read_again_after_a_while(session, script, clock):
    """It may have been replaced while the old one is still accepted; between, it is not read for each request."""
    reads = []
    opened = session(lambda: reads.append(1) or f"token-{len(reads)}")
    script.say("tasks/get", {"id": "t"})
    for _ in range(3):
        await opened.get("/tasks/t", "tasks/get")
    await clock.advance(301)
    await opened.get("/tasks/t", "tasks/get")
    assert script.tokens == ["token-1"] * 3 + ["token-2"]


async def test_the_user_is_asked_for_once(session, script):
    """Whoever waits shares the answer."""
    opened = session()
    names = []

    async def ask():
        names.append(await opened.user())

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask)
    assert (names, len(script.calls)) == (["ana"] * 5, 1)


async def test_another_token_may_be_another_users(session, script, clock):
    """So the user is asked for again, once the token is another."""
    secrets = iter(["one", "two"])
    opened = session(lambda: next(secrets))
    script.lines["user"] = [{"username": "ana"}, {"username": "ben"}]
    assert await opened.user() == "ana"
    await clock.advance(301)
    assert await opened.user() == "ben"


async def test_a_page_of_a_gateway_is_no_user(session, script):
    """It is asked for again later."""
    script.lines["user"] = [b"<html>"]
    with pytest.raises(Transient):
        await session().user()
