"""How calls pass the budget, and what answers tell it."""

from contextlib import suppress

import anyio
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.clock import SECOND
from orchestrator.domain.errors import PlatformError, Throttled, Unconfirmed
from orchestrator.platforms.http.transport import Effect
from orchestrator.platforms.rate_limit.limiter import Lane


async def test_the_wait_for_the_budget_is_not_part_of_the_timeout(play, call):
    """A call that waits a window for its slot has its whole time-out still before it."""
    platform = play(httpx.Response(200), requests=1, per=100.0)
    await platform.remote.send(call())
    answer = await platform.send(call(timeout=50.0), patience=101)
    assert answer.status == 200
    assert platform.exchanges[1].waited == pytest.approx(100, rel=0.001)


async def test_a_429_closes_the_account_and_is_not_repeated(play, call):
    """For as long as the platform asks, whatever the call."""
    platform = play(httpx.Response(429, headers={"retry-after": "20"}), httpx.Response(200))
    error = await platform.send(call(), patience=1)
    assert type(error) is Throttled
    assert error.retry_after == 20
    assert len(platform.requests) == 1
    assert 19 <= platform.budget.snapshot().closed_for <= 22
    assert (await platform.send(call(Effect.UNSAFE), patience=25)).status == 200
    assert platform.exchanges[1].waited >= 18


@pytest.mark.parametrize(
    ("headers", "closed"),
    [
        ({"retry-after": "100000"}, 300),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT", "date": "Tue, 14 Nov 2023 22:13:20 GMT"}, 60),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60),
        ({"x-ratelimit-reset": "1700000030", "date": "Tue, 14 Nov 2023 22:13:20 GMT"}, 30),
        ({"x-ratelimit-reset": "1700000030000", "date": "Tue, 14 Nov 2023 22:13:20 GMT"}, 30),
        ({"x-ratelimit-reset": "1699996430", "date": "Tue, 14 Nov 2023 21:13:20 GMT"}, 30),
        ({"x-ratelimit-reset": "45"}, 45),
    ],
)
async def test_the_platforms_own_clock_tells_how_long(play, headers, closed, call):
    """Seconds, dates, stamps in seconds or milliseconds, by its `Date`: a clock of ours that is off does not matter."""
    platform = play(httpx.Response(429, headers=headers))
    await platform.send(call(), patience=0)
    assert closed - 0.01 <= platform.budget.snapshot().closed_for <= closed + 3


@pytest.mark.parametrize("headers", [{}, {"retry-after": "soon"}, {"retry-after": "-5"}, {"retry-after": "nan"}])
async def test_a_429_without_a_usable_time_closes_for_a_guess(play, headers, call):
    """Some seconds at first."""
    platform = play(httpx.Response(429, headers=headers))
    await platform.send(call(), patience=0)
    assert 2 <= platform.budget.snapshot().closed_for <= 11


async def test_a_503_that_asks_for_time_is_passed_on(play, call):
    """Maintenance: the safe call is not repeated against it, the account stays open."""
    platform = play(httpx.Response(503, headers={"retry-after": "600"}))
    error = await platform.send(call())
    assert type(error) is Throttled
    assert error.retry_after == 600
    assert len(platform.requests) == 1
    assert platform.budget.snapshot().closed_for == 0
    assert type(await platform.send(call(Effect.UNSAFE))) is Unconfirmed


@pytest.mark.parametrize(
    ("said", "closed"), [({}, 300), ({"retry-after": "600"}, 600), ({"retry-after": "1e308"}, 3600)]
)
async def test_maintenance_of_everything_closes_the_account_for_an_hour_at_most(play, said, closed, call):
    """For as long as the platform says, but a mistaken header closes it for neither years nor ever."""
    platform = play(httpx.Response(503, headers=said), classify=lambda *_: Throttled)
    await platform.send(call(), patience=0)
    assert platform.budget.snapshot().closed_for == closed


async def test_what_is_left_by_the_platforms_count_is_heeded(play, call):
    """The headers of any answer, errors too, lower the budget until the window ends."""
    date = {"date": "Tue, 14 Nov 2023 22:13:20 GMT", "x-ratelimit-limit": "100", "x-ratelimit-reset": "1700000050"}
    platform = play(httpx.Response(404, headers=date | {"x-ratelimit-remaining": "40"}))
    await platform.send(call(), patience=0)
    assert platform.budget.free == 40
    await platform.clock.advance(51)
    assert platform.budget.free == 99


async def test_the_last_second_of_a_window_does_not_close_the_next_one(play, call):
    """Nothing left, and a reset in the second of the `Date`: an idle account goes on two seconds later."""
    headers = {
        "date": "Tue, 14 Nov 2023 22:13:20 GMT",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1700000000",
    }
    platform = play(httpx.Response(200, headers=headers), httpx.Response(200))
    await platform.send(call(), patience=0)
    assert platform.budget.free == 0
    assert (await platform.send(call(lane=Lane.CONTROL), patience=2)).status == 200


TEXTS = (
    st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=40)
    | st.integers().map(str)
    | st.floats().map(str)
)
NAMES = ("date", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


@given(
    headers=st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, TEXTS.map(lambda text: text.encode("latin-1")))),
    status=st.sampled_from([200, 404, 429, 503]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_header_can_do_harm(play, call, headers, status):
    """Whatever is written there, the account is open again a window later and its budget never grows."""
    platform = play(httpx.Response(status, headers=headers))
    with suppress(PlatformError):
        await platform.remote.send(call(Effect.UNSAFE))
    view = platform.budget.snapshot()
    assert platform.exchanges[0].outcome == str(status)
    assert view.closed_for <= 303
    assert 0 <= view.withheld <= 100
    assert view.free <= 99


async def test_a_call_that_is_cancelled_while_it_waits_costs_nothing(play, call):
    """Nothing was sent; no slot is taken, nobody hears of it."""
    platform = play(httpx.Response(200), requests=1)
    await platform.remote.send(call())
    async with anyio.create_task_group() as group:
        group.start_soon(platform.remote.send, call())
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert len(platform.requests) == 1
    assert len(platform.exchanges) == 1
    assert platform.budget.snapshot().lanes[Lane.POLL].waiting == 0


async def test_a_call_that_is_cancelled_on_its_way_holds_its_slot(play, call):
    """Its answer may still be counted; the cancellation itself passes through."""
    platform = play(anyio.sleep_forever)
    async with anyio.create_task_group() as group:
        group.start_soon(platform.remote.send, call())
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert platform.exchanges[0].outcome == "CancelledError"
    await platform.clock.advance(310)
    assert platform.budget.used == 1


async def test_the_observer_hears_of_each_request(play, call):
    """Route, lane, outcome, waits and the platform's date, for logs, metrics and the skew of clocks."""
    platform = play(httpx.Response(404, headers={"date": "Tue, 14 Nov 2023 22:13:20 GMT"}))
    await platform.send(call(lane=Lane.CONTROL), patience=0)
    (exchange,) = platform.exchanges
    assert (exchange.route, exchange.lane, exchange.outcome, exchange.status) == ("analyses", Lane.CONTROL, "404", 404)
    assert (exchange.waited, exchange.seconds, exchange.server_date) == (0, 0, 1_700_000_000 * SECOND)
