"""When to look next: as often as wished while the budget allows, evenly less as it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.cadence import AGE_SHARE, OBSERVING_SHARE, Aims, Means

AIMS = Aims(min_interval=10, max_interval=300)
MEANS = Means(requests=1000, per=300)

ages = st.floats(0, 1e7, allow_nan=False)
wishes = st.lists(st.tuples(st.integers(1, 1000), st.floats(0.05, 300)), max_size=30)
shares = st.floats(0, 1)


@pytest.mark.parametrize(("age", "seconds"), [(0, 10), (100, 10), (200, 20), (3600, 300), (1e7, 300)])
def test_an_interval_grows_with_age_between_the_aims(age, seconds):
    """Young things are looked at each minimal interval, old ones each maximal one, and in between by their age."""
    assert AIMS.interval(age) == pytest.approx(seconds)


@given(ages)
def test_an_interval_keeps_to_the_aims(age):
    """No age leads outside of the aims."""
    assert AIMS.min_interval <= AIMS.interval(age) <= AIMS.max_interval


@given(wishes, shares)
def test_intervals_never_shrink_below_the_wish(wished, used):
    """The budget only ever makes looks rarer."""
    assert MEANS.stretch(wished, used=used) >= 1


@given(wishes)
def test_a_budget_that_would_lapse_is_spent(wished):
    """While little of the window is used, every wish is met."""
    assert MEANS.stretch(wished, used=0.3) == 1


@given(wishes)
def test_a_used_up_budget_leaves_the_looks_their_share(wished):
    """Stretched, all wishes together cost no more than the looks' share of the budget."""
    stretch = MEANS.stretch(wished, used=1)
    rate = sum(requests / (seconds * stretch) for requests, seconds in wished)
    assert rate <= MEANS.requests * OBSERVING_SHARE / MEANS.per * (1 + 1e-9)


@given(wishes, shares, shares)
def test_a_tighter_budget_never_makes_looks_more_frequent(wished, one, other):
    """More of the window used means the same intervals, or longer ones."""
    easier, tighter = sorted((one, other))
    assert MEANS.stretch(wished, used=easier) <= MEANS.stretch(wished, used=tighter)


def test_a_status_is_seen_late_by_a_part_of_its_age():
    """The share of the age is what the documentation says."""
    assert pytest.approx(0.1) == AGE_SHARE
