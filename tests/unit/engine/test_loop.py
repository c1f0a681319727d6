"""The contract of everything that runs for ever: turns, rests, wakes, failures."""

import math
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio
import pytest
from waiting import patience

from orchestrator.clock import ManualClock
from orchestrator.domain.errors import OrchestratorError
from orchestrator.engine.loop import LONG_RUN, LONGEST_UNDISTURBED, Loop, kept_running
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import ComponentError

REST = 60.0


@dataclass
class Scripted:
    """A part that does at each turn what the script says, and rests for a minute once it has come to its end."""

    clock: ManualClock
    script: list[float | Exception | Callable[[], Awaitable[float]]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    name = "scripted"

    async def turn(self) -> float:
        self.times.append(self.clock.monotonic())
        act = self.script.pop(0) if self.script else REST
        if isinstance(act, Exception):
            raise act
        return await act() if callable(act) else act


@dataclass
class Stage:
    """A part, its loop, and what was published."""

    clock: ManualClock
    part: Scripted
    loop: Loop
    told: list[ComponentError]


def doubling(failures: int) -> float:
    """Pauses of 1, 2, 4, 8 … seconds."""
    return 2.0 ** (failures - 1)


def stage(*script, clock=None):
    clock = clock or ManualClock(monotonic=0.0)
    bus: Bus = Bus()
    told: list[ComponentError] = []
    bus.subscribe(told.append)
    part = Scripted(clock, list(script))
    return Stage(clock, part, Loop(part, clock=clock, bus=bus, retry_delays=doubling), told)


@asynccontextmanager
async def running(*stages):
    async with anyio.create_task_group() as group:
        for each in stages:
            group.start_soon(each.loop.run)
        await anyio.wait_all_tasks_blocked()
        yield
        group.cancel_scope.cancel()


# ---------------------------------------------------------------- turns and rests


async def test_the_next_turn_comes_when_the_part_said():
    """Each turn names the rest that follows it."""
    on = stage(5, 2.5, 100)
    async with running(on):
        await on.clock.advance(30)
    assert on.part.times == [0.0, 5.0, 7.5]


async def test_a_part_that_has_more_to_do_at_once_lets_others_run():
    """A rest of nothing gives way to other tasks, and cannot starve them."""
    on, other = stage(*[0.0] * 50), anyio.Event()
    async with running(on):
        other.set()
    assert len(on.part.times) == 51
    assert other.is_set()


async def test_a_rest_without_end_waits_for_a_wake():
    """A part may leave it to others to say when there is more."""
    on = stage(math.inf)
    async with running(on):
        await on.clock.advance(1e6)
        assert on.part.times == [0.0]
        on.loop.wake()
        await anyio.wait_all_tasks_blocked()
        assert on.part.times == [0.0, 1e6]


async def test_a_living_loop_tells_when_it_turned():
    """The time of the last turn is known, of a failed one too."""
    on = stage(5, ValueError("broken"))
    async with running(on):
        assert on.loop.turned_at == 0.0
        await on.clock.advance(5)
        assert on.loop.turned_at == 5.0


async def test_a_stuck_turn_shows():
    """While a turn does not come back, the time of the last one stands still."""
    stuck = anyio.Event()

    async def hang():
        await stuck.wait()
        return REST

    on = stage(5, hang)
    async with running(on):
        await on.clock.advance(500)
        assert on.loop.turned_at == 0.0
        stuck.set()
        await anyio.wait_all_tasks_blocked()
        assert on.loop.turned_at == 500.0


async def test_a_loop_is_overdue_while_a_turn_lasts():
    """From the beginning of the turn, whether it was due or woken; never while it rests."""
    stuck = anyio.Event()

    async def hang():
        await stuck.wait()
        return REST

    on = stage(50, hang)
    async with running(on):
        await on.clock.advance(20)
        assert on.loop.overdue == 0.0
        on.loop.wake()
        await on.clock.advance(500)
        assert on.loop.overdue == 500.0
        stuck.set()
        await on.clock.advance(10)
        assert on.loop.overdue == 0.0


# ---------------------------------------------------------------- wakes


async def test_a_wake_during_the_rest_ends_it():
    """The turn comes at once."""
    on = stage()
    async with running(on):
        await on.clock.advance(10)
        on.loop.wake()
        await anyio.wait_all_tasks_blocked()
        assert on.part.times == [0.0, 10.0]


async def test_a_wake_during_a_turn_is_not_lost():
    """What came up after the turn had looked is looked at in another turn, without a rest."""
    on = stage()

    async def interrupted():
        on.loop.wake()
        return REST

    on.part.script.append(interrupted)
    async with running(on):
        assert on.part.times == [0.0, 0.0]
        await on.clock.advance(59)
        assert on.part.times == [0.0, 0.0]


async def test_many_wakes_are_one_turn():
    """Nothing is done twice because it was announced twice, and none of the wakes lingers."""
    on = stage()
    async with running(on):
        for _ in range(10):
            on.loop.wake()
        await anyio.wait_all_tasks_blocked()
        await on.clock.advance(59)
        assert len(on.part.times) == 2


@pytest.mark.parametrize(("took", "rest"), [(0.1, 0.4), (30.0, LONGEST_UNDISTURBED)])
async def test_a_wake_does_not_cut_the_rest_after_a_long_turn(took, rest):
    """A part that is woken all the time rests four times as long as its turn took, and never longer than a second."""
    clock = ManualClock(monotonic=0.0)

    async def work():
        await clock.sleep(took)
        return REST

    it = stage(work, work, clock=clock)
    async with running(it):
        it.loop.wake()
        await clock.advance(took)
        await clock.advance(rest - 0.01)
        assert it.part.times == [0.0]
        await clock.advance(0.01)
        assert it.part.times == [0.0, pytest.approx(took + rest)]


async def test_a_rest_shorter_than_that_is_kept():
    """What a part asks for comes in its time, however long its turn took."""
    clock = ManualClock(monotonic=0.0)

    async def work():
        await clock.sleep(0.2)
        return 0.3

    it = stage(work, clock=clock)
    async with running(it):
        await clock.advance(0.2)
        await clock.advance(0.3)
        assert it.part.times == [0.0, pytest.approx(0.5)]


async def test_a_wake_before_the_start_does_no_harm():
    """The first turn comes anyway, and is not repeated."""
    on = stage()
    on.loop.wake()
    async with running(on):
        assert on.part.times == [0.0]


async def test_a_rest_that_was_cut_short_leaves_nothing_behind():
    """After a wake, the next rest has its whole length, and nobody else sleeps on the clock."""
    on = stage()
    async with running(on):
        await on.clock.advance(30)
        on.loop.wake()
        await anyio.wait_all_tasks_blocked()
        assert on.clock.next_deadline == 30 + REST
        await on.clock.advance(REST)
    assert on.part.times == [0.0, 30.0, 90.0]
    assert on.clock.next_deadline == math.inf


# ---------------------------------------------------------------- failures


async def test_a_failure_is_told_and_backed_off():
    """The part is tried again after a pause that grows with the failures in a row, and each is published."""
    on = stage(OSError("disk full"), OSError("disk full"), OSError("disk full"))
    async with running(on):
        await on.clock.advance(30)
    assert on.part.times == [0.0, 1.0, 3.0, 7.0]
    assert [(it.part, it.retry_in_s) for it in on.told] == [("scripted", 1.0), ("scripted", 2.0), ("scripted", 4.0)]


async def test_a_success_forgets_the_failures_before():
    """The pauses begin anew after a turn that went well."""
    on = stage(OSError(), OSError(), 10, OSError())
    async with running(on):
        await on.clock.advance(30)
    assert [it.retry_in_s for it in on.told] == [1.0, 2.0, 1.0]
    assert on.part.times == [0.0, 1.0, 3.0, 13.0, 14.0]


async def test_what_we_raise_on_purpose_is_told_in_a_line():
    """Our own errors say what a person needs; a traceback would hide it."""
    on = stage(OrchestratorError("the database is locked"))
    async with running(on):
        pass
    assert [it.reason for it in on.told] == ["the database is locked"]


async def test_a_bug_is_told_with_its_traceback():
    """What nobody expected is told in full, so that it can be found."""
    on = stage(KeyError("look"))
    async with running(on):
        pass
    (told,) = on.told
    assert "Traceback" in told.reason
    assert "KeyError: 'look'" in told.reason
    assert __name__.rpartition(".")[2] in told.reason


async def test_a_wake_does_not_shorten_a_back_off():
    """More to do does not repair what is broken: however often it is woken, a failing part keeps its pauses."""
    on = stage(OSError("disk full"), OSError("disk full"))
    async with running(on):
        for _ in range(5):
            on.loop.wake()
            await on.clock.advance(0.1)
        assert on.part.times == [0.0]
        await on.clock.advance(0.5)
        assert on.part.times == [0.0, 1.0]


async def test_a_wake_during_a_back_off_is_answered_by_the_turn_after_it():
    """The turn that follows sees what there is to do; a second one is not needed."""
    on = stage(OSError("disk full"))
    async with running(on):
        on.loop.wake()
        await on.clock.advance(1)
        assert on.part.times == [0.0, 1.0]


async def test_a_failing_part_does_not_stop_its_siblings():
    """Beside a part that always fails, another one turns as ever."""
    clock = ManualClock(monotonic=0.0)
    broken, sound = stage(*[ValueError("broken")] * 3, clock=clock), stage(2, 2, clock=clock)
    async with running(broken, sound):
        await clock.advance(4)
    assert sound.part.times == [0.0, 2.0, 4.0]
    assert len(broken.told) == 3


async def test_failures_of_several_tasks_at_once_are_backed_off_too():
    """A group of exceptions, as a task group raises it, is one failure like any other."""
    on = stage(ExceptionGroup("two at once", [OSError("one"), OSError("two")]))
    async with running(on):
        await on.clock.advance(1)
    assert on.part.times == [0.0, 1.0]
    assert len(on.told) == 1


async def test_a_group_of_errors_of_ours_is_a_line_for_each():
    """What is raised on purpose needs no traceback, however deeply task groups nested it."""
    inner = ExceptionGroup("inner", [OrchestratorError("the disk is full")])
    on = stage(ExceptionGroup("outer", [inner, OrchestratorError("the server is away")]))
    async with running(on):
        pass
    assert [each.reason for each in on.told] == ["the disk is full\nthe server is away"]


# ---------------------------------------------------------------- tasks beside the loops


@pytest.mark.parametrize("error", [OSError("broken"), ExceptionGroup("as a task group raises it", [OSError("broken")])])
async def test_a_task_that_raises_is_reported_and_started_again(error):
    """Neither an exception nor a group of them ends the tasks beside it; pauses grow while it keeps failing."""
    clock, bus, told, starts = ManualClock(monotonic=0.0), Bus(), [], []
    bus.subscribe(told.append)

    async def fail_twice():
        starts.append(clock.monotonic())
        if len(starts) < 3:
            raise error
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(partial(kept_running, "server", fail_twice, clock=clock, bus=bus, retry_delays=doubling))
        await clock.advance(10)
        group.cancel_scope.cancel()
    assert starts == [0.0, 1.0, 3.0]
    assert [(each.part, each.retry_in_s) for each in told] == [("server", 1.0), ("server", 2.0)]


async def test_a_task_that_ran_for_long_is_restarted_as_if_it_had_never_failed():
    """Five failures in a year, each after months of work, do not add up to a long delay."""
    clock, starts = ManualClock(monotonic=0.0), []

    async def fail_at_length():
        starts.append(clock.monotonic())
        await clock.sleep(LONG_RUN)
        raise OSError("broken")

    async with anyio.create_task_group() as group:
        group.start_soon(partial(kept_running, "server", fail_at_length, clock=clock, bus=Bus(), retry_delays=doubling))
        await clock.advance(3 * LONG_RUN + 10)
        group.cancel_scope.cancel()
    assert starts == [0.0, LONG_RUN + 1, 2 * LONG_RUN + 2, 3 * LONG_RUN + 3]


# ---------------------------------------------------------------- stopping


@pytest.mark.parametrize("script", [(), (OSError("disk full"),)], ids=["at rest", "backing off"])
async def test_a_stop_ends_a_resting_loop_at_once(script):
    """Cancelling needs no wake and is no failure."""
    on = stage(*script)
    with patience():
        async with running(on):
            told = len(on.told)
    assert (len(script), 1) == (told, len(on.part.times))
    assert on.clock.next_deadline == math.inf


async def test_a_stop_during_a_turn_is_no_failure():
    """A turn that is cancelled ends the loop, and nothing is published."""

    async def hang():
        await anyio.sleep_forever()
        return 0.0

    on = stage(hang)
    async with running(on):
        pass
    assert (on.told, on.part.times) == ([], [0.0])
