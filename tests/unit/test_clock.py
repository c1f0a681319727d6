"""Time, handed in: the machine's clocks, and the one that tests move."""

import math

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import patience

from orchestrator.clock import SECOND, Clock, ManualClock, SystemClock


class Suspended(SystemClock):
    """A machine that is suspended for `night` seconds during its first sleep, which the event loop does not notice."""

    def __init__(self, night):
        super().__init__()
        self.time, self.night, self.slept = 0.0, night, []

    def monotonic(self):
        return self.time

    async def doze(self, seconds):
        self.slept.append(seconds)
        self.time += seconds + self.night
        self.night = 0.0


# ---------------------------------------------------------------- the machine's own


def test_the_machines_timer_never_goes_back():
    """Successive readings of the monotonic clock never fall."""
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert sorted(readings) == readings


def test_the_wall_clock_tells_microseconds_of_this_age():
    """Wall time is a whole number of microseconds since 1970, somewhere between 2024 and 2100."""
    now = SystemClock().now()
    assert isinstance(now, int)
    assert 1_704_000_000 * SECOND < now < 4_102_000_000 * SECOND


@pytest.mark.parametrize("seconds", [0, -1, -math.inf])
async def test_nothing_or_less_is_no_wait(seconds):
    """Sleeping for nothing, or for a time that is over, comes back."""
    with patience():
        await SystemClock().sleep(seconds)


async def test_a_sleep_ends_no_earlier_than_the_monotonic_clock_says():
    """Whoever slept until a deadline finds it reached."""
    clock = SystemClock()
    deadline = clock.monotonic() + 0.005
    await clock.sleep(0.005)
    assert clock.monotonic() >= deadline


async def test_a_long_sleep_notices_that_the_machine_was_suspended(monkeypatch):
    """A sleep of an hour, eight hours of suspension into it, ends with the portion that was under way."""
    clock = Suspended(night=8 * 3600)
    monkeypatch.setattr("orchestrator.clock.anyio.sleep", clock.doze)
    await clock.sleep(3600)
    assert clock.slept == [30.0]


async def test_a_long_sleep_without_suspension_is_slept_to_its_end(monkeypatch):
    """The portions of a sleep add up to what was asked for."""
    clock = Suspended(night=0)
    monkeypatch.setattr("orchestrator.clock.anyio.sleep", clock.doze)
    await clock.sleep(75)
    assert clock.slept == [30.0, 30.0, 15.0]


# ---------------------------------------------------------------- the one that tests move


async def sleeper(clock: Clock, seconds: float, woken: list[tuple[float, float]]) -> None:
    await clock.sleep(seconds)
    woken.append((seconds, clock.monotonic()))


async def test_sleepers_wake_in_the_order_of_their_deadlines_at_their_deadlines():
    """Each sleeper finds the clock at the very time that it asked for, and the last one finds it moved on."""
    clock, woken = ManualClock(monotonic=0.0), []
    async with anyio.create_task_group() as group:
        for seconds in (3, 1, 2):
            group.start_soon(sleeper, clock, seconds, woken)
        await clock.advance(10)
    assert woken == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert clock.monotonic() == 10.0


async def test_sleepers_of_one_deadline_wake_in_the_order_in_which_they_lay_down():
    """A tie goes to who came first."""
    clock, order = ManualClock(), []

    async def named(name):
        await clock.sleep(5)
        order.append(name)

    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(named, name)
            await anyio.wait_all_tasks_blocked()
        await clock.advance(5)
    assert order == ["a", "b", "c"]


async def test_a_sleeper_that_lies_down_again_is_woken_within_the_same_advance():
    """A task that sleeps in a loop gets all its turns out of one long advance."""
    clock, times = ManualClock(monotonic=0.0), []

    async def ticking():
        while True:
            await clock.sleep(2)
            times.append(clock.monotonic())

    async with anyio.create_task_group() as group:
        group.start_soon(ticking)
        await clock.advance(7)
        group.cancel_scope.cancel()
    assert times == [2.0, 4.0, 6.0]


async def test_nobody_wakes_before_the_time():
    """An advance that ends short of a deadline leaves the sleeper asleep."""
    clock, woken = ManualClock(), []
    async with anyio.create_task_group() as group:
        group.start_soon(sleeper, clock, 10, woken)
        await clock.advance(9.999)
        assert not woken
        await clock.advance(0.001)
        assert len(woken) == 1


async def test_a_cancelled_sleeper_is_forgotten():
    """Nothing waits on behalf of a task that has gone."""
    clock = ManualClock()
    async with anyio.create_task_group() as group:
        group.start_soon(clock.sleep, 10)
        await anyio.wait_all_tasks_blocked()
        assert clock.next_deadline == clock.monotonic() + 10
        group.cancel_scope.cancel()
    assert clock.next_deadline == math.inf


async def test_a_manual_sleep_for_nothing_or_less_returns_without_an_advance():
    """The clock need not move for a wait that is over."""
    clock = ManualClock()
    with patience():
        await clock.sleep(0)
        await clock.sleep(-3)
    assert clock.next_deadline == math.inf


async def test_setting_the_wall_clock_moves_no_timer():
    """An hour forward or a day back for people is nothing for sleepers."""
    clock, woken = ManualClock(), []
    timer, wall = clock.monotonic(), clock.now()
    async with anyio.create_task_group() as group:
        group.start_soon(sleeper, clock, 10, woken)
        await anyio.wait_all_tasks_blocked()
        clock.step_wall(3600)
        clock.step_wall(-86_400)
        await anyio.wait_all_tasks_blocked()
        assert (timer, wall + (3600 - 86_400) * SECOND) == (clock.monotonic(), clock.now())
        assert not woken
        await clock.advance(10)
    assert len(woken) == 1


async def test_the_monotonic_clock_refuses_to_go_back():
    """A test that would turn time back is told so, and how to set the wall clock."""
    clock = ManualClock(monotonic=5.0)
    with pytest.raises(ValueError, match="step_wall"):
        await clock.advance(-1)
    assert clock.monotonic() == 5.0


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=8))
def test_both_clocks_move_together(steps):
    """Whatever the steps, wall time advances by as much as the timer, to the microsecond a step."""
    clock = ManualClock(monotonic=0.0, now=0)

    async def move():
        for step in steps:
            await clock.advance(step)

    anyio.run(move)
    assert abs(clock.now() - clock.monotonic() * SECOND) <= len(steps) + 1
