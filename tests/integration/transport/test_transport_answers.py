"""What a call comes back as: answers, the error tree, repeats."""

import email.utils
import gzip

import anyio
import httpx
import pytest

from orchestrator.clock import SECOND
from orchestrator.domain.errors import (
    Missing,
    Refused,
    StillRunning,
    Throttled,
    Transient,
    Unauthorised,
    Unconfirmed,
)
from orchestrator.platforms.http.transport import Effect
from orchestrator.platforms.ica.protocol.error_classes import classify

PROBLEM = {"content-type": "application/problem+json"}


def problem(status, title="ICA_API_004", detail="Invalid Accept Header"):
    """An error as ICA writes it."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "parameters": {}}
    return httpx.Response(status, json=body, headers=PROBLEM)


async def test_a_good_answer_comes_back_whole(play, call):
    """Status, headers without regard to case, the unpacked body and the platform's date."""
    date = email.utils.formatdate(1_700_000_123, usegmt=True)
    packed = httpx.Response(
        201, content=gzip.compress(b'{"id": "1"}'), headers={"content-encoding": "gzip", "date": date, "X-Kind": "new"}
    )
    platform = play(packed)
    answer = await platform.remote.send(call(Effect.UNSAFE, body=b"{}"))
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (201, b'{"id": "1"}', "new")
    assert answer.server_date == 1_700_000_123 * SECOND


async def test_the_request_is_sent_as_it_was_asked_for(play, call, token):
    """Path with its colons, repeated parameters, headers and bytes."""
    platform = play(httpx.Response(200))
    await platform.remote.send(
        call(
            method="POST",
            path="/api/projects/a%2Fb/analysis:search",
            params=[("status", "A"), ("status", "B")],
            body=b'{"x": 1}',
        )
    )
    await platform.remote.send(call(params={"pageSize": "1000"}))
    first, second = platform.requests
    assert str(first.url) == "https://ica.example.org/ica/rest/api/projects/a%2Fb/analysis:search?status=A&status=B"
    assert first.content == b'{"x": 1}'
    assert first.headers["authorization"] == f"Bearer {token}"
    assert first.headers["user-agent"].startswith("orchestrator/")
    assert first.headers["accept-encoding"] == "gzip"
    assert second.url.query == b"pageSize=1000"


@pytest.mark.parametrize("path", ["/a/../b", "/a/.", "/a?b=c", "/a#b", "/a b", "/a\r\nX: y", "\\a"])
def test_a_path_that_is_not_quoted_is_refused(path, call):
    """An id from a file or a platform cannot lead a request, with its credential, elsewhere."""
    with pytest.raises(ValueError, match="not quoted"):
        call(path=path)


SAFE_AND_UNSAFE = {
    301: (Transient, Unconfirmed),
    303: (Transient, Unconfirmed),
    400: (Refused, Refused),
    401: (Unauthorised, Unauthorised),
    403: (Refused, Refused),
    404: (Missing, Missing),
    405: (Refused, Refused),
    406: (Refused, Refused),
    408: (Transient, Unconfirmed),
    409: (Refused, Refused),
    410: (Missing, Missing),
    413: (Refused, Refused),
    415: (Refused, Refused),
    418: (Refused, Refused),
    422: (Refused, Refused),
    425: (Transient, Unconfirmed),
    429: (Throttled, Throttled),
    500: (Transient, Unconfirmed),
    502: (Transient, Unconfirmed),
    503: (Transient, Unconfirmed),
    504: (Transient, Unconfirmed),
}


@pytest.mark.parametrize(("status", "kinds"), SAFE_AND_UNSAFE.items())
async def test_each_status_stands_for_one_error(play, status, kinds, call):
    """For a safe and an unsafe call; code, detail and one line for people are taken from the problem document."""
    for effect, kind in zip(Effect, kinds, strict=True):
        platform = play(problem(status))
        error = await platform.send(call(effect))
        assert type(error) is kind
        assert (error.status, error.code, error.detail) == (status, "ICA_API_004", "Invalid Accept Header")
        expected = f"{'GET' if effect is Effect.SAFE else 'POST'} analyses at ica.example.org: {status} ICA_API_004"
        assert error.message == f"{expected}: Invalid Accept Header"
        if kind is Unconfirmed:
            assert error.by_platform is (status >= 500)


@pytest.mark.parametrize("status", [404, 405, 407, 410])
async def test_a_page_that_says_there_is_no_such_path_refuses_no_work(play, status, call):
    """A proxy or gateway that passes nothing on, as while a platform is deployed: the work is sent again later."""
    page = httpx.Response(status, html="<html><title>default backend</title></html>")
    assert type(await play(page).send(call(Effect.UNSAFE))) is Transient
    assert isinstance(await play(page).send(call(Effect.SAFE)), Refused)


async def test_a_platform_may_say_what_a_status_means_there(play, call):
    """Its classifier is asked first, and says None where the table holds."""
    platform = play(problem(409), classify=classify)
    keyed = call(Effect.UNSAFE, headers={"Idempotency-Key": "k1"})
    assert type(await platform.send(keyed)) is StillRunning
    assert type(await platform.send(call(Effect.UNSAFE))) is Refused
    assert type(await platform.send(call(Effect.SAFE))) is Refused
    assert type(await play(problem(400), classify=classify).send(keyed)) is Refused


@pytest.mark.parametrize(
    ("answer", "by_platform"),
    [
        (problem(500), True),
        (httpx.Response(502, html="<html><title>502 Bad Gateway</title></html>"), False),
        (httpx.Response(503, json={"title": "down", "status": 503}), False),
        (httpx.Response(500, content=b"<html></html>", headers=PROBLEM), False),
        (httpx.Response(500, content=b"[]", headers=PROBLEM), False),
        (httpx.Response(500, content=b"{}", headers=PROBLEM), False),
        (
            httpx.Response(
                500, json={"title": "x"}, headers={"content-type": "Application/Problem+JSON;charset=utf-8"}
            ),
            True,
        ),
    ],
)
async def test_a_5xx_is_the_platforms_own_only_as_a_problem_document(play, answer, by_platform, call):
    """What a gateway writes says nothing about what the platform did."""
    error = await play(answer).send(call(Effect.UNSAFE))
    assert type(error) is Unconfirmed
    assert error.by_platform is by_platform


@pytest.mark.parametrize(
    ("answer", "code", "detail"),
    [
        (
            httpx.Response(400, json={"status": 400, "code": 7007, "message": "Already run", "more_info": "u"}),
            "7007",
            "Already run",
        ),
        (
            httpx.Response(400, json={"error": {"message": "job instance already exists"}}),
            None,
            "job instance already exists",
        ),
        (httpx.Response(400, json={"error": "invalid_grant", "error_description": "no"}), "invalid_grant", "no"),
        (httpx.Response(400, json={"title": ["x"], "detail": {"a": 1}}), None, None),
        (httpx.Response(400, json=["x"]), None, '["x"]'),
        (httpx.Response(400, text="  no\n\tgood \x00 "), None, "no good"),
        (httpx.Response(400, html="<html><head><TITLE>\n Denied </TITLE></head>"), None, "a page titled 'Denied'"),
        (httpx.Response(400, text="<?xml version='1.0'?><a/>"), None, "a page of markup"),
        (httpx.Response(400), None, None),
        (httpx.Response(400, content=b"\xff\xfe"), None, "\ufffd\ufffd"),
        (httpx.Response(400, content=b"[" * 100_000), None, "[" * 499 + "…"),
        (httpx.Response(400, json={"message": "m" * 100_000}), None, '{"message":"' + "m" * 487 + "…"),
    ],
)
async def test_any_complaint_is_read_as_far_as_it_can_be(play, answer, code, detail, call):
    """Other vendors' words, wrong types, pages, plain text, garbage and floods."""
    error = await play(answer).send(call())
    assert type(error) is Refused
    assert (error.code, error.detail) == (code, detail)
    assert "\n" not in error.message
    assert len(error.message) < 1200


async def test_no_error_tells_a_secret(play, call, token):
    """A platform that repeats our credential in its complaint does not get it into our logs."""
    platform = play(problem(400, title=f"bad {token}", detail=f"token {token} is bad"))
    error = await platform.send(call(params={"q": "private"}))
    for text in (repr(error), str(error), error.code, error.detail, repr(call())):
        assert token not in text
        assert "private" not in text
    assert error.detail == "token [redacted] is bad"


async def test_a_safe_call_is_repeated_twice_and_then_fails(play, call):
    """Each repeat waits, and passes the budget."""
    platform = play(httpx.ReadError("reset"), httpx.Response(502), httpx.Response(200, content=b"ok"))
    answer = await platform.send(call())
    assert answer.body == b"ok"
    assert [exchange.outcome for exchange in platform.exchanges] == ["ReadError", "502", "200"]
    assert platform.budget.used == 3

    platform = play(httpx.ReadError("reset"))
    error = await platform.send(call())
    assert type(error) is Transient
    assert error.message == "GET analyses at ica.example.org: no response (ReadError: reset)"
    assert len(platform.requests) == 3


async def test_between_two_attempts_time_passes(play, call):
    """The floor of the backoff keeps a failing platform from being asked again at once."""
    platform = play(httpx.Response(500))
    async with anyio.create_task_group() as group:
        group.start_soon(platform.remote.send, call())
        await platform.clock.advance(0.9)
        assert len(platform.requests) == 1
        group.cancel_scope.cancel()


@pytest.mark.parametrize(
    "broken",
    [
        httpx.ReadError("x"),
        httpx.WriteError("x"),
        httpx.RemoteProtocolError("x"),
        OSError("tls"),
        httpx.ReadTimeout("x"),
    ],
)
async def test_an_unsafe_call_that_may_have_left_is_unconfirmed(play, broken, call):
    """It is not repeated, and its slot is held for longer than a window."""
    platform = play(broken)
    error = await platform.send(call(Effect.UNSAFE), patience=1)
    assert type(error) is Unconfirmed
    assert not error.by_platform
    assert len(platform.requests) == 1
    await platform.clock.advance(330)
    assert platform.budget.used == 1
    await platform.clock.advance(40)
    assert platform.budget.used == 0


@pytest.mark.parametrize(
    "broken", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x"), httpx.ProxyError("407")]
)
async def test_an_unsafe_call_that_never_left_may_be_sent_again(play, broken, call):
    """It is Transient, not repeated here, and costs nothing of the budget."""
    platform = play(broken)
    error = await platform.send(call(Effect.UNSAFE), patience=1)
    assert type(error) is Transient
    assert len(platform.requests) == 1
    assert platform.budget.used == 0


@pytest.mark.parametrize(("effect", "kind"), [(Effect.SAFE, Refused), (Effect.UNSAFE, Unconfirmed)])
async def test_an_answer_that_is_too_large_is_cut(play, effect, kind, call):
    """A look at it is refused; what was created by it has to be found out."""
    platform = play(httpx.Response(200, content=b"x" * 10_001))
    error = await platform.send(call(effect))
    assert type(error) is kind
    assert "more than 10000 bytes" in error.message
    assert len(platform.requests) == 1


async def test_a_small_body_that_unpacks_into_a_flood_is_cut_too(play, call):
    """The limit is on unpacked bytes."""
    bomb = httpx.Response(200, content=gzip.compress(b"x" * 1_000_000), headers={"content-encoding": "gzip"})
    assert type(await play(bomb).send(call())) is Refused


async def test_a_body_that_cannot_be_unpacked_is_a_failed_answer(play, call):
    """The status came, what it was about did not."""
    broken = httpx.Response(200, stream=httpx.ByteStream(b"no gzip"), headers={"content-encoding": "gzip"})
    error = await play(broken).send(call(Effect.UNSAFE))
    assert type(error) is Unconfirmed
    assert error.status == 200
    assert "200, but an incomplete response (DecodingError" in error.message


async def test_a_hang_ends_with_the_timeout_of_the_call(play, call):
    """The time-out runs from the send; the answer is lost."""
    platform = play(anyio.sleep_forever)
    with pytest.raises(Unconfirmed) as caught:
        await platform.remote.send(call(Effect.UNSAFE, timeout=0.01))
    error = caught.value
    assert "no response (TimedOut: nothing more within 0.01 s)" in error.message
    assert platform.exchanges[0].outcome == "TimedOut"


async def test_redirects_are_not_followed(play, call):
    """A credential goes to the host it was meant for and to no other."""
    platform = play(httpx.Response(302, headers={"location": "https://elsewhere.example.org/"}))
    error = await platform.send(call())
    assert error.message.endswith("302 redirects to https://elsewhere.example.org/")
    assert {request.url.host for request in platform.requests} == {"ica.example.org"}


async def test_cookies_are_not_kept(play, call):
    """One request knows nothing of the one before."""
    platform = play(httpx.Response(200, headers={"set-cookie": "a=b"}))
    await platform.remote.send(call())
    await platform.remote.send(call())
    assert "cookie" not in platform.requests[1].headers
