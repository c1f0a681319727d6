"""A platform that tells late, twice, not at all or out of order: what it said in the end is what we have."""

import pytest

from orchestrator.domain.errors import Transient
from orchestrator.domain.model import BatchState, JobState, Needs
from orchestrator.platforms.ica.polling.routes import wanted
from orchestrator.simulator import FaultKind
from orchestrator.telemetry.events import UnexpectedResponse

HOUR = 3600.0
KEYS = ["s0", "s1-fail", "s2", "s3-abort", "s4-slow", "s5-nocreate", "s6"]
DATA = ["fil.0", "fil.1-fail", "fil.2-partial", "fil.3-already", "fil.4-slow", "fil.5"]
ENDS = {"s1-fail": "failed", "s3-abort": "aborted", "s5-nocreate": "failed", "fil.1-fail": "failed"}
ENDS |= {"fil.2-partial": "partial"}

FAULTS = {
    "none": [],
    "rows vanish": [(FaultKind.QUIRK, "*", {"quirk": "item_vanishes", "probability": 0.4})],
    "rows come twice": [(FaultKind.QUIRK, "*", {"quirk": "item_twice", "probability": 0.4})],
    "statuses go backwards": [
        (FaultKind.QUIRK, "get*", {"quirk": "stale", "probability": 0.4, "seconds": 25.0}),
        (FaultKind.QUIRK, "searchAnalyses", {"quirk": "stale", "probability": 0.4, "seconds": 25.0}),
    ],
    "cursors expire": [
        (FaultKind.ERROR, "get*Items", {"status": 400, "nth": 2}),
        (FaultKind.ERROR, "get*Items", {"status": 410, "nth": 5}),
        (FaultKind.ERROR, "searchAnalyses", {"status": 400, "nth": 4}),
    ],
    "jobs never end": [(FaultKind.QUIRK, "create*", {"quirk": "job_stuck"})],
    "nonsense": [
        (FaultKind.MALFORMED, "get*", {"probability": 0.2}),
        (FaultKind.WRONG_MEDIA, "searchAnalyses", {"probability": 0.2}),
        (FaultKind.TRUNCATED, "get*Items", {"probability": 0.2}),
    ],
}
KNOBS = {
    "job null": {"job_null": True},
    "searches lag": {"search_lag": 120.0},
    "embedded snapshot": {"embedded": "snapshot"},
    "embedded lagging": {"embedded": "lagging", "search_lag": 30.0},
    "shuffled": {"page_order": "shuffled", "tag_filter": "prefix", "null_lists": True},
    "by items": {"strategy": "items"},
    "by items, snapshot": {"strategy": "items", "embedded": "snapshot"},
    "by items, lagging": {"strategy": "items", "embedded": "lagging"},
}


async def follow(it):
    """Both kinds of job to their end, which must be what the names of the items say."""
    await it.submit("run", KEYS)
    await it.submit("links", DATA, kind="links")
    await it.until_settled("run", "links", within=3 * HOUR)
    told = await it.states() | await it.states("links")
    assert told == {key: ENDS.get(key, "succeeded") for key in (*KEYS, *DATA)}
    statuses = it.simulator.truth.by_reference()
    assert {item.key: [item.status] for item in (await it.items()).values() if item.remote_id} == statuses


@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
async def test_what_goes_wrong_with_a_look_changes_no_outcome(world, faults):
    """Every item ends as the platform ended it, whatever single answers were like."""
    it = await world(page_size=3)
    for kind, operation, more in faults:
        it.fault(kind, operation, **more)
    await follow(it)


@pytest.mark.parametrize("knobs", KNOBS.values(), ids=KNOBS.keys())
async def test_however_the_platform_tells_it_the_outcome_is_the_same(world, knobs):
    """What nobody outside knows of the platform changes what a job costs, never what it comes to."""
    it = await world(**knobs)
    await follow(it)


async def test_an_analysis_that_cannot_be_asked_about_hides_no_other(world):
    """The platform breaks over one of those that ended: the others' ends are seen all the same."""
    it = await world(analysis_seconds=300.0)
    await it.submit("run", ["s0", "s1", "s2-slow"])
    await it.run_for(60.0)
    first = (await it.items())["s0"].remote_id
    poll = it.platform.poll

    async def break_over_the_first(asked):
        if first in wanted(asked.named):
            raise Transient("500")
        return await poll(asked)

    it.platform.poll = break_over_the_first
    await it.run_for(900.0)
    assert await it.states() == {"s0": "running", "s1": "succeeded", "s2-slow": "running"}
    it.platform.poll = poll
    await it.until_settled("run", within=3 * HOUR)


async def test_a_question_that_goes_on_failing_shows_with_its_account(world):
    """With the platform's reason, for as long as it fails; a batch is not blocked for it."""
    it = await world(analysis_seconds=HOUR)
    await it.submit("run", KEYS)
    await it.run_for(15.0)
    assert it.dispatch.last_error is None
    it.fault(FaultKind.ERROR, "searchAnalyses", status=403)
    it.fault(FaultKind.ERROR, "getJobs", status=500)
    await it.run_for(400.0)
    assert "poll search:" in it.dispatch.last_error or "poll jobs: " in it.dispatch.last_error
    assert it.dispatch.last_error.endswith("(and 1 more)")
    it.simulator.faults.clear()
    await it.run_for(400.0)
    assert it.dispatch.last_error is None
    assert (await it.batch()).state is BatchState.TRACKING


async def test_the_trouble_of_a_question_that_nobody_asks_any_more_is_forgotten(world):
    """It would stand there forever otherwise."""
    it = await world()
    it.fault(FaultKind.ERROR, "getProjectDataLinkingBatchItems", status=403)
    await it.submit("links", ["fil.1"], kind="links")
    await it.run_for(60.0)
    assert "403" in it.dispatch.last_error
    batch = await it.batch(name="links")
    await it.store.advance.block(batch, "a person takes it over", now=it.clock.now())
    await it.submit("run", ["s0"])
    await it.until_settled("run")
    assert it.dispatch.last_error is None


# ---------------------------------------------------------------- never listed


async def test_an_analysis_that_its_batch_never_lists_is_found_by_its_tag(world):
    """The listing is not the only place where an analysis shows itself."""
    it = await world()
    await it.submit("run", ["s0", "s1-never", "s2"])
    await it.until_settled("run")
    assert (await it.job()).state is JobState.SUCCEEDED


@pytest.mark.parametrize(("kind", "key"), [("analyses", "s1-nocreate-never"), ("links", "fil.1-never")])
async def test_an_item_that_is_never_listed_waits_for_a_person(world, kind, key):
    """Once the job is final and whole sweeps have passed it over; never before, and it stays unsent."""
    it = await world()
    others = ["s0", "s2"] if kind == "analyses" else ["fil.0", "fil.2"]
    await it.submit("run", [others[0], key, others[1]], kind=kind)
    await it.run_for(1800)
    job = await it.job()
    assert (job.state, job.needs) == (JobState.RUNNING, Needs.ATTENTION)
    assert (await it.states())[key] == "attention"
    assert "never listed" in {event.what.value.replace("_", " ")[-12:] for event in it.published(UnexpectedResponse)}
    assert sum(it.created().values()) + sum(it.linked().values()) <= 3


@pytest.mark.parametrize("when", [0, 1800])
async def test_a_cancelled_job_ends_though_an_item_is_never_listed(when, world):
    """Cancelled before or after it came to wait for a person: the item ends, and says that it may be there."""
    it = await world()
    await it.submit("run", ["s0", "s1-nocreate-never", "s2"])
    await it.run_for(300 + when)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run")
    item = (await it.items())["s1-nocreate-never"]
    assert item.state == "aborted"
    assert "may be on the platform" in (item.detail or "")
    assert (await it.job()).state is JobState.CANCELLED


async def test_an_item_that_is_listed_after_all_comes_back(world):
    """`attention` ends by itself when the platform speaks of the item."""
    it = await world()
    await it.submit("run", ["fil.0", "fil.1-never", "fil.2"], kind="links")
    await it.run_for(1800)
    assert (await it.states())["fil.1-never"] == "attention"
    (remote,) = it.simulator._world.batches.values()
    remote.listed.extend(item for item in remote.items.values() if item not in remote.listed)
    await it.until_settled("run")
    assert (await it.job()).state is JobState.SUCCEEDED


async def test_an_analysis_that_waits_for_a_person_goes_on_by_itself(world):
    """`AWAITING_INPUT` asks for a person; the job needs nobody once the platform goes on."""
    it = await world(analysis_seconds=100.0, await_seconds=600.0)
    await it.submit("run", ["s0-await", "s1"])
    await it.run_for(300)
    assert (await it.job()).needs is Needs.ATTENTION
    await it.until_settled("run")
    assert ((await it.job()).state, (await it.job()).needs) == (JobState.SUCCEEDED, None)


async def test_a_word_that_nobody_knows_is_kept_and_ends_nothing(world):
    """It counts as running, is told, and the known words after it count as ever."""
    it = await world(analysis_seconds=1000.0)
    await it.submit("run", ["s0-odd", "s1"])
    await it.run_for(620)
    item = (await it.items())["s0-odd"]
    assert (item.state, item.status) == ("running", "HIBERNATING")
    await it.until_settled("run")
    assert (await it.batch()).state is BatchState.SETTLED
