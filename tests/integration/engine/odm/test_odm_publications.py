"""Publications on the simulated ODM under the whole engine."""

import json

import pytest

from orchestrator.simulator import FaultKind

HOUR = 3600.0
PERMITTED = {"publish_all": "kept", "audit": "permitted"}


async def test_a_publication_says_which_version_it_made(lab):
    """Or that there was nothing to publish."""
    it = await lab()
    await it.submit("run", ["GSF1", "GSF2-unchanged"], kind="publications")
    await it.until_settled("run")
    items = await it.items()
    assert json.loads(items["GSF1"].facts) == {"version": "GSF1.1"}
    assert (items["GSF2-unchanged"].state, items["GSF2-unchanged"].facts) == ("succeeded", None)
    assert items["GSF2-unchanged"].detail == "there was nothing to publish: no version was made"


async def test_a_publication_of_nothing_is_sent_again_once_at_most(lab):
    """It leaves no version by which it could be found; lost twice, it waits for the operator."""
    it = await lab()
    it.fault(FaultKind.RESET_AFTER, "publish_study", count=1)
    await it.submit("once", ["GSF1-unchanged"], kind="publications")
    await it.until_settled("once", within=6 * HOUR)
    assert it.made("publish") == {"GSF1-unchanged": 2}
    it.fault(FaultKind.RESET_AFTER, "publish_study", count=2)
    await it.submit("twice", ["GSF2-unchanged"], kind="publications")
    await it.until_needs("blocked", "twice", within=12 * HOUR)
    assert it.made("publish")["GSF2-unchanged"] == 2
    await it.run_for(12 * HOUR)
    assert it.made("publish")["GSF2-unchanged"] == 2


async def test_a_version_that_comes_late_is_that_of_the_first_attempt(lab):
    """The task took so long that it was given up: what it published is found before another one is sent."""
    it = await lab(publish_seconds=5000.0, jitter=0.0, republish="version")
    it.fault(FaultKind.RESET_AFTER, "publish_study", count=1)
    it.fault(FaultKind.ERROR, "publish_study", status=429, lasts=5000.0)
    await it.submit("run", ["GSF1"], kind="publications")
    await it.run_for(4500.0)
    assert (await it.batch()).attempt == 1
    await it.until_settled("run")
    assert (it.made("publish"), await it.states()) == ({"GSF1": 1}, {"GSF1": "succeeded"})


async def test_everything_is_published_at_once_where_the_server_still_can(lab):
    """One task, a version of each study with changes."""
    it = await lab(publish_all="kept")
    await it.submit("run", ["all"], kind="publications")
    await it.until_settled("run")
    assert await it.states() == {"all": "succeeded"}
    assert set(it.made("version")) == set(it.simulator.config.studies)


@pytest.mark.parametrize("gone", ["404", "405"])
async def test_where_it_cannot_the_failure_names_the_way_per_study(lab, gone):
    """The call went away in 1.64."""
    it = await lab(publish_all=gone)
    await it.submit("run", ["all"], kind="publications")
    await it.until_settled("run")
    item = (await it.items())["all"]
    assert item.state == "failed"
    assert "publish study by study, with one item `study: ACCESSION` for each" in item.detail
    assert it.calls("publish_all") == 1


async def test_a_lost_publication_of_everything_is_found_in_the_audit_log(lab):
    """Where the user may read it; the facts have the studies."""
    it = await lab(**PERMITTED)
    it.fault(FaultKind.RESET_AFTER, "publish_all", count=1)
    await it.submit("run", ["all"], kind="publications")
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
    await it.submit("run", ["all"], kind="publications")
    await it.run_for(0.9 * HOUR)
    assert (await it.job()).needs is None
    await it.until_needs("blocked", "run", within=0.3 * HOUR)
    await it.run_for(24 * HOUR)
    assert it.calls("publish_all") == 1


async def test_after_a_restored_backup_the_audit_log_shows_that_everything_was_published(lab):
    """Before the first send, as far as our records go."""
    it = await lab(**PERMITTED)
    await it.submit("run", ["all"], kind="publications")
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
    await it.submit("run", [key], kind="publications")
    await it.until_needs("blocked", "run")
    assert detail in (await it.batch()).detail


@pytest.mark.parametrize("missing_study", [404, 500])
async def test_a_study_that_does_not_exist_ends_or_waits(lab, missing_study):
    """A 404 is a refusal; a 500 says nothing, and what two searches do not show is sent once more."""
    it = await lab(missing_study=missing_study)
    await it.submit("run", ["GSF1-unknown"], kind="publications")
    if missing_study == 404:
        await it.until_settled("run")
        assert (await it.items())["GSF1-unknown"].detail == "there is no study GSF1-unknown"
    else:
        await it.until_needs("blocked", "run", within=48 * HOUR)
    assert it.simulator.truth.made() == {}
