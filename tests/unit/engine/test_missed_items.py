"""What is counted in memory about what the platform passes over is bounded, and starves nobody."""

import pytest

from orchestrator.clock import ManualClock
from orchestrator.engine.polling import missed_items
from orchestrator.engine.polling.missed_items import ConditionTimer, MissCounter

DAY = 86_400.0


@pytest.fixture
def clock():
    return ManualClock()


def test_misses_are_counted_until_they_are_forgotten(clock):
    """An item that is told begins anew."""
    misses = MissCounter(clock, forgotten_after=DAY)
    assert [misses.count(("j", 1)) for _ in range(3)] == [1, 2, 3]
    misses.forget([("j", 1), ("j", 2)])
    assert (misses.count(("j", 1)), len(misses)) == (1, 1)


def test_more_items_than_are_held_have_their_turn(clock, monkeypatch):
    """Those that are held are counted to the end first; then there is room."""
    monkeypatch.setattr(missed_items, "MAX_COUNTED_ITEMS", 2)
    misses = MissCounter(clock, forgotten_after=DAY)
    done = set()
    for _ in range(9):
        for item in [("j", number) for number in range(6)]:
            if item not in done and misses.count(item) == 3:
                misses.forget([item])
                done.add(item)
        assert len(misses) <= 2
    assert len(done) == 6


async def test_items_that_nobody_misses_any_more_make_room(clock, monkeypatch):
    """They ended otherwise."""
    monkeypatch.setattr(missed_items, "MAX_COUNTED_ITEMS", 2)
    misses = MissCounter(clock, forgotten_after=DAY)
    for number in range(2):
        misses.count(("j", number))
    await clock.advance(DAY)
    assert [misses.count(("j", 9)) for _ in range(2)] == [1, 2]


async def test_what_goes_on_is_timed_and_what_stopped_is_forgotten(clock):
    """A break of days, or an end that was told, begins it anew."""
    gone = ConditionTimer(clock, broken_after=2 * DAY)
    assert (gone.lasts("a"), gone.lasts("b")) == (0.0, 0.0)
    await clock.advance(DAY)
    assert gone.lasts("a") == DAY
    await clock.advance(DAY)
    assert (gone.lasts("a"), len(gone)) == (2 * DAY, 1)
    gone.end("a")
    assert (gone.lasts("a"), gone.lasts("b")) == (0.0, 0.0)


async def test_what_was_not_asked_for_days_begins_anew(clock):
    """The machine was suspended, or nothing was polled: what holds at two moments need not hold between them."""
    gone, misses = ConditionTimer(clock, broken_after=2 * DAY), MissCounter(clock, forgotten_after=2 * DAY)
    assert (gone.lasts("a"), misses.count(("j", 1)), misses.count(("j", 1))) == (0.0, 1, 2)
    await clock.advance(2 * DAY)
    assert (gone.lasts("a"), misses.count(("j", 1))) == (0.0, 1)
    await clock.advance(DAY)
    assert (gone.lasts("a"), misses.count(("j", 1))) == (DAY, 2)
