"""Which look comes first where not all can: the newest work, what promises most, and nobody never."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polls import AIMS, budget_state, forecast, names, poll, want

from orchestrator.domain.polling.targets import MAX_STRETCH, POLLING_SHARE, Forecast
from orchestrator.engine.polling.schedule import MAX_FAILING, Schedule


@pytest.fixture
def schedule():
    return Schedule(AIMS, budget_state())


# ---------------------------------------------------------------- order


def test_the_longest_overdue_comes_first(schedule):
    """Looks are asked in the order in which they became due."""
    want(schedule, [(poll("young"), 1), (poll("older"), 8), (poll("middle"), 5)], now=0)
    assert names(schedule.due(now=5)) == ["older", "middle"]
    assert names(schedule.due(now=60)) == ["older", "middle", "young"]


def test_looks_of_one_time_keep_their_order(schedule):
    """A tie is broken by who was wanted first, so no look starves behind its equals."""
    want(schedule, [(poll(name), 60) for name in "cab"], now=0)
    assert names(schedule.due(now=0)) == ["c", "a", "b"]


def test_a_first_status_does_not_wait_behind_all_that_a_start_left_overdue(schedule):
    """Of two thousand looks that are due, that at the newest submission is asked first."""
    old = [(poll(f"old{number}"), 7200) for number in range(2000)]
    want(schedule, old, now=0)
    want(schedule, [*old, (poll("new"), 0)], now=100)
    assert "new" not in names(schedule.due(now=109))
    assert schedule.due(now=111)[0].name == "new"
    schedule.start(poll("new"))
    schedule.done(poll("new"), began=111, now=111)
    assert schedule.due(now=125)[0].name == "old0"


def test_the_most_overdue_for_how_often_it_comes_goes_first(schedule):
    """Half a minute late is much for what comes each ten seconds, and little for what comes each five minutes."""
    wanted = [(poll("quiet"), 86_400), (poll("lively"), 60)]
    want(schedule, wanted, now=0)
    for each, _ in wanted:
        schedule.start(each)
        schedule.done(each, began=0, now=0)
    assert names(schedule.due(now=320)) == ["lively", "quiet"]
    assert names(schedule.due(now=300)) == ["lively", "quiet"]


def test_what_failed_holds_few_places(schedule):
    """Of a hundred questions that hang, eight are asked again at a time; the others leave their places to the rest."""
    hanging = [poll(f"hanging{number}") for number in range(100)]
    want(schedule, [(each, 3600) for each in hanging], now=0)
    for each in hanging:
        schedule.start(each)
        schedule.failed(each, now=0, pause=10)
    good = poll("good")
    want(schedule, [(each, 3600) for each in [*hanging, good]], now=20)
    due = schedule.due(now=20)
    assert (len(due), good in due) == (MAX_FAILING + 1, True)
    for each in due:
        schedule.start(each)
    assert (schedule.due(now=60), schedule.next_due()) == ([], math.inf)
    schedule.done(due[0], began=70, now=70)
    assert len(schedule.due(now=70)) == 1


def test_what_failed_leaves_its_share_of_the_budget_to_the_others():
    """Of twenty polls under a tight budget half hang: the other half come twice as often."""
    schedule = Schedule(AIMS, budget_state(requests=150, used=1.0))
    hanging, good = ([poll(f"{name}{number}") for number in range(10)] for name in ("hanging", "good"))

    def interval():
        want(schedule, [(each, 60) for each in hanging + good], now=0)
        schedule.start(good[0])
        schedule.done(good[0], began=0, now=0)
        return schedule.next_due()

    want(schedule, [(each, 60) for each in hanging + good], now=0)
    for each in hanging + good[1:]:
        schedule.start(each)
    before = interval()
    for each in hanging:
        schedule.failed(each, now=0, pause=1000)
    assert interval() == pytest.approx(before / 2)


# ---------------------------------------------------------------- what promises more


@pytest.mark.parametrize(("idle", "rest"), [(False, 60), (True, 300)])
def test_what_has_not_begun_rests_for_the_longest_interval(idle, rest):
    """Where requests are scarce: until the word for its batch changes there is nothing to see."""
    schedule = Schedule(AIMS, budget_state(requests=10, per=1000))
    waiting = poll("items", word="INITIALIZED")
    schedule.want([(waiting, forecast(waiting, 600, idle=idle)), (poll("other"), forecast(waiting, 600))], now=0)
    schedule.start(poll("other"))
    schedule.start(waiting)
    schedule.done(waiting, began=10, now=10)
    assert schedule.next_due() == 10 + rest


def test_what_has_not_begun_is_asked_as_soon_as_the_rest_where_requests_are_left_over(schedule):
    """The word for a batch may come late: an item may begin and end meanwhile."""
    waiting = poll("items", word="INITIALIZED")
    schedule.want([(waiting, forecast(waiting, 600, idle=True))], now=0)
    schedule.start(waiting)
    schedule.done(waiting, began=10, now=10)
    assert schedule.next_due() == 20


def test_under_a_tight_budget_the_promising_look_comes_first():
    """Where a thousand analyses are about to end, they are looked at more often than where nothing is."""
    schedule = Schedule(AIMS, budget_state(1.0, requests=100, per=60))
    polls = {name: poll(name, cost=300) for name in ("dull", "lively")}
    promise = {"dull": 1.0, "lively": 16.0}
    schedule.want([(each, forecast(each, 0, ends=promise[name])) for name, each in polls.items()], now=0)
    rests = {}
    for each in polls.values():
        schedule.start(each)
    for name, each in polls.items():
        schedule.done(each, began=0, now=0)
        rests[name] = schedule.next_due()
        schedule.start(each)
    assert rests["dull"] == pytest.approx(4 * rests["lively"])


@given(
    st.lists(st.tuples(st.integers(1, 30), st.floats(0, 1e5), st.floats(0.1, 1e6)), min_size=1, max_size=40),
    st.sampled_from([0.2, 1.0, 3.0]),
)
@settings(max_examples=60, deadline=None)
def test_no_look_starves_however_little_is_left(polls, requests_a_second):
    """Asked one after the other as the budget allows, none waits much longer than it would if all went in turn."""
    schedule = Schedule(AIMS, budget_state(1.0, requests=max(1, round(requests_a_second * 300))))
    wanted = {
        f"l{number}": (poll(f"l{number}", cost=cost), Forecast(age=age, forecast=forecast, ends=cost / forecast))
        for number, (cost, age, forecast) in enumerate(polls)
    }
    schedule.want(wanted.values(), now=0)
    seconds_a_request = 1 / (requests_a_second * POLLING_SHARE)
    even = sum(each.cost for each, _ in wanted.values()) * seconds_a_request
    # Its own rest, and once the time that all others take.
    bound = 2 * max(AIMS.max_interval, MAX_STRETCH**2 * even) + even
    now, asked = 0.0, dict.fromkeys(wanted, 0.0)
    while now < 3 * bound:
        for each in schedule.due(now=now)[:1]:
            schedule.start(each)
            now += each.cost * seconds_a_request
            schedule.done(each, began=now - each.cost * seconds_a_request, now=now)
            assert now - asked[each.name] <= bound
            asked[each.name] = now
        now = max(now, min(schedule.next_due(), 3 * bound))
    assert all(now - at <= bound for at in asked.values())
