"""Jobs on the simulated ODM under the whole engine: main jobs, lost answers, kills, restored backups."""

import json

import pytest
from platform_setups import ODM

from orchestrator.simulator import FaultKind

HOUR = 3600.0
MOST_COMMITS = 80
PERMITTED = {"publish_all": "kept", "audit": "permitted"}


@pytest.fixture
def lab(world):
    """Starts worlds on ODM."""

    async def build(**given):
        return await world(setup=ODM, **given)

    return build


async def submit(it, name, keys, *, kind="imports", **spec):
    """A job of this kind; every call takes one item."""
    await it.submit(name, keys, kind=kind, **({"batch_size": 1} | spec))


def made(it, effect):
    """How often each name met this effect; the mark in the message of a publication is left out."""
    counted = {}
    for (kind, name), count in it.simulator.truth.made().items():
        if kind == effect:
            plain = name.partition(" (orc-batch=")[0]
            counted[plain] = counted.get(plain, 0) + count
    return counted


MAIN = {"publications": (["GSF1", "GSF2-fail", "GSF3"], "publish"), "imports": (["s1", "s2-fail", "s3"], "import")}
CREATING = {"publications": "publish_study", "imports": "start_import"}


@pytest.mark.parametrize("kind", MAIN)
async def test_a_job_runs_to_its_end(lab, kind):
    """Each item once, and each in the state that its own end gives."""
    it = await lab()
    keys, effect = MAIN[kind]
    await submit(it, "run", keys, kind=kind)
    await it.until_settled("run")
    assert list((await it.states()).values()) == ["succeeded", "failed", "succeeded"]
    assert made(it, effect) == dict.fromkeys(keys, 1)


async def test_tasks_of_others_are_followed(lab):
    """Nothing is sent, and none takes a place: seven at a time with room for one."""
    it = await lab(open_items=1)
    keys = ["GSF1", "GSF2-fail", "GSF3-kill", "GSF4-blocked", "GSF5-resumed", "GSF6-unknown", "GSF7-odd"]
    await submit(it, "run", keys, kind="tasks", follow_only=True)
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
    await submit(it, "run", ["GSF1-stuck"], kind="tasks", follow_only=True)
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
    await submit(it, "run", keys, kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert await it.states() == dict.fromkeys(keys, "succeeded")
    assert made(it, effect) == dict.fromkeys(keys, 1)
    assert [item.detail for item in (await it.items()).values()] == [None, None]


async def test_an_import_that_failed_while_its_answer_was_lost_is_not_restarted(lab):
    """It is the job of this very attempt: it ends as it would have ended."""
    it = await lab(import_seconds=0.1)
    it.fault(FaultKind.RESET_AFTER, "start_import", count=1)
    await submit(it, "run", ["s1-fail"])
    await it.until_settled("run", within=6 * HOUR)
    item = (await it.items())["s1-fail"]
    assert (item.state, item.status, made(it, "restart")) == ("failed", "FAILED", {})
    assert item.detail == "parse: ImportException: s1-fail has no header"


@pytest.mark.parametrize("kind", MAIN)
async def test_a_request_that_was_lost_is_sent_again(lab, kind):
    """It had no effect: an import goes out again at once, a publication after two searches in vain."""
    it = await lab()
    it.fault(FaultKind.RESET, CREATING[kind], count=1)
    await submit(it, "run", ["GSF1"], kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert (made(it, MAIN[kind][1]), await it.states()) == ({"GSF1": 1}, {"GSF1": "succeeded"})


async def test_an_import_is_sent_until_it_is_answered(lab):
    """However often no answer comes: the links are the key, without an age."""
    it = await lab()
    it.fault(FaultKind.RESET, "start_import", count=20)
    await submit(it, "run", ["s1"])
    await it.until_settled("run", within=6 * HOUR)
    assert (made(it, "import"), await it.states()) == ({"s1": 1}, {"s1": "succeeded"})


@pytest.mark.parametrize("kind", MAIN)
async def test_a_kill_after_any_transaction_doubles_nothing(lab, kind):
    """However far it came: the next process continues from there, and the item is made once."""
    for commits in range(1, MOST_COMMITS):
        it = await lab(republish="version")
        await submit(it, "run", ["GSF1"], kind=kind)
        it.kill_after(commits)
        killed = await it.killed_or(it.until_settled("run", within=6 * HOUR))
        await it.until_settled("run", within=6 * HOUR)
        assert (made(it, MAIN[kind][1]), await it.states()) == ({"GSF1": 1}, {"GSF1": "succeeded"})
        if not killed:
            break
    assert not killed


@pytest.mark.parametrize(
    ("again", "knobs"), [(False, {}), (True, {"conflict_names": "first", "running_word": "STARTED"})]
)
async def test_after_a_restored_backup_nothing_is_done_twice(lab, again, knobs):
    """The backup is from before the first send; what was done since is found, and said to be so."""
    it = await lab(**knobs)
    await submit(it, "imports", ["s1", "s2"])
    await submit(it, "publications", ["GSF1", "GSF2"], kind="publications")
    old = await it.backup()
    await it.until_settled("imports", "publications")
    for _ in range(1 + again):
        it.suspend(60.0)
        await it.restore(old)
        await it.until_settled("imports", "publications", within=6 * HOUR)
    assert made(it, "import") == {"s1": 1, "s2": 1}
    assert made(it, "publish") == made(it, "version") == {"GSF1": 1, "GSF2": 1}
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
    await submit(it, "run", ["GSF1"], kind=kind)
    await it.until_settled("run")
    await it.lose_database()
    await submit(it, "run", ["GSF1"], kind=kind)
    await it.until_settled("run", within=6 * HOUR)
    assert (made(it, MAIN[kind][1]), await it.states()) == ({"GSF1": 1}, {"GSF1": "succeeded"})


# ---------------------------------------------------------------- publications


async def test_a_publication_says_which_version_it_made(lab):
    """Or that there was nothing to publish."""
    it = await lab()
    await submit(it, "run", ["GSF1", "GSF2-unchanged"], kind="publications")
    await it.until_settled("run")
    items = await it.items()
    assert json.loads(items["GSF1"].facts) == {"version": "GSF1.1"}
    assert (items["GSF2-unchanged"].state, items["GSF2-unchanged"].facts) == ("succeeded", None)
    assert items["GSF2-unchanged"].detail == "there was nothing to publish: no version was made"


async def test_a_publication_of_nothing_is_sent_again_once_at_most(lab):
    """It leaves no version by which it could be found; lost twice, it waits for the operator."""
    it = await lab()
    it.fault(FaultKind.RESET_AFTER, "publish_study", count=1)
    await submit(it, "once", ["GSF1-unchanged"], kind="publications")
    await it.until_settled("once", within=6 * HOUR)
    assert made(it, "publish") == {"GSF1-unchanged": 2}
    it.fault(FaultKind.RESET_AFTER, "publish_study", count=2)
    await submit(it, "twice", ["GSF2-unchanged"], kind="publications")
    await it.until(lambda: _needs(it, "twice"), within=12 * HOUR)
    assert made(it, "publish")["GSF2-unchanged"] == 2
    await it.run_for(12 * HOUR)
    assert made(it, "publish")["GSF2-unchanged"] == 2


async def test_a_version_that_comes_late_is_that_of_the_first_attempt(lab):
    """The task took so long that it was given up: what it published is found before another one is sent."""
    it = await lab(publish_seconds=5000.0, jitter=0.0, republish="version")
    it.fault(FaultKind.RESET_AFTER, "publish_study", count=1)
    it.fault(FaultKind.ERROR, "publish_study", status=429, lasts=5000.0)
    await submit(it, "run", ["GSF1"], kind="publications")
    await it.run_for(4500.0)
    assert (await it.batch()).attempt == 1
    await it.until_settled("run")
    assert (made(it, "publish"), await it.states()) == ({"GSF1": 1}, {"GSF1": "succeeded"})


async def test_everything_is_published_at_once_where_the_server_still_can(lab):
    """One task, a version of each study with changes."""
    it = await lab(publish_all="kept")
    await submit(it, "run", ["all"], kind="publications")
    await it.until_settled("run")
    assert await it.states() == {"all": "succeeded"}
    assert set(made(it, "version")) == set(it.simulator.config.studies)


@pytest.mark.parametrize("gone", ["404", "405"])
async def test_where_it_cannot_the_failure_names_the_way_per_study(lab, gone):
    """The call went away in 1.64."""
    it = await lab(publish_all=gone)
    await submit(it, "run", ["all"], kind="publications")
    await it.until_settled("run")
    item = (await it.items())["all"]
    assert item.state == "failed"
    assert "publish study by study, with one item `study: ACCESSION` for each" in item.detail
    assert it.calls("publish_all") == 1


async def test_a_lost_publication_of_everything_is_found_in_the_audit_log(lab):
    """Where the user may read it; the facts have the studies."""
    it = await lab(**PERMITTED)
    it.fault(FaultKind.RESET_AFTER, "publish_all", count=1)
    await submit(it, "run", ["all"], kind="publications")
    await it.until_settled("run", within=6 * HOUR)
    item = (await it.items())["all"]
    assert (item.state, item.status) == ("succeeded", None)
    assert sorted(json.loads(item.facts)["studies"]) == sorted(it.simulator.config.studies)
    assert it.calls("publish_all") == 1


@pytest.mark.parametrize("knobs", [{"audit": "forbidden"}, {"audit": "absent"}, PERMITTED | {"audit_messages": False}])
async def test_without_the_audit_log_it_waits_for_the_operator_after_an_hour(lab, knobs):
    """It is never repeated, whether it arrived or not."""
    it = await lab(**({"publish_all": "kept"} | knobs))
    it.fault(FaultKind.RESET_AFTER, "publish_all", count=1)
    await submit(it, "run", ["all"], kind="publications")
    await it.run_for(0.9 * HOUR)
    assert (await it.job()).needs is None
    await it.until(lambda: _needs(it, "run"), within=0.3 * HOUR)
    await it.run_for(24 * HOUR)
    assert it.calls("publish_all") == 1


async def test_after_a_restored_backup_the_audit_log_shows_that_everything_was_published(lab):
    """Before the first send, as far as our records go."""
    it = await lab(**PERMITTED)
    await submit(it, "run", ["all"], kind="publications")
    old = await it.backup()
    await it.until_settled("run")
    await it.restore(old)
    await it.until_settled("run", within=6 * HOUR)
    assert (it.calls("publish_all"), await it.states()) == (1, {"all": "succeeded"})


@pytest.mark.parametrize(
    ("key", "detail"), [("GSF1-private", "may not publish GSF1-private"), ("all", "ACCESS_ALL_DATA")]
)
async def test_a_missing_permission_is_named(lab, key, detail):
    """The platform's own answer has an empty body: the batch waits for the operator."""
    it = await lab()
    if key == "all":
        it.fault(FaultKind.ERROR, "publish_all", status=403)
    await submit(it, "run", [key], kind="publications")
    await it.until(lambda: _needs(it, "run"))
    assert detail in (await it.batch()).detail


@pytest.mark.parametrize("missing_study", [404, 500])
async def test_a_study_that_does_not_exist_ends_or_waits(lab, missing_study):
    """A 404 is a refusal; a 500 says nothing, and what two searches do not show is sent once more."""
    it = await lab(missing_study=missing_study)
    await submit(it, "run", ["GSF1-unknown"], kind="publications")
    if missing_study == 404:
        await it.until_settled("run")
        assert (await it.items())["GSF1-unknown"].detail == "there is no study GSF1-unknown"
    else:
        await it.until(lambda: _needs(it, "run"), within=48 * HOUR)
    assert it.simulator.truth.made() == {}


# ---------------------------------------------------------------- import jobs


async def _earlier(it, key="s1"):
    """Somebody imports it before."""
    await submit(it, "earlier", [key])
    await it.until_settled("earlier")


@pytest.mark.parametrize("restart_id", ["new", "same"])
@pytest.mark.parametrize("restart_answer", ["fresh", "stale"])
async def test_an_import_that_failed_earlier_is_restarted_once(lab, restart_id, restart_answer):
    """The conflict names the job, and the id that comes back is followed."""
    it = await lab(restart_id=restart_id, restart_answer=restart_answer)
    await _earlier(it, "s1-flaky")
    assert await it.states("earlier") == {"s1-flaky": "failed"}
    await submit(it, "run", ["s1-flaky"])
    await it.until_settled("run")
    assert (await it.states(), made(it, "restart"), made(it, "import")) == (
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
    await submit(it, "run", [f"s1-{end}"])
    await it.until_settled("run")
    for times in (1, 2):
        await it.store.advance.retry("run", now=it.clock.now())
        await it.until_settled("run")
        assert (made(it, "import"), made(it, "restart")) == ({f"s1-{end}": 1}, {f"s1-{end}": times})
    assert (await it.items())[f"s1-{end}"].state == ("aborted" if end == "halt" else "failed")


@pytest.mark.parametrize("failed_again", ["409", "new"])
async def test_a_retry_takes_another_job_where_the_platform_makes_one(lab, failed_again):
    """Whether a repeat of a failed import is a conflict is not known: both end well."""
    it = await lab(failed_again=failed_again)
    it.duplicates_expected = failed_again == "new"
    await submit(it, "run", ["s1-flaky"])
    await it.until_settled("run")
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run")
    assert await it.states() == {"s1-flaky": "succeeded"}


async def test_an_import_that_runs_already_is_followed(lab):
    """Somebody else's job for the same links is adopted."""
    it = await lab()
    await submit(it, "earlier", ["s1-slow"])
    await it.run_for(30.0)
    await submit(it, "run", ["s1-slow"])
    await it.until_settled("earlier", "run")
    ids = {(await it.items(name))["s1-slow"].remote_id for name in ("earlier", "run")}
    assert (len(ids), await it.states(), made(it, "import")) == (1, {"s1-slow": "succeeded"}, {"s1-slow": 1})


async def test_a_conflict_that_names_no_job_is_a_failure(lab):
    """There is nothing that could be followed: the item fails with the platform's words."""
    it = await lab(conflict_names="nobody")
    await _earlier(it)
    await submit(it, "run", ["s1"])
    await it.until_settled("run")
    item = (await it.items())["s1"]
    assert item.state == "failed"
    assert "job instance already exists" in item.detail


@pytest.mark.parametrize("fault", [FaultKind.RESET, FaultKind.RESET_AFTER])
@pytest.mark.parametrize("restart_id", ["new", "same"])
async def test_a_restart_whose_answer_was_lost_is_found(lab, fault, restart_id):
    """In the job's own status, or by sending the links again: what was restarted is not restarted twice."""
    it = await lab(restart_id=restart_id)
    await _earlier(it, "s1-flaky")
    it.fault(fault, "restart_job", count=1)
    await submit(it, "run", ["s1-flaky"])
    await it.until_settled("run", within=6 * HOUR)
    assert (await it.states(), made(it, "restart")) == ({"s1-flaky": "succeeded"}, {"s1-flaky": 1})


async def test_a_kill_around_a_restart_restarts_once(lab):
    """The intent is durable before the request leaves."""
    for commits in range(1, MOST_COMMITS):
        it = await lab()
        await _earlier(it, "s1-flaky")
        await submit(it, "run", ["s1-flaky"])
        it.kill_after(commits)
        killed = await it.killed_or(it.until_settled("run", within=6 * HOUR))
        await it.until_settled("run", within=6 * HOUR)
        assert (await it.states(), made(it, "restart")) == ({"s1-flaky": "succeeded"}, {"s1-flaky": 1})
        if not killed:
            break
    assert not killed


async def test_a_cancelled_job_stops_its_imports(lab):
    """What runs is stopped; what was not sent is not."""
    it = await lab(open_items=2)
    await submit(it, "run", ["s1-slow", "s2-slow", "s3-slow"])
    await it.run_for(60.0)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run")
    assert sorted((await it.states()).values()) == ["aborted", "aborted", "cancelled"]
    assert made(it, "stop") == {"s1-slow": 1, "s2-slow": 1}


async def test_a_cancelled_import_in_doubt_ends_with_the_doubt(lab):
    """No list shows it, and it is not sent again only to be found."""
    it = await lab()
    it.fault(FaultKind.RESET_AFTER, "start_import", count=1)
    await submit(it, "run", ["s1-slow"])
    await it.turn()
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=6 * HOUR)
    item = (await it.items())["s1-slow"]
    assert (item.state, made(it, "import")) == ("aborted", {"s1-slow": 1})
    assert "it may be on the platform" in item.detail


async def test_a_job_of_which_odm_lost_track_needs_attention(lab):
    """UNKNOWN is no end: it continues by itself here, and so does the item."""
    it = await lab(import_seconds=300.0)
    await submit(it, "run", ["s1-odd"])
    await it.until(lambda: _needs(it, "run", "attention"))
    await it.until_settled("run")
    assert await it.states() == {"s1-odd": "succeeded"}


async def test_the_budget_is_kept_although_none_is_documented(lab):
    """One request a task or job, within what the account may send."""
    it = await lab(budget=20, window="sliding")
    await submit(it, "run", [f"s{number}" for number in range(15)])
    await it.until_settled("run", within=24 * HOUR)
    assert (len(made(it, "import")), it.answers(429)) == (15, 0)


async def _needs(it, name, needs="blocked"):
    return (await it.job(name)).needs == needs
