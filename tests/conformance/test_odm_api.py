"""The simulated ODM, as odm-api sees it: 1.64.1, and 1.63.5 for what later versions have no more."""

from datetime import UTC, datetime

import pytest

LINK = "https://bucket.s3.amazonaws.com/run-0172"
TYPES = {
    "study": {"metadata_link": f"{LINK}/study.tsv"},
    "samples": {"metadata_link": f"{LINK}/samples.tsv", "template_id": "GSF1"},
    "libraries": {"metadata_link": f"{LINK}/libraries.tsv"},
    "preparations": {"metadata_link": f"{LINK}/preparations.tsv"},
    "expression": {"data_link": f"{LINK}/counts.gct", "number_of_feature_attributes": 2, "data_class": "Proteomics"},
    "variant": {"data_link": f"{LINK}/calls.vcf", "previous_version": "GSF1"},
    "flow-cytometry": {"data_link": f"{LINK}/cells.facs", "metadata_link": f"{LINK}/cells.facs.tsv"},
    "cells": {"data_link": f"{LINK}/cells.tsv"},
    "file": {"data_link": f"{LINK}/report.pdf", "study_accession": "GSF1", "data_class": "Document"},
}
CURATION = ("MetadataVersioningAsCuratorApi", "publish_study_by_accession_as_curator")


async def test_a_study_is_published_and_its_version_listed(genestack):
    """The task goes through its statuses to DONE, its times are integers; the version has the message."""
    async with genestack() as it:
        task = await it.call(*CURATION, "GSF7", version_message="night 1")
        assert (task.status, task.started_at, task.ended_at) == ("CREATED", None, None)
        seen = []
        for _ in range(20):
            await it.clock.advance(1)
            info = await it.call("TasksAPIApi", "get_task_info", task.id)
            seen += [info.status] if info.status not in seen else []
        assert seen == ["QUEUED", "STARTING", "RUNNING", "DONE"]
        assert info.ended_at - info.started_at == 16_000
        (version,) = await it.call("StudySPoTAsCuratorApi", "get_study_versions_as_curator", "GSF7")
        assert (version.message, version.author, version.timestamp) == ("night 1", "user-1", info.ended_at)
        assert it.simulator.truth.made() == {("publish", "GSF7"): 1, ("version", "GSF7"): 1}


async def test_everything_is_published_by_the_client_that_still_has_it(genestack):
    """1.63.5 on a server that keeps the call: a version of each study with changes, with the default message."""
    async with genestack("1.63.5", publish_all="kept") as it:
        with pytest.warns(DeprecationWarning, match="publish-versions is deprecated"):
            task = await it.call("TasksAPIApi", "publish_all_studies")
        await it.clock.advance(20)
        assert (await it.call("TasksAPIApi", "get_task_info", task.id)).status == "DONE"
        for study in it.simulator.config.studies:
            (version,) = await it.call("StudySPoTAsCuratorApi", "get_study_versions_as_curator", study)
            assert version.message == "Auto-published by API call"


@pytest.mark.parametrize("gone", ["404", "405"])
async def test_publishing_everything_is_gone(genestack, gone):
    """1.64.1 has no method for it, and the server answers the older client with 404 or 405."""
    async with genestack("1.63.5", publish_all=gone) as it:
        with (
            pytest.warns(DeprecationWarning, match="publish-versions"),
            pytest.raises(it.client.ApiException) as refused,
        ):
            await it.call("TasksAPIApi", "publish_all_studies")
        assert (refused.value.status, it.simulator.truth.made()) == (int(gone), {})
    async with genestack() as it:
        assert not hasattr(it.client.TasksAPIApi, "publish_all_studies")


@pytest.mark.parametrize("what", TYPES)
async def test_imports_of_nine_types_run_to_their_output(genestack, what):
    """Each with its own model, its result an accession."""
    async with genestack() as it:
        info = await it.start(what, **TYPES[what])
        assert (info.status, info.end_time) == ("STARTING", None)
        await it.clock.advance(10)
        assert (await it.call("JobOperationsApi", "info", info.job_exec_id)).status == "RUNNING"
        await it.clock.advance(30)
        ended = await it.call("JobOperationsApi", "info", info.job_exec_id)
        assert (ended.status, (ended.end_time - ended.create_time).seconds) == ("COMPLETED", 30)
        output = await it.call("JobOperationsApi", "output", info.job_exec_id)
        assert list(output.result) == ["accession" if what == "study" else "groupAccession"]


async def test_a_repeated_import_is_a_conflict_that_names_the_job(genestack):
    """As the vendor's own script expects it; with `allow_dups` it is another job."""
    async with genestack() as it:
        first = await it.start("samples", **TYPES["samples"])
        with pytest.raises(it.client.ApiException) as refused:
            await it.start("samples", **TYPES["samples"])
        assert refused.value.status == 409
        assert f"jobExecId={first.job_exec_id}" in refused.value.body
        again = await it.start("samples", allow_dups=True, **TYPES["samples"])
        assert again.job_exec_id != first.job_exec_id
        assert list(it.simulator.truth.duplicates().values()) == [2]


@pytest.mark.parametrize("restart_id", ["new", "same"])
async def test_a_failed_import_has_errors_and_is_restarted(genestack, restart_id):
    """Its errors are a stack for each stage; the restarted job may have another id."""
    async with genestack(restart_id=restart_id) as it:
        first = await it.start("study", metadata_link=f"{LINK}/flaky.tsv")
        await it.clock.advance(30)
        output = await it.call("JobOperationsApi", "output", first.job_exec_id)
        assert (output.status, output.errors[0].stage, output.errors[0].stack[0].type) == (
            "FAILED",
            "parse",
            "ImportException",
        )
        again = await it.call("JobOperationsApi", "restart", first.job_exec_id)
        assert (again.job_exec_id == first.job_exec_id, again.status) == (restart_id == "same", "STARTING")
        await it.clock.advance(30)
        assert (await it.call("JobOperationsApi", "info", again.job_exec_id)).status == "COMPLETED"
        with pytest.raises(it.client.ApiException) as refused:
            await it.call("JobOperationsApi", "restart", again.job_exec_id)
        assert refused.value.status == 409


async def test_a_running_import_is_stopped(genestack):
    """STOPPING for a moment, then STOPPED; an ended one cannot be stopped."""
    async with genestack() as it:
        job = (await it.start("cells", **TYPES["cells"])).job_exec_id
        assert (await it.call("JobOperationsApi", "stop", job)).status == "STOPPING"
        await it.clock.advance(5)
        assert (await it.call("JobOperationsApi", "info", job)).status == "STOPPED"
        with pytest.raises(it.client.ApiException):
            await it.call("JobOperationsApi", "stop", job)


@pytest.mark.parametrize("knobs", [{"running_word": "STARTED"}, {"job_times": "day_first"}])
async def test_what_the_vendors_own_client_rejects(genestack, knobs):
    """A status of its own example, and dates of its own test: the knobs show what an adapter has to take."""
    async with genestack() as it:
        job = (await it.start("cells", **TYPES["cells"])).job_exec_id
        await it.clock.advance(10)
        it.simulator.change_knobs(knobs)
        with pytest.raises(ValueError, match="validation error"):
            await it.call("JobOperationsApi", "info", job)


async def test_either_header_signs_a_request(genestack):
    """The token of the profile page, or a bearer; a wrong one is refused with 401."""
    async with genestack() as it:
        bearer = it.connect({"Access-token": "simulator"}, **{"Access-token": "Bearer"})
        wrong = it.connect({"Genestack-API-Token": "wrong"})
        found = await it.call("StudySPoTAsUserApi", "search_studies_as_user", page_limit=1, through=bearer)
        assert (found.meta.pagination.total, len(found.data)) == (3, 1)
        with pytest.raises(it.client.ApiException) as refused:
            await it.call("StudySPoTAsUserApi", "search_studies_as_user", through=wrong)
        assert refused.value.status == 401


async def test_audit_events_name_the_publication(genestack):
    """For those who may see them, page by page, the newest first; others get a 403."""
    async with genestack(audit="permitted") as it:
        since = datetime.fromtimestamp(it.clock.now() // 1_000_000, UTC).replace(tzinfo=None)
        for study in ("GSF7", "GSF8", "GSF9"):
            await it.clock.advance(60)
            await it.call(*CURATION, study, version_message=f"of {study}")
        await it.clock.advance(60)
        found, cursor = [], None
        while True:
            page = await it.call("AuditApi", "search_audit_events", var_from=since, page_limit=2, cursor=cursor)
            found += [(event.study_accession, event.details["versionMessage"]) for event in page.events]
            cursor = page.cursor
            if cursor is None:
                break
        assert found == [(study, f"of {study}") for study in ("GSF9", "GSF8", "GSF7")]
    async with genestack(audit="forbidden") as it:
        with pytest.raises(it.client.ApiException) as refused:
            await it.call("AuditApi", "search_audit_events")
        assert refused.value.status == 403


@pytest.mark.parametrize(
    ("task", "end"),
    [("GSF1-fail", "FAILED"), ("GSF1-kill", "KILLED"), ("GSF1-blocked", "BLOCKED_BY_DEPENDENCY_FAILURE")],
)
async def test_tasks_of_others_can_be_followed(genestack, task, end):
    """Any id is a task, and ends as its name says, with a time."""
    async with genestack() as it:
        assert (await it.call("TasksAPIApi", "get_task_info", task)).status == "CREATED"
        await it.clock.advance(20)
        info = await it.call("TasksAPIApi", "get_task_info", task)
        assert (info.status, info.ended_at is not None) == (end, True)
