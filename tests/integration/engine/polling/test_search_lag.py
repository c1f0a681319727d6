"""An index that shows analyses late, or never: what it costs, and that nothing is lost by it."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from orchestrator.platforms.ica.polling.follow_ups import MOST_SINGLE, SWEEP
from orchestrator.platforms.ica.polling.routes import wanted

HOUR = 3600.0
KEYS = [f"s{number}" for number in range(250)]


def requests(it):
    """All that was asked of the platform."""
    return sum(count for name, count in it.simulator.ledger.calls.items() if "/" not in name)


async def followed(world, seconds, **knobs):
    """Ten batches of analyses that take very long, looked at for so long."""
    it = await world(analysis_seconds=20_000.0, jitter=0.0, **knobs)
    await it.submit("run", KEYS, batch_size=25)
    await it.run_for(seconds)
    return it


@pytest.mark.parametrize(("strategy", "lag"), [("auto", 60.0), ("auto", 120.0), ("items", 60.0)])
async def test_an_index_that_lags_costs_little_more_than_one_that_does_not(world, strategy, lag):
    """What is too young to be listed is not asked for one by one."""
    prompt = await followed(world, 200.0, strategy=strategy)
    late = await followed(world, 200.0, strategy=strategy, search_lag=lag)
    assert requests(late) <= 1.5 * requests(prompt)
    assert late.calls("getAnalysis") == 0


async def test_an_index_later_than_anyone_would_think_is_learnt(world):
    """A few questions show that what is missing goes on; then it is given time."""
    it = await followed(world, 800.0, search_lag=600.0)
    assert it.calls("getAnalysis") <= 60
    assert requests(it) <= 3 * requests(await followed(world, 800.0))
    assert {item.state for item in (await it.items()).values()} <= {"submitted", "running"}


@pytest.mark.parametrize("lag", [60.0, 600.0])
@pytest.mark.parametrize("seconds", [20.0, 200.0])
async def test_what_ends_before_or_after_the_index_shows_it_is_told(world, lag, seconds):
    """No later than the index tells of it, or soon after."""
    it = await world(analysis_seconds=seconds, search_lag=lag)
    await it.submit("run", [*KEYS[:40], "s-fail"], batch_size=10)
    await it.until_settled("run", within=seconds + lag + 400.0)
    states = await it.states()
    assert states.pop("s-fail") == "failed"
    assert set(states.values()) == {"succeeded"}


@pytest.mark.parametrize("embedded", ["live", "snapshot", "lagging"])
async def test_analyses_that_no_search_ever_shows_have_their_turn(world, embedded):
    """Five batches of which nothing is listed: the end of each analysis is told all the same, within hours."""
    it = await world(analysis_seconds=1200.0, search_lag=1e9, embedded=embedded)
    await it.store.memory.remember("ica", f"preceded in {it.project}", "no")
    await it.submit("run", KEYS[:150], batch_size=30)
    await it.until_settled("run", within=3 * HOUR)
    assert set((await it.states()).values()) == {"succeeded"}
    assert requests(it) < 3000


async def test_single_questions_go_round_among_all_batches(world):
    """Each of many that nothing else shows is asked about, twenty a sweep, whatever the size of its batch.

    However often sweeps come while the budget is idle, the rest of a batch doubles after each round in vain.
    """
    it = await world(analysis_seconds=1e6, search_lag=1e9, embedded="snapshot")
    await it.store.memory.remember("ica", f"preceded in {it.project}", "no")
    await it.submit("run", KEYS[:200], batch_size=100)
    await it.submit("more", KEYS[200:], batch_size=10)
    poll, asked = it.platform.poll, defaultdict(list)

    async def noted(page):
        for remote_id in wanted(page.named) if page.route == "analysis" else ():
            asked[remote_id].append(it.time.monotonic())
        return await poll(page)

    it.platform.poll = noted
    await it.run_for(1.5 * HOUR)
    assert len(asked) == 250
    counts = Counter(map(len, asked.values()))
    assert max(counts) - min(counts) <= 1
    gaps = [[later - earlier for earlier, later in pairwise(times)] for times in asked.values()]
    assert all(gap >= min(30.0 * 2**number, 1800.0) for each in gaps for number, gap in enumerate(each))
    ordered = sorted(time for times in asked.values() for time in times)
    assert all(later - earlier >= SWEEP for earlier, later in zip(ordered, ordered[MOST_SINGLE:], strict=False))


async def test_analyses_that_are_gone_are_asked_for_ever_more_rarely(world):
    """All of them, before a person is asked; then the requests go to what can still be told."""
    it = await followed(world, 300.0)
    gone = {item.remote_id for item in (await it.items()).values() if item.batch <= 4}
    poll, asked = it.platform.poll, []

    async def forget(page):
        if page.route == "analysis":
            asked.extend(wanted(page.named))
            return type(await poll(page))([])
        told = await poll(page)
        rows = [each for each in told.observations if getattr(each, "remote_id", None) not in gone]
        return type(told)(rows, next=told.next)

    it.platform.poll = forget
    await it.run_for(0.5 * HOUR)
    assert set(asked) == gone
    await it.run_for(HOUR)
    states = [item.state for item in (await it.items()).values() if item.remote_id in gone]
    assert set(states) == {"attention"}
    before = len(asked)
    await it.run_for(HOUR)
    assert len(asked) - before <= 3 * len(gone)
