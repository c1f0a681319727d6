"""When to look next: as often as wished while the budget allows; where it does not, what promises most waits least."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.cadence import FAVOUR, OBSERVING_SHARE, Aims, Means, Prospect, weights

AIMS = Aims(min_interval=10, max_interval=300)
MEANS = Means(requests=1000, per=300)

hazards = st.floats(1e-9, 10)
wishes = st.lists(
    st.tuples(st.integers(1, 1000), st.floats(0.05, 300), st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0])), max_size=30
)
even = st.lists(st.tuples(st.integers(1, 1000), st.floats(0.05, 300), st.just(1.0)), max_size=30)
shares = st.floats(0, 1)


def prospect(hazard=1.0, *, ends=1.0, idle=False):
    return Prospect(age=0.0, hazard=hazard, ends=ends, idle=idle)


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


# ---------------------------------------------------------------- what can be afforded


@given(wishes, shares)
def test_intervals_never_shrink_below_the_wish(wished, used):
    """The budget only ever makes looks rarer."""
    stretch = MEANS.stretch(wished, used=used)
    assert all(stretch.of(weight) >= 1 for _, _, weight in wished)


@given(wishes)
def test_a_budget_that_would_lapse_is_spent(wished):
    """While little of the window is used, every wish is met."""
    stretch = MEANS.stretch(wished, used=0.3)
    assert all(stretch.of(weight) == 1 for _, _, weight in wished)


@given(even)
def test_a_used_up_budget_leaves_the_looks_their_share(wished):
    """Stretched, all wishes together cost no more than the looks' share of the budget."""
    stretch = MEANS.stretch(wished, used=1)
    rate = sum(requests / (seconds * stretch.of(weight)) for requests, seconds, weight in wished)
    assert rate <= MEANS.requests * OBSERVING_SHARE / MEANS.per * (1 + 1e-9)


@given(wishes)
def test_favour_does_not_overdraw_the_share(wished):
    """What some looks gain, others give."""
    stretch = MEANS.stretch(wished, used=1)
    rate = sum(requests / (seconds * stretch.of(weight)) for requests, seconds, weight in wished)
    assert rate <= MEANS.requests * OBSERVING_SHARE / MEANS.per * (1 + 1e-9)


def test_under_a_tight_budget_the_promising_look_waits_less():
    """Two looks of which only one promises much: it keeps four times the pace of the other."""
    wished = [(300, 10.0, 0.5), (300, 10.0, 2.0)]
    stretch = MEANS.stretch(wished, used=1)
    assert stretch.of(2.0) == pytest.approx(4 * stretch.of(0.5))


@given(wishes, shares, shares)
def test_a_tighter_budget_never_makes_looks_more_frequent(wished, one, other):
    """More of the window used means the same intervals, or longer ones."""
    easier, tighter = (MEANS.stretch(wished, used=used) for used in sorted((one, other)))
    assert all(easier.of(weight) <= tighter.of(weight) for _, _, weight in wished)
