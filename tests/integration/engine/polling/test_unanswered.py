"""A question that ICA never answers: others take its place, and what goes wrong can be seen."""

import pytest

from orchestrator.domain.errors import Refused
from orchestrator.domain.model import BatchState, JobState
from orchestrator.simulator import FaultKind

HOUR = 3600.0
KEYS = [f"s{number}" for number in range(60)]


async def known(world, **knobs):
    """A world in which nothing was ever sent to the project."""
    it = await world(**knobs)
    await it.store.memory.remember("ica", f"preceded in {it.project}", "no")
    return it


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize("kind", ["analyses", "links"])
async def test_jobs_settle_though_the_list_of_jobs_is_never_answered(world, status, kind):
    """Each batch is asked for its own word, and the list now and then."""
    it = await known(world)
    it.fault(FaultKind.ERROR, "getJobs", status=status)
    keys = KEYS if kind == "analyses" else [f"fil.{key}" for key in KEYS]
    await it.submit("run", keys, kind=kind, batch_size=20)
    await it.until_settled("run", within=HOUR)
    assert (await it.job()).state is JobState.SUCCEEDED
    assert {batch.status for batch in await it.batches()} == {"SUCCEEDED"}
    assert it.calls("getJobs") <= 40


async def test_a_list_of_jobs_that_is_answered_again_is_enough(world):
    """Nobody is asked alone any more."""
    it = await known(world, creation_seconds=20_000.0)
    it.fault(FaultKind.ERROR, "getJobs", status=403)
    await it.submit("run", KEYS, batch_size=20)
    await it.run_for(400.0)
    assert it.calls("getAnalysisCreationBatch") > 0
    it.simulator.faults.clear()
    await it.run_for(700.0)
    before = it.calls("getAnalysisCreationBatch")
    await it.run_for(600.0)
    assert it.calls("getAnalysisCreationBatch") == before


@pytest.mark.parametrize(
    ("embedded", "status"),
    [*(("snapshot", status) for status in (400, 403, 404, 500)), ("live", 403), ("lagging", 403)],
)
async def test_analyses_end_though_searches_are_not_answered(world, embedded, status):
    """Pages of items or single questions take the search's place; that it is refused shows with the account."""
    it = await known(world, analysis_seconds=900.0, embedded=embedded)
    it.fault(FaultKind.ERROR, "searchAnalyses", status=status)
    await it.submit("run", [*KEYS, "s-fail"], batch_size=20)
    await it.run_for(500.0)
    assert "poll search:" in it.dispatch.last_error
    await it.until_settled("run", within=2 * HOUR)
    states = await it.states()
    assert states.pop("s-fail") == "failed"
    assert set(states.values()) == {"succeeded"}


async def test_a_search_that_is_not_there_blocks_no_batch_that_is(world):
    """404 for days is a person's business only where nothing else tells of the project either."""
    it = await known(world, analysis_seconds=30 * HOUR, embedded="snapshot")
    it.fault(FaultKind.ERROR, "searchAnalyses", status=404)
    await it.submit("run", KEYS[:2])
    await it.run_for(27 * HOUR)
    assert (await it.batch()).state is BatchState.TRACKING
    await it.until_settled("run", within=12 * HOUR)


async def test_a_search_that_is_answered_again_takes_over(world):
    """Nothing else is asked about analyses from then on."""
    it = await known(world, analysis_seconds=20_000.0, embedded="snapshot")
    it.fault(FaultKind.ERROR, "searchAnalyses", status=403)
    await it.submit("run", KEYS, batch_size=20)
    await it.run_for(900.0)
    assert it.calls("getAnalysis") > 0
    it.simulator.faults.clear()
    await it.run_for(700.0)
    before = it.calls("getAnalysis")
    await it.run_for(600.0)
    assert it.calls("getAnalysis") == before
    assert it.dispatch.last_error is None


@pytest.mark.parametrize("status", [400, 403])
async def test_analyses_end_though_nobody_may_sort_a_search(world, status):
    """The latest ends are not told; their batches are asked, and the sorted search is left alone for an hour."""
    it = await known(world, analysis_seconds=300.0)
    send, refused = it.platform._session.send, []

    async def picky(call, **options):
        if call.route == "analysis:search" and "sort" in dict(call.params):
            refused.append(call)
            raise Refused("cannot be sorted", status=status)
        return await send(call, **options)

    it.platform._session.send = picky
    await it.submit("run", KEYS, batch_size=20)
    await it.until_settled("run", within=1200.0)
    assert set((await it.states()).values()) == {"succeeded"}
    assert len(refused) == 1


async def test_a_submission_that_is_held_back_for_want_of_a_search_says_so(world):
    """What an earlier database may have sent is not paid twice; the reason and the ways out stand with the batch."""
    it = await world()
    it.fault(FaultKind.ERROR, "searchAnalyses", status=403)
    await it.submit("run", KEYS[:5])
    await it.run_for(1000.0)
    batch = await it.batch()
    assert (batch.state, it.calls(it.create)) == (BatchState.PLANNED, 0)
    assert "refuses to search the analyses of project" in batch.last_error
    assert "retried automatically" in batch.last_error
    it.simulator.faults.clear()
    await it.until_settled("run")
    assert it.created() == dict.fromkeys(KEYS[:5], 1)
