"""What is sent and asked when: nothing that may go waits longer than it must, whatever happens in between."""

import pytest

from orchestrator.domain.model import BatchState
from orchestrator.engine.polling.poll_dispatch import MAX_POLLS, MAX_WAITING, START_INTERVAL
from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(6)]
ONCE = dict.fromkeys(KEYS, 1)


async def test_a_step_that_ends_while_others_are_chosen_is_not_overlooked(world, monkeypatch):
    """It wrote nothing, but made room: the next batch goes at once, not when the store is looked at again."""
    it = await world()
    await it.submit("run", KEYS, batch_size=1)
    advance, next_due = it.submitting.advance, it.store.batches.next_due
    idle = set()

    async def end_without_a_word(batch):
        if batch.number in idle:
            return await advance(batch)
        return idle.add(batch.number)

    async def end_meanwhile(*given):
        await it._steps.run()
        return await next_due(*given)

    monkeypatch.setattr(it.submitting, "advance", end_without_a_word)
    monkeypatch.setattr(it.store.batches, "next_due", end_meanwhile)
    for _ in range(8):  # as often as it is woken; no time passes
        await it.turn()
    assert it.created() == ONCE


async def test_a_batch_that_falls_due_between_two_questions_is_not_overlooked(world, monkeypatch):
    """It is not due yet when the next batch is chosen, and due already when it is asked what falls due."""
    it = await world()
    it.fault(FaultKind.ERROR, status=429, count=1, retry_after=0.0)
    await it.submit("run", KEYS)
    choose = it.store.batches.next

    async def slowly(*given, **more):
        chosen = await choose(*given, **more)
        it.time.move(3.0 if chosen is None else 0.0)
        return chosen

    monkeypatch.setattr(it.store.batches, "next", slowly)
    await it.turn()
    monkeypatch.setattr(it.store.batches, "next", choose)
    await it.until_state(BatchState.TRACKING, within=60.0)


async def test_a_machine_that_sleeps_while_looks_are_planned_asks_on_when_it_wakes(world, monkeypatch):
    """Planning seems to have taken a night; it does not rest for twenty nights."""
    it = await world(analysis_seconds=HOUR)
    read = it.store.batches.tracking

    async def overnight(account):
        it.suspend(10 * HOUR)
        return await read(account)

    monkeypatch.setattr(it.store.batches, "tracking", overnight)
    await it.turn()
    monkeypatch.setattr(it.store.batches, "tracking", read)
    await it.submit("run", KEYS)
    await it.run_for(100.0)
    assert all(item.remote_id for item in (await it.items()).values())


async def test_slow_planning_leaves_new_work_its_first_look(world, monkeypatch):
    """Looks are planned anew after a rest; what is submitted meanwhile is asked about soon after."""
    it = await world(analysis_seconds=HOUR)
    read = it.store.batches.tracking

    async def slowly(account):
        it.time.move(1.0)
        return await read(account)

    monkeypatch.setattr(it.store.batches, "tracking", slowly)
    await it.turn()
    await it.submit("run", KEYS)
    await it.run_for(40.0)
    assert all(item.remote_id for item in (await it.items()).values())


async def test_batches_are_read_for_a_plan_only_after_a_write(world, monkeypatch):
    """While polls bring nothing new the list of what is polled is kept, and what is submitted then is polled too."""
    it = await world(analysis_seconds=DAY)
    await it.submit("run", KEYS)
    await it.run_for(HOUR)
    read, reads = it.store.batches.tracking, []

    async def counted(account):
        reads.append(it.store.writes)
        return await read(account)

    monkeypatch.setattr(it.store.batches, "tracking", counted)
    asked = it.calls("searchAnalyses")
    await it.run_for(HOUR)
    assert it.calls("searchAnalyses") > asked + 10
    assert len(reads) == len(set(reads))
    await it.submit("more", [f"more-{key}" for key in KEYS])
    await it.run_for(HOUR)
    assert all(item.remote_id for item in (await it.items("more")).values())


# ---------------------------------------------------------------- a wall clock that is set


@pytest.mark.parametrize("jump", [HOUR, -HOUR, -DAY, -400 * DAY])
async def test_what_waits_waits_no_longer_when_the_clock_is_set(world, jump):
    """A declined submission goes out after its pause, as the monotonic clock tells it."""
    it = await world()
    it.fault(FaultKind.ERROR, status=429, count=1, retry_after=1.0)
    await it.submit("run", KEYS)
    await it.turn()
    it.clock.step(jump)
    await it.until_state(BatchState.TRACKING, within=60.0)
    assert it.calls(it.create) == 2


async def test_a_restart_after_the_clock_was_set_back_ends_all_waiting(world):
    """What an earlier process waited for was told by its own clock."""
    it = await world()
    it.fault(FaultKind.RESET, count=1)
    await it.submit("links", ["fil.1"], kind="links")
    it.fault(FaultKind.RESET, it.link, count=1)
    await it.turn()
    await it.stop()
    it.clock.step(-DAY)
    await it.start()
    await it.until_settled("links", within=120.0)


async def test_a_search_comes_an_hour_after_the_first_whatever_the_clock_says(world):
    """Set back by a day in between, the second search is not a day late."""
    it = await world()
    it.fault(FaultKind.ERROR, status=500, count=1)
    await it.submit("run", KEYS)
    await it.run_for(60.0)
    assert (await it.batch()).searched_at is not None
    it.clock.step(-DAY)
    await it.until_settled("run", within=1.2 * HOUR)
    assert it.created() == ONCE


# ---------------------------------------------------------------- how many at a time


async def test_answers_that_take_long_do_not_keep_other_questions_back(world):
    """While none waits for the budget more are begun, so that the round trip does not set the pace."""
    it = await world(strategy="items", analysis_seconds=DAY)
    await it.submit("run", [f"s{number}" for number in range(100)], batch_size=1)
    await it.run_for(30.0)
    it.time.move(HOUR)
    begun = []
    for _ in range(20):
        pause = await it.dispatch.turn()  # nothing that was begun comes to its end
        begun.append(len(it._steps._pending))
        it.time.move(pause)
    assert begun[0] == MAX_WAITING
    assert begun[-1] == MAX_POLLS


async def test_looks_that_would_wait_for_the_budget_wait_in_the_schedule(world, monkeypatch):
    """There a more urgent one may still pass them."""
    it = await world(strategy="items", analysis_seconds=DAY)
    await it.submit("run", [f"s{number}" for number in range(100)], batch_size=1)
    await it.run_for(30.0)
    it.time.move(HOUR)
    monkeypatch.setattr(it.dispatch._limiter, "waiting", lambda _lane: len(it._steps._pending))
    for _ in range(20):
        pause = await it.dispatch.turn()
        assert pause >= START_INTERVAL
        it.time.move(pause)
    assert len(it._steps._pending) == MAX_WAITING
