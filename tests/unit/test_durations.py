"""What is learnt from how long things took: a histogram over doublings, and the chance of an end that follows."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.durations import MOST, STEPS, Durations

seconds = st.floats(0, 1e12)


def learnt(*ends):
    durations = Durations()
    for end in ends:
        durations.note(end)
    return durations


def quantile(durations, share):
    """Seconds within which this share had ended, rounded up to the end of a class; None when nothing has."""
    for place, so_far in enumerate(accumulate(durations.counts)):
        if so_far > 0 and so_far >= share * durations.total:
            return 2 ** ((place + 1) / STEPS) - 1
    return None


@pytest.mark.parametrize("age", [1.0, 60.0, 3600.0, 1e6])
def test_of_what_nobody_has_seen_end_the_chance_falls_with_the_age(age):
    """Something twice as old is half as likely to end in the coming second."""
    assert Durations().hazard(age) == pytest.approx(1 / age)


def test_before_the_usual_time_hardly_anything_ends():
    """A pipeline that takes four hours needs no look each minute in its first."""
    durations = learnt(*[4 * 3600.0] * 100)
    assert durations.hazard(600) < Durations().hazard(600) / 10


def test_around_the_usual_time_much_ends():
    """And is looked at all the more once the first of its runs may be over."""
    durations = learnt(*[4 * 3600.0] * 100)
    assert durations.hazard(4 * 3600.0) > 2 * Durations().hazard(4 * 3600.0)


def test_beyond_all_that_was_seen_only_the_age_tells():
    """Something older than all before it may end now or never."""
    assert learnt(*[60.0] * 100).hazard(1e6) == pytest.approx(1e-6)


@given(st.lists(seconds, max_size=50), st.floats(0, 1e9))
def test_there_is_always_some_chance_of_an_end(ends, age):
    """Nothing that was learnt makes a look never due, nor due all the time."""
    assert 0 < learnt(*ends).hazard(age) <= 10


@given(st.lists(seconds, min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_quantile_is_right_to_a_class(ends, share):
    """It is at least the true one, and no more than a class above it."""
    true = sorted(ends)[max(0, -(-int(share * 1e6) * len(ends) // 10**6) - 1)]
    told = quantile(learnt(*ends), share)
    assert told is not None
    assert told >= min(true, 1e18) * (1 - 1e-9)
    assert told <= ((1 + true) * 2 ** (1 / STEPS) - 1) * (1 + 1e-9)


def test_nothing_seen_has_no_quantile():
    """A duration of which nothing is known is not told as if it were."""
    assert quantile(Durations(), 0.5) is None


def test_old_ends_fade():
    """A pipeline that was made faster is believed in time, and the counts stay small."""
    durations = learnt(*[3600.0] * 5000, *[60.0] * 5000)
    assert durations.total <= MOST
    assert quantile(durations, 0.5) < 120


@given(st.lists(seconds, max_size=50))
def test_what_is_written_is_read(ends):
    """It outlives a restart as it was."""
    durations = learnt(*ends)
    assert Durations.from_text(durations.as_text()).counts == durations.counts


@given(st.text(alphabet="0123456789:,.-einfa x", max_size=40))
def test_what_cannot_be_read_is_left_out(text):
    """A value that somebody spoilt costs what was learnt, not the start."""
    read = Durations.from_text(text)
    assert all(count >= 0 for count in read.counts)
    assert read.hazard(100.0) > 0
