"""Logins: who gets a session, how long it lasts, and how often a wrong token may be tried."""

import pytest
from starlette.datastructures import Headers

from orchestrator.clock import ManualClock
from orchestrator.web.sessions import (
    COOKIE,
    FAILURE_WINDOW,
    LIFETIME,
    MOST_FAILURES,
    MOST_SESSIONS,
    Sessions,
    TooManyFailuresError,
    WrongTokenError,
)

TOKEN = "token-5d2f8e11"


def headers(cookie):
    """A request with the session cookie among others."""
    return Headers({"cookie": f"theme=dark; {COOKIE}={cookie}"})


@pytest.fixture
def clock():
    """Time that stands still unless a test moves it."""
    return ManualClock()


@pytest.fixture
def sessions(clock):
    """The sessions of a server with a token."""
    return Sessions(TOKEN, clock)


def test_the_right_token_opens_a_session(sessions):
    """The cookie finds it, with the name that was typed and the address."""
    session = sessions.find(headers(sessions.log_in(f" {TOKEN}\n", " Ada ", "10.0.0.7")))
    assert session.actor == "Ada (token, from 10.0.0.7)"


@pytest.mark.parametrize("token", ["", "token-5d2f8e12", TOKEN[:-1], f"{TOKEN}x", "tökèn"])
def test_a_wrong_token_opens_none(sessions, token):
    """Whatever it resembles."""
    with pytest.raises(WrongTokenError):
        sessions.log_in(token, "Ada", "10.0.0.7")


def test_without_a_configured_token_nobody_logs_in(clock):
    """An empty token is not the missing one."""
    with pytest.raises(WrongTokenError):
        Sessions(None, clock).log_in("", "Ada", "127.0.0.1")


def test_each_login_is_a_session_of_its_own(sessions):
    """With its own id and its own CSRF token, and it ends alone."""
    first, second = (sessions.log_in(TOKEN, "Ada", "10.0.0.7") for _ in range(2))
    assert first != second
    assert sessions.find(headers(first)).csrf != sessions.find(headers(second)).csrf
    sessions.end(first)
    assert sessions.find(headers(first)) is None
    assert sessions.find(headers(second)) is not None


async def test_a_session_ends_after_twelve_hours(sessions, clock):
    """Used or not."""
    cookie = sessions.log_in(TOKEN, "Ada", "10.0.0.7")
    await clock.advance(LIFETIME - 1)
    assert sessions.find(headers(cookie)) is not None
    await clock.advance(1)
    assert sessions.find(headers(cookie)) is None


@pytest.mark.parametrize("cookie", ["", "x", "\udcff", "A" * 5000])
def test_a_made_up_cookie_is_no_session(sessions, cookie):
    """And no error."""
    sessions.log_in(TOKEN, "Ada", "10.0.0.7")
    request = Headers(raw=[(b"cookie", f"{COOKIE}={cookie}".encode("latin-1", "replace"))])
    assert sessions.find(request) is None
    assert sessions.find(Headers({})) is None


async def test_five_failures_in_a_minute_close_the_login(sessions, clock):
    """For the right token too, until the first of them is a minute old; other addresses are not affected."""
    for _ in range(MOST_FAILURES):
        with pytest.raises(WrongTokenError):
            sessions.log_in("wrong", "Eve", "10.0.0.66")
        await clock.advance(2)
    with pytest.raises(TooManyFailuresError) as refused:
        sessions.log_in(TOKEN, "Eve", "10.0.0.66")
    assert refused.value.retry_in == FAILURE_WINDOW - 2 * MOST_FAILURES
    assert sessions.log_in(TOKEN, "Ada", "10.0.0.7")
    await clock.advance(refused.value.retry_in)
    assert sessions.log_in(TOKEN, "Ada", "10.0.0.66")


def test_one_network_of_ipv6_counts_as_one_address(sessions):
    """One host has the whole /64 at its disposal; another network is another caller."""
    for number in range(MOST_FAILURES):
        with pytest.raises(WrongTokenError):
            sessions.log_in("wrong", "Eve", f"2001:db8::{number}")
    with pytest.raises(TooManyFailuresError):
        sessions.log_in(TOKEN, "Eve", "2001:db8::ffff")
    assert sessions.log_in(TOKEN, "Ada", "2001:db8:0:1::1")


def test_the_number_of_sessions_is_bounded(sessions):
    """The oldest ends."""
    first = sessions.log_in(TOKEN, "Ada", "10.0.0.7")
    for _ in range(MOST_SESSIONS):
        last = sessions.log_in(TOKEN, "Bob", "10.0.0.8")
    assert sessions.find(headers(first)) is None
    assert sessions.find(headers(last)) is not None


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("", "unnamed"), ("  ", "unnamed"), ("A\x1b[31m\u202e", r"A\x1b[31m\u202e"), ("x" * 99, "x" * 60)],
)
def test_a_typed_name_is_safe_to_print(sessions, typed, shown):
    """Whatever was typed; it ends up in logs and in the history."""
    assert sessions.find(headers(sessions.log_in(TOKEN, typed, "10.0.0.7"))).name == shown
