"""The waits between two attempts."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.domain.polling.backoff import Backoff, doubled


@given(attempt=st.integers(-3, 10**9), seed=st.integers(0, 2**32))
def test_a_delay_lies_between_the_floor_and_the_cap(attempt, seed):
    """Whatever the attempt and the dice, neither limit is passed and nothing overflows."""
    assert 1.0 <= Backoff(floor=1.0, first=2.0, cap=30.0).delay(attempt, Random(seed)) <= 30.0


def test_the_ceiling_doubles_with_each_attempt():
    """The longest possible waits grow 2, 4, 8 above the floor, up to the cap."""

    class Highest(Random):
        def random(self) -> float:
            return 1.0

    backoff = Backoff(floor=1.0, first=2.0, cap=10.0)
    assert [backoff.delay(attempt, Highest()) for attempt in (1, 2, 3, 4)] == [3.0, 5.0, 9.0, 10.0]


def test_callers_that_fail_together_come_back_apart():
    """The jitter is full: it spreads over the whole span above the floor."""
    random = Random(1)
    delays = [Backoff(floor=1.0, first=4.0, cap=30.0).delay(1, random) for _ in range(200)]
    assert min(delays) < 1.2
    assert max(delays) > 4.8


@pytest.mark.parametrize(("floor", "first", "cap"), [(-1, 1, 2), (3, 1, 2), (0, 0, 2)])
def test_limits_that_contradict_each_other_are_refused(floor, first, cap):
    """A negative floor, a floor above the cap and a first step of nothing are mistakes of ours."""
    with pytest.raises(ValueError, match="a backoff needs"):
        Backoff(floor=floor, first=first, cap=cap)


def test_a_pause_that_doubles_ends_at_its_cap():
    """However many attempts have failed: weeks of them overflow nothing."""
    assert [doubled(10.0, attempt, 3600.0) for attempt in (1, 2, 9, 10, 11, 5000)] == [10, 20, 2560, 3600, 3600, 3600]
