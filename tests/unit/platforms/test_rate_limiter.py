"""The budget as its users see it: who waits, who is woken, and what a slot's end means."""

import math
from random import Random

import anyio
import pytest

from orchestrator.clock import ManualClock
from orchestrator.platforms.rate_limit.limiter import URGENT, Lane, Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import MARGIN, MemorySlots
from orchestrator.platforms.rate_limit.window import DRIFT

SECOND_LATER = 10.0 * (1 + DRIFT)


def budget_of(requests, *, per=10.0, clock=None, share=1.0):
    """A budget with all slots free, on a clock that the test moves."""
    clock = clock or ManualClock()
    return RateLimiter(Limit(requests, per, share), clock, MemorySlots(), Random(1)), clock


async def use(budget, done, name, lane=Lane.POLL, priority=0):
    """Wait for a slot, note it, and have the answer at once."""
    slot = await budget.acquire(lane, priority)
    done.append(name)
    slot.release()


async def test_a_free_slot_is_had_at_once():
    """No wait, and the figures say so."""
    budget, _ = budget_of(2)
    slot = await budget.acquire(Lane.POLL)
    view = budget.snapshot()
    assert slot.waited == 0
    assert (view.limit, view.used, view.in_flight, view.free) == (2, 1, 1, 1)
    assert view.lanes[Lane.POLL].granted == 1


async def test_a_waiter_gets_the_slot_one_window_after_the_answer():
    """The wait is measured from the release, and told in the figures."""
    budget, clock = budget_of(1)
    slot = await budget.acquire(Lane.POLL)
    done = []
    async with anyio.create_task_group() as group:
        group.start_soon(use, budget, done, "second")
        await clock.advance(5)
        slot.release()
        await clock.advance(9.9)
        assert done == []
        assert budget.snapshot().lanes[Lane.POLL].waiting == 1
        await clock.advance(0.2)
        assert done == ["second"]
    lane = budget.snapshot().lanes[Lane.POLL]
    assert (lane.waiting, lane.granted) == (0, 2)
    assert lane.waited == pytest.approx(5 + SECOND_LATER, abs=0.001)


async def test_a_request_that_never_left_gives_its_slot_back_at_once():
    """Whoever waits has it in the same moment."""
    budget, clock = budget_of(1)
    slot = await budget.acquire(Lane.POLL)
    done = []
    async with anyio.create_task_group() as group:
        group.start_soon(use, budget, done, "second")
        await clock.advance(0)
        slot.unsent()
        await clock.advance(0)
        assert done == ["second"]


async def test_a_lost_answer_holds_the_slot_for_timeout_margin_and_window():
    """The platform may count the request late; until then the slot is not used again."""
    budget, clock = budget_of(1)
    slot = await budget.acquire(Lane.POLL)
    await clock.advance(1)
    slot.lose(timeout=60)
    held = 60 + MARGIN + SECOND_LATER - 1
    await clock.advance(held - 0.01)
    assert budget.free == 0
    await clock.advance(0.02)
    assert budget.free == 1


@pytest.mark.parametrize("again", ["release", "unsent"])
async def test_a_slot_ends_once(again):
    """Ending it twice is a mistake of ours, and would count wrong."""
    budget, _ = budget_of(1)
    slot = await budget.acquire(Lane.POLL)
    slot.release()
    with pytest.raises(RuntimeError, match="a slot ends once"):
        getattr(slot, again)()
    assert budget.used == 1


async def test_waiters_go_by_lane_and_priority():
    """Control, then the urgent submission, then by number, then in the order in which they came."""
    budget, clock = budget_of(1, per=1.0)
    slot = await budget.acquire(Lane.SUBMIT)
    done = []
    async with anyio.create_task_group() as group:
        for name, lane, priority in [
            ("five", Lane.SUBMIT, 5),
            ("one", Lane.SUBMIT, 1),
            ("one more", Lane.SUBMIT, 1),
            ("urgent", Lane.SUBMIT, URGENT),
            ("control", Lane.CONTROL, 0),
        ]:
            group.start_soon(use, budget, done, name, lane, priority)
            await anyio.wait_all_tasks_blocked()
        slot.release()
        await clock.advance(10)
    assert done == ["control", "urgent", "one", "one more", "five"]


async def test_a_cancelled_waiter_leaves_no_trace():
    """The queue, the slots and the other waiters are as if it had never come."""
    budget, clock = budget_of(1)
    slot = await budget.acquire(Lane.POLL)
    done = []
    async with anyio.create_task_group() as group:
        async with anyio.create_task_group() as doomed:
            doomed.start_soon(use, budget, done, "first in the queue, and timekeeper")
            await anyio.wait_all_tasks_blocked()
            group.start_soon(use, budget, done, "stays")
            doomed.start_soon(use, budget, done, "last in the queue")
            await anyio.wait_all_tasks_blocked()
            doomed.cancel_scope.cancel()
        assert budget.snapshot().lanes[Lane.POLL].waiting == 1
        slot.release()
        await clock.advance(11)
    assert done == ["stays"]
    assert budget._events == {}
    assert budget._timekeeper is None
    assert clock.next_deadline == math.inf


async def test_a_waiter_cancelled_in_the_moment_of_its_grant_gives_the_slot_back():
    """The next in the queue has it instead."""
    budget, clock = budget_of(1)
    slot = await budget.acquire(Lane.POLL)
    done = []
    async with anyio.create_task_group() as group:
        async with anyio.create_task_group() as doomed:
            doomed.start_soon(use, budget, done, "doomed")
            await anyio.wait_all_tasks_blocked()
            group.start_soon(use, budget, done, "next")
            await anyio.wait_all_tasks_blocked()
            slot.unsent()
            doomed.cancel_scope.cancel()
        await clock.advance(0)
        assert done == ["next"]
    assert budget.snapshot().in_flight == 0


async def test_nobody_gets_a_slot_in_a_cancelled_scope():
    """A cancelled caller takes nothing, even when slots are free."""
    budget, _ = budget_of(1)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await budget.acquire(Lane.CONTROL)
    assert scope.cancelled_caught
    assert budget.used == 0


async def test_a_declared_backlog_paces_and_its_end_lets_go():
    """Waiters are spread while the backlog is large, and go at once when it turns out small."""
    budget, clock = budget_of(10)
    budget.declare(Lane.POLL, 100)
    done = []
    async with anyio.create_task_group() as group:
        for name in range(5):
            group.start_soon(use, budget, done, name)
        await clock.advance(0.5)
        assert len(done) in {1, 2}
        assert budget.snapshot().paced
        budget.declare(Lane.POLL, 0)
        await clock.advance(0)
        assert sorted(done) == [0, 1, 2, 3, 4]


async def test_a_closed_budget_lets_nobody_through_until_it_opens():
    """Not even control; an earlier end never opens it."""
    budget, clock = budget_of(10)
    budget.close(clock.monotonic() + 5)
    budget.close(clock.monotonic() + 1)
    done = []
    async with anyio.create_task_group() as group:
        group.start_soon(use, budget, done, "control", Lane.CONTROL)
        await clock.advance(4.9)
        assert done == []
        assert budget.free == 0
        assert budget.snapshot().closed_for == pytest.approx(0.1)
        await clock.advance(0.2)
        assert done == ["control"]


async def test_a_refusal_closes_the_account_for_as_long_as_it_says_plus_jitter():
    """One window at the most, whatever it says."""
    budget, clock = budget_of(10)
    for says, least, most in [(3.0, 3.0, 3.1), (86_400.0, 10.0, 10.1), (0.0, 0.08, 0.2)]:
        slot = await budget.acquire(Lane.POLL)
        slot.release()
        assert least <= budget.throttled(slot, says) <= most
        await clock.advance(11)


@pytest.mark.parametrize("says", [None, -5.0, math.nan, math.inf])
async def test_a_refusal_that_tells_no_time_is_guessed_and_doubles(says):
    """Each refusal in a row waits longer, up to one window."""
    budget, clock = budget_of(1000, per=60.0)
    pauses = []
    for _ in range(10):
        slot = await budget.acquire(Lane.POLL)
        slot.release()
        pauses.append(budget.throttled(slot, says))
        await clock.advance(pauses[-1])
    assert pauses[0] <= 0.5 + 1.0 + 0.6
    assert max(pauses) > 8
    assert max(pauses) <= 60.6


async def test_refusals_of_requests_sent_together_count_once():
    """Only a request that left after the last refusal brings news of another client."""
    budget, clock = budget_of(1000)
    slots = [await budget.acquire(Lane.POLL) for _ in range(8)]
    await clock.advance(1)
    for slot in slots:
        slot.release()
        budget.throttled(slot, 1.0)
    view = budget.snapshot()
    assert view.throttled == 8
    assert view.withheld == 50


async def test_another_client_is_made_room_for_and_recovered_from():
    """A refusal inside our own budget holds slots back for a window, then fewer and fewer."""
    budget, clock = budget_of(100)
    slot = await budget.acquire(Lane.POLL)
    slot.release()
    budget.throttled(slot, 0.5)
    await clock.advance(9)
    assert budget.snapshot().withheld == 5
    await clock.advance(6)
    assert budget.snapshot().withheld == 3
    await clock.advance(6)
    assert budget.snapshot().withheld == 0


async def test_a_hint_lowers_what_is_left_and_never_raises_it():
    """Fewer than we believe: fewer it is, for a second more than told. More than we believe: somebody's mistake."""
    budget, clock = budget_of(10)
    slot = await budget.acquire(Lane.POLL)
    slot.release()
    budget.hint(5000, 5.0, slot)
    assert budget.free == 9
    budget.hint(4, 5.0, slot)
    assert budget.free == 4
    await clock.advance(5.9)
    assert budget.free == 4
    await clock.advance(0.2)
    assert budget.free == 9


@pytest.mark.parametrize("reset_in", [None, -2.0, -3.0, 11.0, 1e12, math.nan, math.inf])
async def test_a_reset_that_makes_no_sense_counts_as_one_window(reset_in):
    """Missing, long past, far or no number: the hint holds for a window and not longer."""
    budget, clock = budget_of(10)
    budget.hint(3, reset_in)
    await clock.advance(9.9)
    assert budget.free == 3
    await clock.advance(0.2)
    assert budget.free == 10


async def test_a_negative_remainder_is_not_heard():
    """-1 means unlimited on some platforms, and nothing on the others."""
    budget, _ = budget_of(10)
    budget.hint(-1, 5.0)
    assert budget.free == 10


async def test_room_for_people_is_not_taken_for_a_shortage():
    """With use_at_most, others may spend the rest before we hold anything back."""
    budget, _ = budget_of(10, share=0.5)
    slot = await budget.acquire(Lane.POLL)
    slot.release()
    budget.hint(4, 5.0, slot)
    assert budget.free == 4
    budget.hint(3, 5.0, slot)
    assert budget.free == 3


async def test_many_waiters_are_served_in_order_without_a_task_of_our_own():
    """30 waiters on 10 slots: all are served, in order, and no window sees more than 10."""
    budget, clock = budget_of(10)
    times = []

    async def one(number: int) -> None:
        slot = await budget.acquire(Lane.POLL)
        times.append((clock.monotonic(), number))
        await clock.sleep(0.05)
        slot.release()

    async with anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(one, number)
        await clock.advance(40)
    assert [number for _, number in times] == list(range(30))
    moments = [at for at, _ in times]
    assert all(later - earlier >= 10.0 for earlier, later in zip(moments, moments[10:], strict=False))
