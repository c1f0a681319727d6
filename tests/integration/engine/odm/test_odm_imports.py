"""Imports on the simulated ODM under the whole engine: conflicts, restarts, stops."""

import pytest

from orchestrator.domain.lost_responses import MOST_UNANSWERED
from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 24 * 3600.0
MOST_COMMITS = 80


async def earlier(it, key="s1"):
    """Somebody imports it before."""
    await it.submit("earlier", [key])
    await it.until_settled("earlier")


@pytest.mark.parametrize("restart_id", ["new", "same"])
@pytest.mark.parametrize("restart_answer", ["fresh", "stale"])
async def test_an_import_that_failed_earlier_is_restarted_once(lab, restart_id, restart_answer):
    """The conflict names the job, and the id that comes back is followed."""
    it = await lab(restart_id=restart_id, restart_answer=restart_answer)
    await earlier(it, "s1-flaky")
    assert await it.states("earlier") == {"s1-flaky": "failed"}
    await it.submit("run", ["s1-flaky"])
    await it.until_settled("run")
    assert (await it.states(), it.made("restart"), it.made("import")) == (
        {"s1-flaky": "succeeded"},
        {"s1-flaky": 1},
        {"s1-flaky": 1},
    )
    before, after = (await it.items("earlier"))["s1-flaky"], (await it.items())["s1-flaky"]
    assert (before.remote_id == after.remote_id) == (restart_id == "same")


@pytest.mark.parametrize("end", ["fail", "halt", "abandon"])
async def test_a_retry_restarts_what_did_not_complete(lab, end):
    """FAILED, STOPPED and ABANDONED alike; it fails again, and is restarted once for each retry."""
    it = await lab()
    await it.submit("run", [f"s1-{end}"])
    await it.until_settled("run")
    for times in (1, 2):
        await it.store.advance.retry("run", now=it.clock.now())
        await it.until_settled("run")
        assert (it.made("import"), it.made("restart")) == ({f"s1-{end}": 1}, {f"s1-{end}": times})
    assert (await it.items())[f"s1-{end}"].state == ("aborted" if end == "halt" else "failed")


@pytest.mark.parametrize("failed_again", ["409", "new"])
async def test_a_retry_takes_another_job_where_the_platform_makes_one(lab, failed_again):
    """Whether a repeat of a failed import is a conflict is not known: both end well."""
    it = await lab(failed_again=failed_again)
    it.world.duplicates_expected = failed_again == "new"
    await it.submit("run", ["s1-flaky"])
    await it.until_settled("run")
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run")
    assert await it.states() == {"s1-flaky": "succeeded"}


async def test_an_import_that_runs_already_is_followed(lab):
    """Somebody else's job for the same links is adopted."""
    it = await lab()
    await it.submit("earlier", ["s1-slow"])
    await it.run_for(30.0)
    await it.submit("run", ["s1-slow"])
    await it.until_settled("earlier", "run")
    ids = {(await it.items(name))["s1-slow"].remote_id for name in ("earlier", "run")}
    assert (len(ids), await it.states(), it.made("import")) == (1, {"s1-slow": "succeeded"}, {"s1-slow": 1})


@pytest.mark.parametrize("status", [400, 401, 403, 503])
async def test_a_job_of_a_conflict_that_cannot_be_read_is_read_later(lab, status):
    """The error is that of the read: the import was neither refused nor without effect."""
    it = await lab()
    await earlier(it)
    it.fault(FaultKind.ERROR, "get_job", status=status, count=3)
    await it.submit("run", ["s1"])
    await it.until_settled("run", within=2 * HOUR)
    assert (await it.states(), it.made("import")) == ({"s1": "succeeded"}, {"s1": 1})


async def test_an_import_that_is_cancelled_before_the_job_of_its_conflict_was_read_may_be_there(lab):
    """It is not reported as never sent: the links are on the platform."""
    it = await lab()
    await earlier(it)
    it.fault(FaultKind.ERROR, "get_job", status=401)
    await it.submit("run", ["s1"])
    await it.turn()
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=6 * HOUR)
    item = (await it.items())["s1"]
    assert (item.state, "may be on the platform" in item.detail) == ("aborted", True)


async def test_a_conflict_that_names_no_job_is_a_failure(lab):
    """There is nothing that could be followed: the item fails with the platform's words."""
    it = await lab(conflict_names="nobody")
    await earlier(it)
    await it.submit("run", ["s1"])
    await it.until_settled("run")
    item = (await it.items())["s1"]
    assert item.state == "failed"
    assert "job instance already exists" in item.detail


@pytest.mark.parametrize("knobs", [{"conflict_names": "nobody"}, {}])
async def test_a_conflict_that_names_no_job_after_a_lost_answer_is_no_failure(lab, knobs):
    """The job may be ours, and may succeed: the operator adopts it. A gateway may hide the name as well."""
    it = await lab(**knobs)
    it.fault(FaultKind.WRONG_MEDIA, "start_import", count=2)
    await it.submit("run", ["s1"])
    await it.until_needs("blocked")
    assert (await it.states(), it.made("import")) == ({"s1": "pending"}, {"s1": 1})
    assert "`adopt` it" in (await it.job()).detail
    (job,) = it.simulator._world.executions
    await it.store.advance.adopt("run", 1, str(job), now=it.clock.now())
    await it.until_settled("run")
    assert await it.states() == {"s1": "succeeded"}


@pytest.mark.parametrize("fault", [FaultKind.RESET, FaultKind.RESET_AFTER])
@pytest.mark.parametrize("restart_id", ["new", "same"])
async def test_a_restart_whose_answer_was_lost_is_found(lab, fault, restart_id):
    """In the job's own status, or by sending the links again: what was restarted is not restarted twice."""
    it = await lab(restart_id=restart_id)
    await earlier(it, "s1-flaky")
    it.fault(fault, "restart_job", count=1)
    await it.submit("run", ["s1-flaky"])
    await it.until_settled("run", within=6 * HOUR)
    assert (await it.states(), it.made("restart")) == ({"s1-flaky": "succeeded"}, {"s1-flaky": 1})


async def test_a_kill_around_a_restart_restarts_once(lab):
    """The intent is durable before the request leaves."""
    for commits in range(1, MOST_COMMITS):
        it = await lab()
        await earlier(it, "s1-flaky")
        await it.submit("run", ["s1-flaky"])
        it.kill_after(commits)
        killed = await it.killed_or(it.until_settled("run", within=6 * HOUR))
        await it.until_settled("run", within=6 * HOUR)
        assert (await it.states(), it.made("restart")) == ({"s1-flaky": "succeeded"}, {"s1-flaky": 1})
        if not killed:
            break
    assert not killed


async def test_a_cancelled_job_stops_its_imports(lab):
    """What runs is stopped; what was not sent is not."""
    it = await lab(open_items=2)
    await it.submit("run", ["s1-slow", "s2-slow", "s3-slow"])
    await it.run_for(60.0)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run")
    assert sorted((await it.states()).values()) == ["aborted", "aborted", "cancelled"]
    assert it.made("stop") == {"s1-slow": 1, "s2-slow": 1}


async def test_a_cancelled_import_in_doubt_ends_with_the_doubt(lab):
    """No list shows it, and it is not sent again only to be found."""
    it = await lab()
    it.fault(FaultKind.RESET_AFTER, "start_import", count=1)
    await it.submit("run", ["s1-slow"])
    await it.turn()
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=6 * HOUR)
    item = (await it.items())["s1-slow"]
    assert (item.state, it.made("import")) == ("aborted", {"s1-slow": 1})
    assert "it may be on the platform" in item.detail


async def test_a_job_of_which_odm_lost_track_needs_attention(lab):
    """UNKNOWN is no end: it continues by itself here, and so does the item."""
    it = await lab(import_seconds=300.0)
    await it.submit("run", ["s1-odd"])
    await it.until_needs("attention", "run")
    await it.until_settled("run")
    assert await it.states() == {"s1-odd": "succeeded"}


async def test_the_budget_is_kept_although_none_is_documented(lab):
    """One request a task or job, within what the account may send."""
    it = await lab(budget=20, window="sliding")
    await it.submit("run", [f"s{number}" for number in range(15)])
    await it.until_settled("run", within=24 * HOUR)
    assert (len(it.made("import")), it.answers(429)) == (15, 0)


async def test_an_import_that_failed_while_its_answer_was_lost_is_not_restarted(lab):
    """It is the job of this very attempt: it ends as it would have ended."""
    it = await lab(import_seconds=0.1)
    it.fault(FaultKind.RESET_AFTER, "start_import", count=1)
    await it.submit("run", ["s1-fail"])
    await it.until_settled("run", within=6 * HOUR)
    item = (await it.items())["s1-fail"]
    assert (item.state, item.status, it.made("restart")) == ("failed", "FAILED", {})
    assert item.detail == "parse: ImportException: s1-fail has no header"


async def test_an_import_that_is_never_answered_is_left_to_the_operator_in_the_end(lab):
    """After two days no more is sent: the batch is blocked and says why, and `retry` sends it again."""
    it = await lab()
    it.fault(FaultKind.RESET, "start_import")
    await it.submit("run", ["s1"])
    await it.run_for(4 * DAY)
    assert it.calls("start_import") == MOST_UNANSWERED
    batch = await it.batch()
    assert (batch.state, "got no response, and nothing on the platform" in batch.detail) == ("blocked", True)
    it.simulator.faults.clear()
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run", within=6 * HOUR)
    assert (it.made("import"), await it.states()) == ({"s1": 1}, {"s1": "succeeded"})


async def test_an_import_is_sent_until_it_is_answered(lab):
    """However often no answer comes: the links are the key, without an age."""
    it = await lab()
    it.fault(FaultKind.RESET, "start_import", count=20)
    await it.submit("run", ["s1"])
    await it.until_settled("run", within=6 * HOUR)
    assert (it.made("import"), await it.states()) == ({"s1": 1}, {"s1": "succeeded"})
