"""Whether anything of an account succeeds, and how rarely it is asked while nothing does."""

import pytest

from orchestrator.clock import ManualClock
from orchestrator.platforms.http.calls import Exchange
from orchestrator.platforms.http.contact import LONG, Contact
from orchestrator.platforms.rate_limit.lanes import Lane


def exchange(outcome, status=None):
    return Exchange("jobs", Lane.POLL, outcome, status, waited=0.0, seconds=0.1, server_date=None)


GOOD = exchange("200", 200)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.mark.parametrize("bad", [exchange("ConnectError"), exchange("404", 404), exchange("TooLarge", 200)])
async def test_failing_is_counted_from_the_first_failure_to_the_next_success(clock, bad):
    """An answer that breaks off is no success, whatever its status."""
    contact = Contact(clock)
    contact.heard(GOOD)
    await clock.advance(50)
    assert contact.failing_for == 0
    contact.heard(bad)
    await clock.advance(100)
    contact.heard(bad)
    await clock.advance(5000)  # nobody asks: an idle account does not go on failing
    assert contact.failing_for == 100
    contact.heard(GOOD)
    assert contact.failing_for == 0


async def test_a_failure_after_a_night_without_requests_is_the_first(clock):
    """The last request of yesterday was refused, and so is the first of today: there is no reason to wait."""
    contact = Contact(clock)
    contact.heard(exchange("400", 400))
    await clock.advance(15 * 3600)
    contact.heard(exchange("400", 400))
    assert (contact.failing_for, contact.rests, contact.rest) == (0, False, 0)
    assert contact.failing_since == clock.monotonic()


async def test_an_account_of_which_nothing_succeeds_is_asked_ever_more_rarely(clock):
    """Nothing changes for a quarter of an hour; then pauses grow, to a quarter of an hour at most."""
    contact = Contact(clock)
    contact.heard(exchange("ConnectError"))
    await clock.advance(LONG - 1)
    assert (contact.rests, contact.rest) == (False, 0)
    await clock.advance(1)
    contact.heard(exchange("ConnectError"))
    assert (contact.rests, contact.rest) == (True, 60)
    requests = 0
    while contact.failing_for < 86_400:
        await clock.advance(contact.rest)
        contact.heard(exchange("ConnectError"))
        requests += 1
    assert contact.rest == 900
    assert requests < 200
    contact.heard(GOOD)
    assert (contact.rests, contact.rest) == (False, 0)
