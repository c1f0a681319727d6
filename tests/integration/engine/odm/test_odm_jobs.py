"""Jobs on the simulated ODM under the whole engine: main jobs, lost answers, kills, restored backups."""

import json

import pytest

from orchestrator.simulator import FaultKind

HOUR = 3600.0
MOST_COMMITS = 80
MAIN = {"publications": (["GSF1", "GSF2-fail", "GSF3"], "publish"), "imports": (["s1", "s2-fail", "s3"], "import")}
CREATING = {"publications": "publish_study", "imports": "start_import"}


@pytest.mark.parametrize("kind", MAIN)
async def test_a_job_runs_to_its_end(lab, kind):
    """Each item once, and each in the state that its own end gives."""
    it = await lab()
    keys, effect = MAIN[kind]
    await it.submit("run", keys, kind=kind)
    await it.until_settled("run")
    assert list((await it.states()).values()) == ["succeeded", "failed", "succeeded"]
    assert it.made(effect) == dict.fromkeys(keys, 1)


async def test_tasks_of_others_are_followed(lab):
    """Nothing is sent, and none takes a place: seven at a time with room for one."""
    it = await lab(open_items=1)
    keys = ["GSF1", "GSF2-fail", "GSF3-kill", "GSF4-blocked", "GSF5-resumed", "GSF6-unknown", "GSF7-odd"]
    await it.submit("run", keys, kind="tasks", follow_only=True)
    await it.run_for(15.0)
    assert it.calls("get_task") == len(keys)
    await it.until_settled("run")
    ends = ["succeeded", "failed", "aborted", "failed", "succeeded", "failed", "succeeded"]
    assert list((await it.states()).values()) == ends
    assert it.simulator.truth.made() == {}
    items = await it.items()
    assert "there is no task GSF6-unknown" in items["GSF6-unknown"].detail
    assert json.loads(items["GSF1"].facts)["application"] == "publisher"


async def test_a_cancelled_job_stops_following(lab):
    """The tasks of others continue."""
    it = await lab()
    await it.submit("run", ["GSF1-stuck"], kind="tasks", follow_only=True)
    await it.run_for(60.0)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run")
    item = (await it.items())["GSF1-stuck"]
    assert (item.state, item.detail) == ("cancelled", "no longer followed")


@pytest.mark.parametrize("kind", MAIN)
@pytest.mark.parametrize("fault", [FaultKind.RESET_AFTER, FaultKind.ERROR_AFTER, FaultKind.MALFORMED])
@pytest.mark.parametrize("knobs", [{}, {"version_shown": "at_once", "republish": "version", "job_times": "day_first"}])
async def test_an_answer_that_was_lost_doubles_nothing(lab, kind, fault, knobs):
    """It had its effect: a version with our mark shows it, or a conflict that names the job."""
    it = await lab(**knobs)
    keys, effect = ["GSF1", "GSF2"], MAIN[kind][1]
    it.fault(fault, CREATING[kind], status=502, count=1)
    await it.submit("run", keys, kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert await it.states() == dict.fromkeys(keys, "succeeded")
    assert it.made(effect) == dict.fromkeys(keys, 1)
    assert [item.detail for item in (await it.items()).values()] == [None, None]


@pytest.mark.parametrize("kind", MAIN)
async def test_a_request_that_was_lost_is_sent_again(lab, kind):
    """It had no effect: an import goes out again at once, a publication after two searches in vain."""
    it = await lab()
    it.fault(FaultKind.RESET, CREATING[kind], count=1)
    await it.submit("run", ["GSF1"], kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert (it.made(MAIN[kind][1]), await it.states()) == ({"GSF1": 1}, {"GSF1": "succeeded"})


@pytest.mark.parametrize("kind", MAIN)
async def test_a_kill_after_any_transaction_doubles_nothing(lab, kind):
    """However far it came: the next process continues from there, and the item is made once."""
    for commits in range(1, MOST_COMMITS):
        it = await lab(republish="version")
        await it.submit("run", ["GSF1"], kind=kind)
        it.kill_after(commits)
        killed = await it.killed_or(it.until_settled("run", within=6 * HOUR))
        await it.until_settled("run", within=6 * HOUR)
        assert (it.made(MAIN[kind][1]), await it.states()) == ({"GSF1": 1}, {"GSF1": "succeeded"})
        if not killed:
            break
    assert not killed


@pytest.mark.parametrize(
    ("again", "knobs"), [(False, {}), (True, {"conflict_names": "first", "running_word": "STARTED"})]
)
async def test_after_a_restored_backup_nothing_is_done_twice(lab, again, knobs):
    """The backup is from before the first send; what was done since is found, and said to be so."""
    it = await lab(**knobs)
    await it.submit("imports", ["s1", "s2"])
    await it.submit("publications", ["GSF1", "GSF2"], kind="publications")
    old = await it.backup()
    await it.until_settled("imports", "publications")
    for _ in range(1 + again):
        it.suspend(60.0)
        await it.restore(old)
        await it.until_settled("imports", "publications", within=6 * HOUR)
    assert it.made("import") == {"s1": 1, "s2": 1}
    assert it.made("publish") == it.made("version") == {"GSF1": 1, "GSF2": 1}
    imported = await it.items("imports")
    assert imported["s1"].detail == f"imported earlier by job {imported['s1'].remote_id}"
    assert json.loads(imported["s1"].facts)["accession"] == json.loads(imported["s1"].facts)["groupAccession"]
    published = (await it.items("publications"))["GSF1"]
    assert (published.state, published.status, json.loads(published.facts)) == (
        "succeeded",
        None,
        {"version": "GSF1.1"},
    )


@pytest.mark.parametrize("kind", MAIN)
async def test_what_is_dropped_again_after_the_database_was_lost_is_found(lab, kind):
    """The marks follow from the name of the job, and the links are the same."""
    it = await lab()
    await it.submit("run", ["GSF1"], kind=kind)
    await it.until_settled("run")
    await it.lose_database()
    await it.submit("run", ["GSF1"], kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert (it.made(MAIN[kind][1]), await it.states()) == ({"GSF1": 1}, {"GSF1": "succeeded"})
