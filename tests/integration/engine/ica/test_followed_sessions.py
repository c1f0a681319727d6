"""Workflow sessions that are followed: controls, lost processes, databases and answers."""

import pytest
from session_jobs import NOBODY, begin, follow, shown

from orchestrator.domain.model import BatchState, ItemState
from orchestrator.simulator import FaultKind
from orchestrator.store.errors import ControlRefusedError

HOUR = 3600.0


@pytest.fixture
def lab(session_lab):
    """Starts worlds on ICA."""
    return session_lab


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
