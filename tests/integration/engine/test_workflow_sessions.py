"""Workflow sessions on the simulated ICA under the whole engine: followed by id or by selectors, and never sent."""

import json
from dataclasses import replace

import pytest
from platform_setups import ICA

from orchestrator.domain.model import BatchState, ItemState, JobSpec, JobState, NewItem
from orchestrator.domain.units import SECOND
from orchestrator.platforms.ica.sessions import selectors
from orchestrator.platforms.ica.sessions.following import KIND
from orchestrator.platforms.registry import KINDS
from orchestrator.simulator import FaultKind
from orchestrator.store.errors import ControlRefusedError
from orchestrator.telemetry.events import UnexpectedResponse

HOUR = 3600.0
SESSIONS = replace(ICA, kinds={**ICA.kinds, "sessions": KIND})
NOBODY = "99999999-2222-3333-4444-555555555555"


@pytest.fixture
def lab(world, monkeypatch):
    """Starts worlds on ICA, where searches are taken to be complete after 20 seconds."""
    monkeypatch.setattr(selectors, "INDEX_LAG", 20 * SECOND)

    async def build(**given):
        return await world(setup=SESSIONS, **{"jitter": 0.0, "session_seconds": 40.0, **given})

    return build


async def follow(it, *items, name="run", batch_size=100):
    """A job of these items, as intake hands it to the store."""
    kind = KINDS[KIND]
    given = {"kind": KIND, "account": it.setup.name, "project": it.project, "digest": f"of {name}"}
    stage = {"first_stage": kind.first_stage, "follow_only": kind.follow_only, "batch_size": batch_size}
    job = await it.store.jobs.load(JobSpec(name=name, **given, **stage), it.clock.now())
    rows = [NewItem(seq, kind.key_of(item), json.dumps(item).encode()) for seq, item in enumerate(items, 1)]
    await it.store.jobs.add_items(job, rows)
    await it.store.jobs.commit([job], it.clock.now())


def begin(it, reference, *analyses, **more):
    return it.simulator.begin_session(it.project, reference, analyses, **more)


async def shown(it, name="run"):
    """Each item by what people know it by: the reference of a session or analysis, the name of a selector."""
    items = (await it.items(name)).values()
    return {_reference(item): str(item.state) for item in items if not item.superseded}


def _reference(item):
    return json.loads(item.facts or "{}").get("userReference") or item.key


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
    """As do its analyses, if they go with it; nothing hangs for ever."""
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
    under = {name: [_reference(i) for i in items.values() if i.parent == items[name].seq] for name in list(items)[:4]}
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
    assert it.told(UnexpectedResponse) == []


# ---------------------------------------------------------------- controls


async def test_what_is_followed_takes_no_room_on_the_account(lab):
    """An account that may have one open item runs its batch job beside twenty sessions."""
    it = await lab(open_items=1)
    for number in range(20):
        begin(it, f"s{number}")
    await follow(it, {"name": "now"})
    await it.run_for(30.0)
    await it.submit("batch", ["a1"], batch_size=1)
    await it.until_settled("batch", "run")
    assert await it.states("batch") == {"a1": "succeeded"}


async def test_a_cancel_ends_what_is_followed(lab):
    """At all levels: cancelled, no longer followed; nothing is aborted on ICA."""
    it = await lab(session_seconds=150.0)
    begin(it, "run-1", "s1", "s2")
    await follow(it, {"name": "tonight", "until": "+8h"})
    await it.run_for(100.0)
    assert len(await shown(it)) == 4
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run")
    assert {(item.state, item.detail) for item in (await it.items()).values()} == {
        (ItemState.CANCELLED, "no longer followed")
    }
    assert it.calls("abortAnalysis") == 0


@pytest.mark.parametrize("selected", [True, False])
async def test_a_retry_follows_anew(lab, selected):
    """What was found before is history until it is found again; the keys stay."""
    it = await lab()
    session = begin(it, "run-1-fail", "s1")
    await follow(it, {"name": "now"} if selected else {"id": session})
    await it.until_settled("run")
    before = await it.items()
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run")
    after = await it.items()
    assert (await it.job()).round == 2
    assert {key: (item.seq, item.state) for key, item in after.items()} == {
        key: (item.seq, item.state) for key, item in before.items()
    }
    assert not any(item.superseded for item in after.values())


async def test_a_found_item_cannot_be_retried(lab):
    """Neither a session under a selector nor an analysis; the message names the way."""
    it = await lab()
    begin(it, "run-1", "s1-fail")
    await follow(it, {"name": "now"})
    await it.until_settled("run")
    for key in [key for key in await it.items() if key != "now"]:
        with pytest.raises(ControlRefusedError, match="was found on the platform"):
            await it.store.advance.retry("run", now=it.clock.now(), keys=[key])


async def test_a_batch_that_is_followed_cannot_be_adopted(lab):
    """Nothing was sent that could have become something else."""
    it = await lab()
    await follow(it, {"name": "now", "until": "+1h"})
    await it.run_for(10.0)
    with pytest.raises(ControlRefusedError, match="name what is followed"):
        await it.store.advance.adopt("run", 1, NOBODY, now=it.clock.now())


async def test_a_pause_defers_new_following_only(lab):
    """What is followed goes on; a job that comes meanwhile waits."""
    it = await lab()
    session = begin(it, "run-1")
    await follow(it, {"id": session})
    await it.run_for(20.0)
    await it.store.advance.pause(now=it.clock.now())
    await follow(it, {"id": session}, name="later")
    await it.run_for(100.0)
    assert (await it.states())[session] == "succeeded"
    assert {batch.state for batch in await it.batches("later")} == {BatchState.PLANNED}
    await it.store.advance.resume(now=it.clock.now())
    await it.until_settled("run", "later")
    assert (await it.states("later"))[session] == "succeeded"


# ---------------------------------------------------------------- lost processes, databases and answers

NIGHT = {
    "tonight": "partial",
    "run-1": "succeeded",
    "run-1/s1": "succeeded",
    "run-2-fail": "failed",
    "run-2-fail/s1": "succeeded",
    "run-2-fail/s2-fail": "failed",
}


async def a_night(it):
    begin(it, "run-1", "s1")
    begin(it, "run-2-fail", "s1", "s2-fail", after=20.0)
    await follow(it, {"name": "tonight", "since": "-1h", "until": "+40s"})


async def test_a_restart_goes_on_where_it_was(lab):
    """Also with what ended while nobody watched."""
    it = await lab(session_seconds=40.0)
    await a_night(it)
    for _ in range(6):
        await it.run_for(15.0)
        await it.restart()
        it.suspend(7.0)
    await it.until_settled("run")
    assert await shown(it) == NIGHT


async def test_a_kill_after_any_transaction_changes_nothing(lab):
    """However far it came, the next life has the same items in the same states."""
    commits, killed = 1, True
    while killed:
        it = await lab(session_seconds=40.0)
        await a_night(it)
        it.kill_after(commits)
        killed = await it.killed_or(it.until_settled("run"))
        await it.until_settled("run")
        assert await shown(it) == NIGHT
        commits += 4
    assert commits > 15


async def test_a_restored_backup_follows_again(lab):
    """From before anything was found, and from the middle: the same end, and nothing was sent."""
    it = await lab(session_seconds=40.0)
    await a_night(it)
    early = await it.backup()
    await it.until_settled("run")
    await it.restore(early)
    await it.until_settled("run")
    assert await shown(it) == NIGHT
    assert not it.simulator.ledger.effects("abort")


@pytest.mark.parametrize("fault", [FaultKind.ERROR, FaultKind.MALFORMED, FaultKind.RESET])
async def test_answers_that_are_lost_are_asked_for_again(lab, fault):
    """One in five of all questions about sessions fails."""
    it = await lab(session_seconds=40.0)
    for operation in ("*orkflowSession*", "search*"):
        it.fault(fault, operation, status=503, probability=0.2)
    await a_night(it)
    await it.until_settled("run", within=3 * HOUR)
    assert await shown(it) == NIGHT


@pytest.mark.parametrize(
    "knobs",
    [
        {"page_size": 2},
        {"page_size": 1, "page_order": "shuffled", "cursor_seconds": 5.0},
        {"null_lists": True, "last_page": "null"},
        {"search_lag": 15.0},
        {"sessions_named": False, "last_page": "absent"},
        {"sessions_v3": False},
    ],
)
async def test_what_is_not_known_of_the_platform_does_not_matter(lab, knobs):
    """The same end with every setting; the list of the older version is never asked for."""
    it = await lab(session_seconds=40.0, **knobs)
    await a_night(it)
    await it.until_settled("run", within=3 * HOUR)
    assert await shown(it) == NIGHT
    assert it.calls("getWorkflowSessions") == 0


@pytest.mark.parametrize("quirk", ["item_vanishes", "item_twice", "stale"])
async def test_pages_that_lie_do_no_harm(lab, quirk):
    """Rows that are missing, there twice, or of a minute ago."""
    it = await lab(session_seconds=40.0)
    for operation in ("searchWorkflowSessions", "searchAnalyses", "searchOrchestratedAnalyses"):
        it.fault(FaultKind.QUIRK, operation, quirk=quirk, probability=0.3, seconds=20.0)
    await a_night(it)
    await it.until_settled("run", within=3 * HOUR)
    assert (await shown(it))["run-2-fail"] == "failed"
