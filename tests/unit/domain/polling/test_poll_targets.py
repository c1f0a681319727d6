"""When to look next: as often as wished while the budget allows; where it does not, what promises most waits least."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.polling.targets import (
    MAX_STRETCH,
    POLLING_SHARE,
    SLACK,
    BudgetState,
    Forecast,
    PollDemand,
    PollRest,
    PollTargets,
    weights,
)

AIMS = PollTargets(min_interval=10, max_interval=300)
SHARE = 1000 * POLLING_SHARE / 300
"""Requests a second that polls may take of 1000 in 300 s."""

forecasts = st.floats(0.1, 1e9)
rests = st.lists(
    st.builds(
        PollRest,
        st.integers(1, 100),
        st.floats(10, 300),
        st.floats(10, 300),
    ),
    max_size=30,
)
looks_of_work = st.lists(
    st.tuples(st.integers(1, 100), st.builds(Forecast, st.floats(0, 86_400), forecasts, st.just(1.0)))
)
wishes = st.lists(
    st.builds(PollDemand, st.integers(1, 1000), st.floats(0.05, 300), st.sampled_from([0.5, 1.0, 2.0])),
    max_size=30,
)
shares = st.floats(0, 1)


def budget_state(used):
    return BudgetState(requests=1000, per=300, used=used)


def forecast(forecast=1.0, *, age=0.0, ends=1.0, **more):
    return Forecast(age=age, forecast=forecast, ends=ends, **more)


# ---------------------------------------------------------------- what is wished for


@pytest.mark.parametrize(("remaining", "seconds"), [(0.1, 10), (10, 10), (20, 20), (360, 300), (1e8, 300)])
def test_a_frugal_rest_is_the_time_in_which_a_tenth_is_likely_to_end(remaining, seconds):
    """What ends soon is looked at each minimal interval, what takes long each maximal one."""
    assert AIMS.frugal(forecast(remaining)) == seconds


@pytest.mark.parametrize(("age", "seconds"), [(0, 10), (2000, 10), (4000, 20), (86_400, 300)])
def test_a_prompt_rest_shows_an_end_before_the_work_is_much_older(age, seconds):
    """Half of a hundredth of the age, whatever is forecast."""
    assert AIMS.prompt(forecast(1e8, age=age)) == seconds


@given(forecasts, st.floats(0, 1e9))
def test_rests_keep_to_the_aims(remaining, age):
    """No forecast and no age leads outside of the aims."""
    found = forecast(remaining, age=age)
    assert AIMS.min_interval <= AIMS.frugal(found) <= AIMS.max_interval
    assert AIMS.min_interval <= AIMS.prompt(found) <= AIMS.max_interval


def test_what_has_not_begun_may_rest_for_the_longest_interval():
    """Nothing ends where the platform says that nothing has begun, however young it is."""
    assert AIMS.frugal(forecast(idle=True)) == AIMS.max_interval


# ---------------------------------------------------------------- an idle budget


def rates(rests, stretch):
    """Requests a second that looks take with these rests."""
    return sum(rest.requests / rest.stretched(stretch) for rest in rests)


@given(rests)
def test_polls_are_as_prompt_as_their_share_of_the_budget_allows(rests):
    """They are stretched to just that share, and not at all where they fit; where frugal ones take more, those hold."""
    stretch = budget_state(0.0).stretch(rests)
    prompt = rates(rests, 1.0)
    if prompt <= SHARE:
        assert stretch == 1.0
    elif prompt > SLACK * SHARE and rates(rests, math.inf) > SHARE * (1 + 1e-9):
        assert stretch == math.inf
    else:
        assert rates(rests, stretch) == pytest.approx(SHARE)


def test_where_not_all_ends_can_be_seen_in_time_the_likely_ones_are():
    """Of thirty looks one is at work about to end: it keeps its ten seconds, the others divide the rest."""
    likely, quiet = PollRest(1, prompt=10.0, frugal=10.0), PollRest(1, prompt=10.0, frugal=300.0)
    stretch = BudgetState(300, 300, 1.0).stretch([likely] + [quiet] * 29)
    assert likely.stretched(stretch) == 10
    assert quiet.stretched(stretch) == pytest.approx(29 / (POLLING_SHARE - 0.1))


def test_while_all_ends_can_be_seen_in_time_none_is_preferred():
    """Nine looks at work about to end leave the tenth what it needs, though nothing is likely there."""
    likely, quiet = PollRest(1, prompt=10.0, frugal=10.0), PollRest(1, prompt=10.0, frugal=300.0)
    stretch = BudgetState(300, 300, 1.0).stretch([likely] * 9 + [quiet])
    assert likely.stretched(stretch) == quiet.stretched(stretch) == pytest.approx(10 / POLLING_SHARE)


@given(looks_of_work.filter(bool))
def test_while_half_of_the_budget_would_do_no_look_rests_longer_than_an_end_may_wait(polls):
    """That is 20 seconds, or a hundredth of the work's age."""
    bounds = [max(2 * AIMS.min_interval, 0.01 * found.age) for _, found in polls]
    half = sum(requests / bound for (requests, _), bound in zip(polls, bounds, strict=True)) * 300 / 0.5
    given_means = BudgetState(requests=math.ceil(half), per=300, used=1.0)
    wished = AIMS.demands(polls, given_means)
    pace = given_means.pace(wished)
    for demand, bound in zip(wished, bounds, strict=True):
        assert given_means.interval(demand, pace) <= 0.91 * bound


# ---------------------------------------------------------------- what each look is worth


@given(st.lists(st.tuples(st.integers(1, 100), st.floats(0, 1e6)), max_size=30))
def test_weights_stay_within_the_favour(polls):
    """No look is put off forever, however little it promises."""
    given_weights = weights([(requests, forecast(ends=ends)) for requests, ends in polls])
    assert len(given_weights) == len(polls)
    assert all(1 / MAX_STRETCH <= weight <= MAX_STRETCH for weight in given_weights)


@given(st.integers(1, 100), st.floats(1e-9, 1e6), st.integers(1, 30))
def test_looks_at_much_the_same_wait_alike(requests, ends, number):
    """They are asked in turn, each once a round."""
    polls = [(requests, forecast(ends=ends * (1 + 0.01 * n))) for n in range(number)]
    assert set(weights(polls)) == {1.0}


def test_what_promises_most_for_a_request_weighs_least():
    """Sixteen times the changes for a request are worth looking four times as often."""
    assert weights([(1, forecast(ends=16.0)), (1, forecast(ends=1.0))]) == [0.5, 2.0]
    assert weights([(1, forecast(ends=1.0)), (16, forecast(ends=1.0))]) == [0.5, 2.0]


def test_the_job_that_matters_more_is_looked_at_more_often():
    """At equal promise, from the first priority to the last there are two doublings."""
    assert weights([(1, forecast(priority=0)), (1, forecast(priority=9))]) == [0.5, 2.0]


# ---------------------------------------------------------------- what can be afforded


def cost(wished, budget_state):
    """Requests a second that all wishes take."""
    pace = budget_state.pace(wished)
    return sum(demand.requests / budget_state.interval(demand, pace) for demand in wished)


@given(wishes, shares)
def test_intervals_never_shrink_below_the_wish(wished, used):
    """The budget only ever makes looks rarer."""
    given_means = budget_state(used)
    pace = given_means.pace(wished)
    assert all(given_means.interval(demand, pace) >= demand.seconds * (1 - 1e-9) for demand in wished)


@given(wishes)
def test_a_budget_that_would_lapse_is_spent(wished):
    """While little of the window is used, every wish is met."""
    easy = budget_state(0.3)
    assert all(easy.interval(demand, easy.pace(wished)) == demand.seconds for demand in wished)


@given(wishes)
def test_a_used_up_budget_leaves_the_looks_their_share_and_all_of_it(wished):
    """All wishes together cost no more than the looks' share, and no less where they wish for more."""
    wished_for = sum(demand.requests / demand.seconds for demand in wished)
    assert cost(wished, budget_state(1.0)) == pytest.approx(min(wished_for, SHARE), rel=1e-6)


@given(wishes.filter(bool))
def test_no_look_waits_much_longer_than_an_even_round(wished):
    """Neither how little a look promises nor how rarely it wishes to be asked puts it off beyond a bound."""
    spent = budget_state(1.0)
    round_takes = sum(demand.requests for demand in wished) / SHARE
    pace = spent.pace(wished)
    for demand in wished:
        assert spent.interval(demand, pace) <= max(demand.seconds, MAX_STRETCH**2 * round_takes) * (1 + 1e-9)


def test_under_a_tight_budget_the_promising_look_waits_less():
    """Two looks of which only one promises much: it keeps four times the pace of the other."""
    wished = [PollDemand(300, 10.0, 0.5), PollDemand(300, 10.0, 2.0)]
    spent = budget_state(1.0)
    pace = spent.pace(wished)
    assert spent.interval(wished[1], pace) == pytest.approx(4 * spent.interval(wished[0], pace))


def test_who_is_content_with_less_than_its_part_leaves_the_rest_to_others():
    """Three hundred quiet looks keep their five minutes, while a hundred lively ones share what is left."""
    quiet, lively = PollDemand(1, 300.0, 2.0), PollDemand(1, 10.0, 0.5)
    spent = budget_state(1.0)
    pace = spent.pace([quiet] * 300 + [lively] * 100)
    assert spent.interval(quiet, pace) == 300
    assert spent.interval(lively, pace) == pytest.approx(100 / (SHARE - 1))


@given(wishes, shares, shares)
def test_a_tighter_budget_never_makes_looks_more_frequent(wished, one, other):
    """More of the window used means the same intervals, or longer ones."""
    easier, tighter = (budget_state(used) for used in sorted((one, other)))
    pace = easier.pace(wished)
    assert all(easier.interval(demand, pace) <= tighter.interval(demand, pace) * (1 + 1e-9) for demand in wished)
