"""The request budget, as three kinds of servers count it."""

import pytest

from orchestrator.simulator import Limit
from orchestrator.simulator.budget import Budget


async def _statuses(ica, count):
    return [(await ica.get("/api/system/info")).status_code for _ in range(count)]


async def test_a_sliding_window_frees_what_has_left_it(make_ica):
    """Each request counts for exactly `per` seconds from its arrival."""
    ica = make_ica(requests=2, per=10.0)
    first = await _statuses(ica, 1)
    await ica.clock.advance(6)
    second = await _statuses(ica, 2)
    await ica.clock.advance(4)
    third = await _statuses(ica, 2)
    assert (first, second, third) == ([200], [200, 429], [200, 429])


async def test_a_refusal_says_why_and_how_long(make_ica):
    """429 as a problem ICA_API_429, with Retry-After in whole seconds unless the knob leaves it out."""
    for retry_after, expected in ((True, "10"), (False, None)):
        ica = make_ica(requests=1, per=10.0, retry_after=retry_after)
        await ica.get("/api/jobs")
        answer = await ica.get("/api/jobs")
        assert (answer.status_code, answer.json()["title"]) == (429, "ICA_API_429")
        assert answer.headers.get("retry-after") == expected


async def test_everything_a_user_asks_counts(make_ica):
    """Token fetches, refusals and unknown paths too; another user has its own budget; the admin endpoints are free."""
    ica = make_ica(requests=3, per=10.0)
    await ica.client.post("/api/tokens")
    await ica.get("/api/nothing")
    await ica.get("/api/jobs", "text/html")
    await ica.client.get("http://ica.example.org/_simulator/requests")
    assert await _statuses(ica, 1) == [429]
    assert (await ica.client.get("/api/jobs", headers={"X-API-Key": "wrong"})).status_code == 401


def _admitted(limit, times):
    budget = Budget(limit)
    granted = [time for time in times if budget.admit("user", time) is None]
    return granted, budget.usage["user"]


@pytest.mark.parametrize(
    ("window", "granted"),
    [
        ("sliding", [8, 9, 18, 19]),
        ("fixed", [8, 9, 11, 12, 21]),
        ("fixed_from_first", [8, 9, 18, 19]),
        ("none", [8, 9, 11, 12, 18, 19, 21]),
    ],
)
def test_windows_begin_where_they_should(window, granted):
    """Fixed windows begin at multiples of `per`, or with the first request after the last one; a sliding one never."""
    assert _admitted(Limit(2, 10, window), [8, 9, 11, 12, 18, 19, 21])[0] == granted


def test_fixed_from_first_does_not_slide():
    """A full window's worth just before its end and another just after are both granted, unlike by a sliding one."""
    times = [0, 9, 10, 11]
    assert _admitted(Limit(2, 10, "fixed_from_first"), times)[0] == times
    assert _admitted(Limit(2, 10, "sliding"), times)[0] == [0, 9, 10]


@pytest.mark.parametrize("window", ["sliding", "fixed", "fixed_from_first", "none"])
def test_the_judge_knows_the_worst_window(window):
    """Refused requests are among what was counted: a worst above the limit convicts the client."""
    granted, usage = _admitted(Limit(2, 10, window), [0, 1, 2, 3, 20])
    assert (usage.requests, usage.worst) == (5, 4)
    assert usage.refused == 5 - len(granted) == (0 if window == "none" else 2)


def test_refusals_may_use_up_budget():
    """With `count_refused`, hammering keeps the door shut."""
    times = [0, 1, 5, 10.5, 12]
    assert _admitted(Limit(2, 10, "sliding"), times)[0] == [0, 1, 10.5, 12]
    assert _admitted(Limit(2, 10, "sliding", count_refused=True), times)[0] == [0, 1]
