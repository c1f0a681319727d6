"""What is learned from how long things took: a histogram over doublings, and when an end is likely."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.polling.durations import MOST, STEPS, Durations

HOUR = 3600.0

seconds = st.floats(0, 1e12)


def learned(*ends):
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
    """Something twice as old takes twice as long to end as likely; half of all end before they are twice as old."""
    assert Durations().remaining(age, 0.1) == pytest.approx(age / 9)
    assert Durations().remaining(age, 0.5) == pytest.approx(age)


@pytest.mark.parametrize("age", [60.0, 600.0, 3600.0, 10_000.0])
def test_the_first_end_is_expected_where_the_first_was(age):
    """Of work that takes four hours a tenth has ended after four hours, to a class, however young it is now."""
    durations = learned(*[4 * HOUR] * 100)
    assert 4 * HOUR / 2 ** (1 / STEPS) <= age + durations.remaining(age, 0.1) <= 4 * HOUR * 2 ** (1 / STEPS)


@pytest.mark.parametrize("age", [0.0, 11.0, 20.0, 23.0])
def test_what_ends_soon_is_not_expected_late_because_nothing_ends_now(age):
    """Work that took 24 to 36 seconds: at any age before, a tenth is expected to have ended after some 24."""
    durations = learned(*[24 + 12 * number / 40 for number in range(41)])
    assert 21 <= age + durations.remaining(age, 0.1) <= 26


def test_only_what_may_still_come_counts():
    """Of two durations, the shorter says nothing once work is older than that."""
    both = learned(*[60.0] * 500, *[4 * HOUR] * 500)
    assert 45 < both.remaining(1.0, 0.1) < 65
    assert both.remaining(120.0, 0.1) == pytest.approx(learned(*[4 * HOUR] * 500).remaining(120.0, 0.1))


def test_the_more_is_asked_for_the_longer_it_takes():
    """A share of all follows the classes: of an even spread half has ended half-way."""
    durations = learned(*[100 + number for number in range(1000)])
    tenth, half, most = (durations.remaining(90, share) for share in (0.1, 0.5, 0.9))
    assert (tenth, half, most) == (pytest.approx(110, abs=15), pytest.approx(510, abs=25), pytest.approx(910, abs=60))


def test_beyond_all_that_was_seen_only_the_age_tells():
    """Something older than all before it may end now or never."""
    assert learned(*[60.0] * 100).remaining(1e6, 0.1) == pytest.approx(1e6 / 9)


@given(st.lists(seconds, max_size=50), st.floats(0, 1e9), st.floats(0.001, 0.9))
def test_there_is_always_an_end_to_wait_for(ends, age, share):
    """Nothing that was learned makes a look never due, nor due all the time."""
    assert 0 < learned(*ends).remaining(age, share) < 1e15


@given(st.lists(seconds, max_size=50), st.floats(0, 1e6), st.floats(0, 1e6))
def test_time_that_passed_without_an_end_never_brings_it_forward(ends, one, other):
    """What is expected of something older never lies before what was expected of it when it was younger."""
    durations, (young, old) = learned(*ends), sorted((one, other))
    assert young + durations.remaining(young, 0.1) <= (old + durations.remaining(old, 0.1)) * (1 + 1e-9) + 1


@given(st.lists(seconds, min_size=1, max_size=50), st.floats(0.01, 1.0))
def test_a_quantile_is_right_to_a_class(ends, share):
    """It is at least the true one, and no more than a class above it."""
    true = sorted(ends)[max(0, -(-int(share * 1e6) * len(ends) // 10**6) - 1)]
    told = quantile(learned(*ends), share)
    assert told is not None
    assert told >= min(true, 1e18) * (1 - 1e-9)
    assert told <= ((1 + true) * 2 ** (1 / STEPS) - 1) * (1 + 1e-9)


def test_nothing_seen_has_no_quantile():
    """A duration of which nothing is known is not told as if it were."""
    assert quantile(Durations(), 0.5) is None


def test_old_ends_fade():
    """A pipeline that was made faster is believed in time, and the counts stay small."""
    durations = learned(*[3600.0] * 5000, *[60.0] * 5000)
    assert durations.total <= MOST
    assert quantile(durations, 0.5) < 120


@given(st.lists(seconds, max_size=50))
def test_what_is_written_is_read(ends):
    """It outlives a restart as it was."""
    durations = learned(*ends)
    assert Durations.from_text(durations.as_text()).counts == durations.counts


@given(st.text(alphabet="0123456789:,.-einfa x", max_size=40))
def test_what_cannot_be_read_is_left_out(text):
    """A value that somebody spoilt costs what was learned, not the start."""
    read = Durations.from_text(text)
    assert all(count >= 0 for count in read.counts)
    assert read.remaining(100.0, 0.1) > 0
