"""Workflow sessions on the simulated ICA under the whole engine: followed by id or by selectors, and never sent."""

import json

import pytest
from session_jobs import NOBODY, begin, follow, reference, shown

from orchestrator.domain.model import JobState
from orchestrator.telemetry.events import UnexpectedResponse

HOUR = 3600.0


@pytest.fixture
def lab(session_lab):
    """Starts worlds on ICA."""
    return session_lab


# ---------------------------------------------------------------- by id


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("order", ["stable", "shuffled"])
async def test_a_named_session_is_followed_to_its_end(lab, named, order):
    """Its analyses become items below it; its inputs and configurations stand in its facts; nothing is sent."""
    it = await lab(sessions_named=named, page_order=order)
    session = begin(it, "run-1", "s1", "s2-fail")
    await follow(it, {"id": session})
    await it.until_settled("run")
    items = await it.items()
    assert await shown(it) == {"run-1": "succeeded", "run-1/s1": "succeeded", "run-1/s2-fail": "failed"}
    top = items[session]
    assert (top.stage, top.status, top.remote_id, top.found) == ("session", "SUCCEEDED", session, 2)
    assert {item.parent for item in items.values()} == {None, top.seq}
    facts = json.loads(top.facts)
    assert [each["code"] for each in facts["inputs"]] == ["run_folder", "sample_sheet"]
    assert [each["name"] for each in facts["configurations"]] == ["workflow", "lanes"]
    assert (await it.job()).state is JobState.PARTIAL
    assert not it.simulator.ledger.effects("abort")


@pytest.mark.parametrize("word", ["fail", "failfinal", "abort", "await", "odd"])
async def test_each_end_and_each_odd_way_is_followed(lab, word):
    """A failed session says why; one that waits for its user, or shows a status that nobody knows, goes on."""
    it = await lab(await_seconds=30.0)
    session = begin(it, f"run-1-{word}", "s1")
    await follow(it, {"id": session})
    await it.until_settled("run")
    item = (await it.items())[session]
    status, state = ENDS[word]
    assert (item.status, item.state) == (status, state)
    assert (item.detail is not None) == (word in {"fail", "failfinal"})


ENDS = {
    "fail": ("FAILED", "failed"),
    "failfinal": ("FAILED_FINAL", "failed"),
    "abort": ("ABORTED", "aborted"),
    "await": ("SUCCEEDED", "succeeded"),
    "odd": ("SUCCEEDED", "succeeded"),
}


async def test_a_session_that_waits_for_its_user_needs_attention(lab):
    """The job says so, and goes on by itself."""
    it = await lab(await_seconds=60.0)
    await follow(it, {"id": begin(it, "run-1-await")})
    await it.run_for(50.0)
    assert (await it.job()).needs == "attention"
    await it.until_settled("run")
    assert (await it.job()).state is JobState.SUCCEEDED


async def test_an_id_that_is_not_known_fails(lab):
    """The message says what to check; the other items of the job are followed all the same."""
    it = await lab()
    session = begin(it, "run-1")
    await follow(it, {"id": session}, {"id": NOBODY})
    await it.until_settled("run")
    items = await it.items()
    assert (items[session].state, items[NOBODY].state) == ("succeeded", "failed")
    assert "no workflow session with this id in the project" in items[NOBODY].detail


async def test_a_session_whose_index_lags_is_waited_for(lab):
    """ICA knows it already, and its searches do not show it yet."""
    it = await lab(search_lag=45.0)
    session = begin(it, "run-1", "s1")
    await follow(it, {"id": session})
    await it.until_settled("run")
    assert await shown(it) == {"run-1": "succeeded", "run-1/s1": "succeeded"}


async def test_a_session_that_is_deleted_fails(lab):
    """As do its analyses, if they go with it; nothing hangs forever."""
    it = await lab(session_seconds=200.0)
    session = begin(it, "run-1", "s1")
    await follow(it, {"id": session})
    await it.run_for(60.0)
    it.simulator.delete_session(session)
    await it.until_settled("run", within=3 * HOUR)
    item = (await it.items())[session]
    assert (item.state, "it was deleted" in item.detail) == ("failed", True)


# ---------------------------------------------------------------- selectors


async def test_a_selector_finds_what_was_created_in_its_window(lab):
    """What was before and what comes after is left alone; what ended before it was seen is found too."""
    it = await lab(session_seconds=20.0)
    begin(it, "before", "s0")
    await it.run_for(100.0)
    begin(it, "ended", "s1")
    await it.run_for(40.0)
    begin(it, "runs-slow", "s2")
    begin(it, "comes", "s3", "s4-fail", after=50.0)
    begin(it, "short", after=283.0)
    begin(it, "too-late", after=310.0)
    await follow(it, {"name": "tonight", "since": "-80s", "until": "+5m"})
    await it.until_settled("run", within=2 * HOUR)
    assert await shown(it) == {
        "tonight": "succeeded",
        "ended": "succeeded",
        "ended/s1": "succeeded",
        "runs-slow": "succeeded",
        "runs-slow/s2": "succeeded",
        "comes": "succeeded",
        "comes/s3": "succeeded",
        "comes/s4-fail": "failed",
        "short": "succeeded",
    }
    selector = (await it.items())["tonight"]
    assert (selector.stage, selector.status, json.loads(selector.facts)) == ("search", None, {"found": 4})


async def test_a_selector_without_until_takes_what_is_there_now(lab):
    """It ends once a search that began late enough has shown all of it."""
    it = await lab()
    begin(it, "there")
    begin(it, "later", after=15.0)
    await it.run_for(5.0)
    await follow(it, {"name": "now"})
    await it.until_settled("run")
    assert await shown(it) == {"now": "succeeded", "there": "succeeded"}


async def test_a_selector_that_finds_nothing_succeeds(lab):
    """Its job too."""
    it = await lab()
    await follow(it, {"name": "tonight", "since": "-1h", "until": "+5m"})
    await it.until_settled("run")
    item = (await it.items())["tonight"]
    assert (item.state, json.loads(item.facts), (await it.job()).state) == ("succeeded", {"found": 0}, "succeeded")


@pytest.mark.parametrize(
    ("names", "state"), [(["a", "b"], "succeeded"), (["a", "b-fail"], "partial"), (["a-fail", "b-abort"], "failed")]
)
async def test_a_selector_ends_as_its_sessions_did(lab, names, state):
    """All succeeded, some or none; it ends after them."""
    it = await lab()
    for name in names:
        begin(it, name)
    await follow(it, {"name": "now", "since": "-1h"})
    await it.until_settled("run")
    assert ((await it.items())["now"].state, (await it.job()).parents) == (state, 1)


@pytest.mark.parametrize("tag_filter", ["all", "any", "prefix"])
async def test_a_selector_filters(lab, tag_filter):
    """By reference, by all of its tags, and by status; filters of ICA's search are not relied upon."""
    it = await lab(tag_filter=tag_filter)
    begin(it, "run-1", technical_tags=["t1", "t2"], user_tags=["u"])
    begin(it, "run-2-fail", technical_tags=["t1"], user_tags=["u", "v"])
    await follow(
        it,
        {"name": "by reference", "userReference": "run-2-fail"},
        {"name": "by tags", "technicalTags": ["t1", "t2"], "userTags": ["u"]},
        {"name": "by none", "technicalTags": ["t1", "t3"]},
        {"name": "by status", "status": "FAILED"},
    )
    await it.until_settled("run")
    items = await it.items()
    under = {name: [reference(i) for i in items.values() if i.parent == items[name].seq] for name in list(items)[:4]}
    assert under == {
        "by reference": ["run-2-fail"],
        "by tags": ["run-1"],
        "by none": [],
        "by status": [],  # found under the first of the job's selectors that it matches
    }


async def test_sessions_with_a_status_are_found_when_they_have_it(lab):
    """A session that a selector of failures takes is found with its end, and its analyses are read then."""
    it = await lab(session_seconds=40.0)
    begin(it, "run-1-fail", "s1", after=30.0)
    begin(it, "run-2", after=30.0)
    await follow(it, {"name": "failures", "status": ["FAILED", "FAILED_FINAL"], "until": "+80s"})
    await it.until_settled("run")
    assert await shown(it) == {"failures": "failed", "run-1-fail": "failed", "run-1-fail/s1": "succeeded"}


async def test_what_several_follow_is_one_item_in_each_job(lab):
    """By id and by two selectors in one job, in batches of one; by a second job too."""
    it = await lab()
    session = begin(it, "run-1", "s1")
    await follow(it, {"id": session}, {"name": "x"}, {"name": "y"}, batch_size=1)
    await follow(it, {"name": "z"}, name="other")
    await it.until_settled("run", "other")
    assert await shown(it) == {"run-1": "succeeded", "x": "succeeded", "y": "succeeded", "run-1/s1": "succeeded"}
    assert await shown(it, "other") == {"z": "succeeded", "run-1": "succeeded", "run-1/s1": "succeeded"}
    assert (await it.items())[session].parent is None


async def test_other_analyses_of_the_project_stay_out(lab):
    """Those of a batch job, and those of sessions that nobody follows."""
    it = await lab()
    begin(it, "theirs", "s1")
    session = begin(it, "ours", "s2")
    await it.submit("batch", ["a1-slow"])
    await follow(it, {"id": session})
    await it.until_settled("run", "batch")
    assert await shown(it) == {"ours": "succeeded", "ours/s2": "succeeded"}
    assert it.published(UnexpectedResponse) == []
