"""When to look next: as often as wished while the budget allows; where it does not, what promises most waits least."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.cadence import FAVOUR, OBSERVING_SHARE, Aims, Means, Prospect, Wish, weights

AIMS = Aims(min_interval=10, max_interval=300)
SHARE = 1000 * OBSERVING_SHARE / 300
"""Requests a second that looks may take of 1000 in 300 s."""

hazards = st.floats(1e-9, 10)
wishes = st.lists(
    st.builds(Wish, st.integers(1, 1000), st.floats(0.05, 300), st.sampled_from([0.5, 1.0, 2.0])),
    max_size=30,
)
shares = st.floats(0, 1)


def means(used):
    return Means(requests=1000, per=300, used=used)


def prospect(hazard=1.0, *, ends=1.0, **more):
    return Prospect(age=0.0, hazard=hazard, ends=ends, **more)


# ---------------------------------------------------------------- what is wished for


@pytest.mark.parametrize(("hazard", "seconds"), [(1, 10), (1 / 100, 10), (1 / 200, 20), (1 / 3600, 300), (1e-9, 300)])
def test_an_interval_is_the_time_in_which_a_tenth_may_change(hazard, seconds):
    """What ends soon is looked at each minimal interval, what takes long each maximal one."""
    assert AIMS.interval(prospect(hazard)) == pytest.approx(seconds)


@given(hazards)
def test_an_interval_keeps_to_the_aims(hazard):
    """No chance of a change leads outside of the aims."""
    assert AIMS.min_interval <= AIMS.interval(prospect(hazard)) <= AIMS.max_interval


def test_what_has_not_begun_is_left_alone():
    """Nothing ends where the platform says that nothing has begun, however young it is."""
    assert AIMS.interval(prospect(idle=True)) == AIMS.max_interval


# ---------------------------------------------------------------- what each look is worth


@given(st.lists(st.tuples(st.integers(1, 100), st.floats(0, 1e6)), max_size=30))
def test_weights_stay_within_the_favour(looks):
    """No look is put off for ever, however little it promises."""
    given_weights = weights([(requests, prospect(ends=ends)) for requests, ends in looks])
    assert len(given_weights) == len(looks)
    assert all(1 / FAVOUR <= weight <= FAVOUR for weight in given_weights)


@given(st.integers(1, 100), st.floats(1e-9, 1e6), st.integers(1, 30))
def test_looks_at_much_the_same_wait_alike(requests, ends, number):
    """They are asked in turn, each once a round."""
    looks = [(requests, prospect(ends=ends * (1 + 0.01 * n))) for n in range(number)]
    assert set(weights(looks)) == {1.0}


def test_what_promises_most_for_a_request_weighs_least():
    """Sixteen times the changes for a request are worth looking four times as often."""
    assert weights([(1, prospect(ends=16.0)), (1, prospect(ends=1.0))]) == [0.5, 2.0]
    assert weights([(1, prospect(ends=1.0)), (16, prospect(ends=1.0))]) == [0.5, 2.0]


def test_the_job_that_matters_more_is_looked_at_more_often():
    """At equal promise, from the first priority to the last there are two doublings."""
    assert weights([(1, prospect(priority=0)), (1, prospect(priority=9))]) == [0.5, 2.0]


# ---------------------------------------------------------------- what can be afforded


def cost(wished, means):
    """Requests a second that all wishes take."""
    pace = means.pace(wished)
    return sum(wish.requests / means.interval(wish, pace) for wish in wished)


@given(wishes, shares)
def test_intervals_never_shrink_below_the_wish(wished, used):
    """The budget only ever makes looks rarer."""
    given_means = means(used)
    pace = given_means.pace(wished)
    assert all(given_means.interval(wish, pace) >= wish.seconds * (1 - 1e-9) for wish in wished)


@given(wishes)
def test_a_budget_that_would_lapse_is_spent(wished):
    """While little of the window is used, every wish is met."""
    easy = means(0.3)
    assert all(easy.interval(wish, easy.pace(wished)) == wish.seconds for wish in wished)


@given(wishes)
def test_a_used_up_budget_leaves_the_looks_their_share_and_all_of_it(wished):
    """All wishes together cost no more than the looks' share, and no less where they wish for more."""
    wished_for = sum(wish.requests / wish.seconds for wish in wished)
    assert cost(wished, means(1.0)) == pytest.approx(min(wished_for, SHARE), rel=1e-6)


@given(wishes.filter(bool))
def test_no_look_waits_much_longer_than_an_even_round(wished):
    """Neither how little a look promises nor how rarely it wishes to be asked puts it off beyond a bound."""
    spent = means(1.0)
    round_takes = sum(wish.requests for wish in wished) / SHARE
    pace = spent.pace(wished)
    for wish in wished:
        assert spent.interval(wish, pace) <= max(wish.seconds, FAVOUR**2 * round_takes) * (1 + 1e-9)


def test_under_a_tight_budget_the_promising_look_waits_less():
    """Two looks of which only one promises much: it keeps four times the pace of the other."""
    wished = [Wish(300, 10.0, 0.5), Wish(300, 10.0, 2.0)]
    spent = means(1.0)
    pace = spent.pace(wished)
    assert spent.interval(wished[1], pace) == pytest.approx(4 * spent.interval(wished[0], pace))


def test_who_is_content_with_less_than_its_part_leaves_the_rest_to_others():
    """Three hundred quiet looks keep their five minutes, while a hundred lively ones share what is left."""
    quiet, lively = Wish(1, 300.0, 2.0), Wish(1, 10.0, 0.5)
    spent = means(1.0)
    pace = spent.pace([quiet] * 300 + [lively] * 100)
    assert spent.interval(quiet, pace) == 300
    assert spent.interval(lively, pace) == pytest.approx(100 / (SHARE - 1))


@given(wishes, shares, shares)
def test_a_tighter_budget_never_makes_looks_more_frequent(wished, one, other):
    """More of the window used means the same intervals, or longer ones."""
    easier, tighter = (means(used) for used in sorted((one, other)))
    pace = easier.pace(wished)
    assert all(easier.interval(wish, pace) <= tighter.interval(wish, pace) * (1 + 1e-9) for wish in wished)
