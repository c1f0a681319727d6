"""What a platform's refusals and its own count do to a budget: for how long it waits, what survives a restart."""

import math
from random import Random

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.clock import ManualClock
from orchestrator.platforms.rate_limit.limiter import URGENT, Lane, Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots, SlotFile

BOOT = "00000000-0000-4000-8000-000000000001"
PAUSE = 10.0
"""Seconds after which a word that leaves nothing of 300 s is put to the proof."""


def budget_of(requests=1000, *, per=300.0, clock=None, slots=None):
    """A budget on a clock that the test moves."""
    clock = clock or ManualClock()
    return RateLimiter(Limit(requests, per), clock, slots or MemorySlots(), Random(1)), clock


async def answered(budget, lane=Lane.POLL):
    """The slot of a request that has its answer."""
    slot = await budget.acquire(lane)
    slot.release()
    return slot


class Lives:
    """A budget with a slot file, killed and started again."""

    def __init__(self, folder, clock, **limits):
        self.path, self.clock, self.limits, self.file = folder / "ica.slots", clock, limits, None

    def start(self):
        first = self.file is None
        if self.file is not None:
            self.file.close()
        self.file = SlotFile(self.path, first_start=first, boot_id=BOOT)
        return budget_of(clock=self.clock, slots=self.file, **self.limits)[0]


async def test_a_closed_account_stays_closed_over_restarts(tmp_path):
    """Retry-After: 120, and a crash each second: nothing is sent before the time, everything after it."""
    clock = ManualClock()
    lives = Lives(tmp_path, clock)
    budget = lives.start()
    pause = budget.throttled(await answered(budget), 120.0)
    reopens, sent = clock.monotonic() + pause, []
    while clock.monotonic() < reopens + 2:
        budget = lives.start()
        assert budget.closed_until == reopens
        async with anyio.create_task_group() as group:

            async def send(budget=budget):
                await answered(budget, Lane.CONTROL)
                sent.append(clock.monotonic())

            group.start_soon(send)
            await clock.advance(1)
            group.cancel_scope.cancel()
    lives.file.close()
    assert sent
    assert min(sent) >= reopens


async def test_room_for_another_client_is_kept_over_a_restart(tmp_path):
    """It is as much as without the restart, and fades as it would have."""
    clock = ManualClock()
    lives = Lives(tmp_path, clock)
    budget = lives.start()
    budget.throttled(await answered(budget), 5.0)
    await clock.advance(450)
    before, after = budget.snapshot(), lives.start().snapshot()
    lives.file.close()
    assert before.withheld == after.withheld == 25


async def test_room_for_another_client_fits_a_smaller_budget(tmp_path):
    """One slot remains, whatever was held back of the larger one."""
    clock = ManualClock()
    lives = Lives(tmp_path, clock)
    budget = lives.start()
    budget.throttled(await answered(budget), 5.0)
    lives.limits = {"requests": 10}
    smaller = lives.start()
    await clock.advance(20)
    lives.file.close()
    assert smaller.snapshot().withheld == 9
    assert smaller.affordable == 1


@pytest.mark.parametrize("reset_in", [0.0, -1.0, -1.9])
async def test_a_reset_in_the_current_second_is_a_second_away(reset_in):
    """Both times are whole seconds, so the last second of a window says 0: control waits that second, no window."""
    budget, clock = budget_of()
    budget.hint(0, reset_in, await answered(budget))
    async with anyio.create_task_group() as group:
        group.start_soon(answered, budget, Lane.CONTROL)
        await clock.advance(0.9)
        assert budget.free == 0
        await clock.advance(0.2)
        assert budget.snapshot().lanes[Lane.CONTROL].granted == 1
        assert budget.free == 998


async def test_a_refusal_at_the_end_of_a_window_is_short():
    """A reset of this second is no nonsense that must be guessed around."""
    budget, _ = budget_of()
    assert budget.throttled(await answered(budget), -1.0) <= 2.5 + 3.0


async def test_a_word_that_leaves_nothing_is_put_to_the_proof():
    """One request goes after a pause, what is urgent first; when it hears the same, another one a pause later."""
    budget, clock = budget_of()
    budget.hint(0, None, await answered(budget))
    sent = []

    async def ask(lane, remaining):
        slot = await budget.acquire(lane)
        sent.append((lane, slot.waited))
        slot.release()
        budget.hint(remaining, None, slot)

    async with anyio.create_task_group() as group:
        for lane, remaining in [(Lane.POLL, 998), (Lane.POLL, 998), (Lane.CONTROL, 0)]:
            group.start_soon(ask, lane, remaining)
        await clock.advance(3 * PAUSE)
        group.cancel_scope.cancel()
    first, second, third = sent
    assert first == (Lane.CONTROL, pytest.approx(PAUSE, abs=0.01))
    assert second == (Lane.POLL, pytest.approx(2 * PAUSE, abs=0.01))
    assert third == (Lane.POLL, pytest.approx(2 * PAUSE, abs=0.01))  # the second one heard that all is well


async def test_a_proof_without_an_answer_is_followed_by_another():
    """What the platform said holds on, one request a pause goes against it."""
    budget, clock = budget_of()
    budget.hint(0, None, await answered(budget))
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(budget.acquire, Lane.POLL)
        await clock.advance(5 * PAUSE + 1)
        assert budget.snapshot().in_flight == 5
        group.cancel_scope.cancel()


async def test_a_refused_proof_is_no_news_of_another_client():
    """The platform had said so; it closes the account as any refusal does, and no more is held back."""
    budget, clock = budget_of()
    budget.hint(0, 200.0, await answered(budget))
    async with anyio.create_task_group() as group:

        async def ask():
            slot = await budget.acquire(Lane.POLL)
            slot.release()
            budget.throttled(slot, 190.0)

        group.start_soon(ask)
        await clock.advance(PAUSE + 1)
        group.cancel_scope.cancel()
    assert budget.snapshot().closed_for > 180
    await clock.advance(195)
    assert budget.snapshot().withheld == 0


async def test_slots_that_are_all_ours_are_no_cause_for_a_proof():
    """The platform's zero agrees with our own count: the law of the slots holds, nothing goes out of turn."""
    budget, clock = budget_of(10)
    slots = [await answered(budget) for _ in range(10)]
    budget.hint(0, None, slots[-1])
    async with anyio.create_task_group() as group:
        group.start_soon(answered, budget, Lane.CONTROL)
        await clock.advance(299)
        assert budget.snapshot().lanes[Lane.CONTROL].granted == 0
        group.cancel_scope.cancel()


async def test_the_share_that_is_spent_is_what_we_cannot_have_now():
    """Used, left to another client, or all of it while the account is closed."""
    budget, clock = budget_of(100)
    assert (budget.spent_share, budget.affordable) == (0.0, 100)
    slots = [await answered(budget) for _ in range(20)]
    assert (budget.spent_share, budget.affordable) == (0.2, 100)
    budget.hint(30, 60.0, slots[-1])
    assert (budget.spent_share, budget.affordable) == (0.7, 50)
    await clock.advance(61)
    assert (budget.spent_share, budget.affordable) == (0.2, 100)
    budget.throttled(slots[-1], 60.0)
    assert (budget.spent_share, budget.affordable) == (1.0, 95)
    await clock.advance(64)
    assert (budget.spent_share, budget.affordable) == (0.25, 95)


ACTS = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from([(Lane.CONTROL, 0), (Lane.SUBMIT, URGENT), (Lane.POLL, 0)])),
    st.tuples(st.just("hint"), st.tuples(st.integers(-1, 12), st.none() | st.floats())),
    st.tuples(st.just("refuse"), st.none() | st.floats()),
    st.tuples(st.just("wait"), st.floats(0, 40)),
    st.tuples(st.just("restart"), st.none()),
)


@given(requests=st.integers(1, 10), acts=st.lists(ACTS, max_size=25))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_a_platform_says_the_figures_are_sound_and_an_idle_budget_recovers(tmp_path, requests, acts):
    """Shares stay within [0, 1], and two windows after the last word everything is free again."""
    clock = ManualClock()
    lives = Lives(tmp_path, clock, requests=requests, per=30.0)
    budget, slot = lives.start(), None
    for act, value in acts:
        match act:
            case "ask":
                with anyio.move_on_after(0):
                    slot = await budget.acquire(*value)
                    slot.release()
            case "hint":
                budget.hint(*value, slot)
            case "refuse" if slot is not None:
                budget.throttled(slot, value)
            case "wait":
                await clock.advance(value)
            case "restart":
                budget = lives.start()
        assert 0.0 <= budget.spent_share <= 1.0
        assert 1 <= budget.affordable <= requests
        assert budget.closed_until <= clock.monotonic() + 30.0 * 1.01
    await clock.advance(61)
    view = budget.snapshot()
    lives.file.close()
    assert (view.free, view.withheld, view.closed_for) == (requests, 0, 0.0)
    assert budget.spent_share == 0.0
    assert math.isfinite(budget.affordable)
