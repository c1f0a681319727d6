"""The token of a Seven Bridges account: in each request, read again when it is refused or old."""

import anyio
import pytest

from orchestrator.domain.errors import Missing, Refused, Transient, Unauthorised, WrongAddress


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


@pytest.mark.parametrize(
    "answer",
    [
        Missing("404", 404),
        Refused("405", 405),
        Transient("302 redirects to https://login.example.org", 302),
        b"<html><title>Welcome</title></html>",
    ],
)
@pytest.mark.parametrize("base_url", ["https://cgc.sbgenomics.com/v2", "https://cgc-api.sbgenomics.com/v2"])
async def test_another_server_is_not_seven_bridges(session, script, answer, base_url):
    """A path that is not there, a login, a web page: the message names the known addresses, or what is on the way."""
    script.lines["user"] = [answer]
    script.base_url = base_url
    with pytest.raises(WrongAddress, match=r"base_url to .*https://cgc-api|a proxy or a login page") as raised:
        await session().user()
    assert ("proxy" in str(raised.value)) is (base_url == "https://cgc-api.sbgenomics.com/v2")


@pytest.mark.parametrize("error", [Transient("502", 502), Refused("403", 403), Unauthorised("401", 401)])
async def test_other_failures_say_nothing_about_the_address(session, script, error):
    """An outage, or a token that is refused, is what it is."""
    script.lines["user"] = [error]
    with pytest.raises(type(error)) as raised:
        await session().user()
    assert raised.value is error
