"""The token of an ODM account: in either header, read again when it is refused or old, and what stands for its user."""

import anyio
import pytest

from orchestrator.domain.errors import Missing, Refused, Transient, Unauthorised, WrongAddress
from orchestrator.domain.submission import Resend, Submission


@pytest.mark.parametrize(
    ("header", "value"), [("Genestack-API-Token", "the-token"), ("Authorization", "Bearer the-token")]
)
async def test_each_request_carries_the_token_in_the_header_of_the_account(session, script, header, value):
    """In one of the two, and in no repr."""
    await session(header=header).user()
    (call,) = script.calls
    assert {name: text for name, text in call.headers.items() if "the-token" in text} == {header: value}
    assert "the-token" not in repr(call)


async def test_a_submission_is_sent_as_it_was_stored(session, script):
    """Its parameters are behind the path; the fragment is for us, and no body is no body."""
    script.say("jobs/restart", {"jobExecId": 1})
    path = "/api/v1/jobs/7/restart?versionMessage=a%20%26%20b#https://x.org/s1"
    await session().submit(Submission("PUT", path, {"Accept": "x"}, b"", Resend.NEVER), "jobs/restart")
    (call,) = script.calls
    assert (call.method, call.path, call.params, call.body) == (
        "PUT",
        "/api/v1/jobs/7/restart",
        [("versionMessage", "a & b")],
        None,
    )


async def test_a_token_that_was_replaced_is_read_again_when_it_is_refused(session, script):
    """The request is sent once more, with the new one; the same one is refused for good."""
    secrets = iter(["old", "new"])
    script.say("tasks/get", Unauthorised("401"), {"id": "t"})
    await session(lambda: next(secrets)).get("/api/v1/tasks/t", "tasks/get")
    assert [call.headers["Genestack-API-Token"] for call in script.calls] == ["old", "new"]
    script.say("tasks/get", Unauthorised("401"))
    with pytest.raises(Unauthorised):
        await session().get("/api/v1/tasks/t", "tasks/get")
    assert len(script.calls) == 3


async def test_a_token_is_read_again_after_a_while(session, script, clock):
    """It may have been replaced while the old one is still accepted; the user is asked for again then."""
    secrets = iter(["one", "two"])
    opened = session(lambda: next(secrets))
    first = await opened.user()
    assert await opened.user() == first
    await clock.advance(301)
    assert await opened.user() != first
    assert len(script.calls) == 2


async def test_the_user_is_a_digest_of_the_token(session, script):
    """ODM has no call that says who it is; those that wait share one request."""
    opened, names = session(), []

    async def ask():
        names.append(await opened.user())

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(ask)
    assert (len(set(names)), len(script.calls)) == (1, 1)
    assert names[0].startswith("token-")
    assert "the-token" not in names[0]


async def test_a_user_who_may_read_no_study_is_a_user(session, script):
    """The token was accepted: what its user may do is another matter."""
    script.say("as-user/studies", Refused("403", 403))
    assert await session().user()


@pytest.mark.parametrize(
    "answer",
    [
        Missing("404", 404),
        Refused("405", 405),
        Refused("407: a proxy wants a password", 407),
        Transient("302 redirects to https://login.example.org", 302),
        b"<html><title>Welcome</title></html>",
    ],
)
async def test_another_server_is_not_odm(session, script, answer):
    """A path that is not there, a proxy, a login, a web page: the message names the setting."""
    script.say("as-user/studies", answer)
    with pytest.raises(WrongAddress, match="base_url"):
        await session().user()


@pytest.mark.parametrize("answer", [b"", b"OK", None, Refused("403", 403, body=b"<html>proxy</html>")])
async def test_what_odm_never_answers_accepts_no_token(session, script, answer):
    """Only a document does: nothing is sent on the word of a health check or of a proxy."""
    script.say("as-user/studies", answer)
    with pytest.raises((Transient, Refused)):
        await session().user()


async def test_a_gateway_that_is_down_says_nothing_of_the_token(session, script):
    """It is asked for again later."""
    script.say("as-user/studies", Transient("502", 502))
    with pytest.raises(Transient):
        await session().user()
