"""How far our clock is from a platform's, whatever somebody does to ours."""

import pytest

from orchestrator.clock import SECOND, ManualClock
from orchestrator.platforms.http.clock_skew import Skew, any_trusted


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def skew(clock):
    return Skew(clock)


def test_until_a_platform_tells_the_time_ours_must_do(skew, clock):
    """Nothing is known, and nothing speaks against our clock."""
    assert (skew.known, skew.small, skew.seconds) == (False, True, 0.0)
    assert skew.platform_now == clock.now()


@pytest.mark.parametrize(("seconds", "small"), [(59, True), (-59, True), (61, False), (-61, False)])
def test_a_minute_is_the_most(skew, clock, seconds, small):
    """`Date` has whole seconds and travels; beyond a minute it means something."""
    skew.heard(clock.now() - seconds * SECOND)
    assert (skew.seconds, skew.small) == (seconds, small)


async def test_the_platforms_time_goes_on_between_its_answers(skew, clock):
    """An hour after the last answer it is an hour later there."""
    skew.heard(clock.now() - 5 * SECOND)
    await clock.advance(3600)
    assert clock.now() - skew.platform_now == 5 * SECOND


@pytest.mark.parametrize("jump", [-86_400, 3600])
def test_setting_our_clock_is_noticed_before_the_next_answer(skew, clock, jump):
    """The age of a key is told by the platform's time, which no one here can set."""
    skew.heard(clock.now())
    there = skew.platform_now
    clock.step_wall(jump)
    assert (skew.platform_now, skew.seconds, skew.small) == (there, jump, False)


def test_an_answer_without_a_date_changes_nothing(skew):
    """Not every answer tells the time."""
    skew.heard(None)
    assert not skew.known


@pytest.mark.parametrize(
    ("told", "trusted"),
    [((), False), ((None, None), False), ((0, None), True), ((0, 90), False), ((0, 30), True)],
)
def test_a_clock_is_vouched_for_by_all_that_speak_and_by_one_at_least(clock, told, trusted):
    """At a start nobody has spoken yet, and a machine without a battery believes any year."""
    skews = [Skew(clock) for _ in told]
    for skew, seconds in zip(skews, told, strict=True):
        skew.heard(None if seconds is None else clock.now() - seconds * SECOND)
    assert any_trusted(skews) is trusted
