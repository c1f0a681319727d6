"""Imports, exports, file jobs, DRS imports and bulk changes, as sevenbridges-python 2.11.2 sees them."""

import pytest

from orchestrator.simulator import Fault, FaultKind


async def test_an_import_makes_a_file(seven_bridges):
    """PENDING, RUNNING, COMPLETED with the file as its result; listed among the user's own."""
    async with seven_bridges() as it:
        submit = it.api.imports.submit_import
        job = await it.call(submit, volume=it.volume, location="run1/a.bam", project=it.project, name="a.bam")
        assert job.state == "PENDING"
        await it.clock.advance(10)
        await it.call(job.reload)
        file = await it.call(lambda: job.result)
        assert (job.state, file.name, job.source.location) == ("COMPLETED", "a.bam", "run1/a.bam")
        listed = await it.call(it.api.imports.query, project=it.project, volume=it.volume)
        assert [each.id for each in listed] == [job.id]
        files = await it.call(it.api.files.query, project=it.project, names=["a.bam"])
        assert [each.id for each in files] == [file.id]


async def test_imports_in_bulk_succeed_and_fail_one_by_one(seven_bridges):
    """A refused row is an error in the answer; a name that is taken fails with 9108."""
    async with seven_bridges() as it:
        places = ["a.bam", "b-fail.bam", "c-bad.bam", "a.bam"]
        wanted = [{"volume": it.volume, "location": each, "project": it.project, "name": each} for each in places]
        records = await it.call(it.api.imports.bulk_submit, imports=wanted)
        assert [record.valid for record in records] == [True, True, False, True]
        await it.clock.advance(10)
        ids = [record.resource.id for record in records if record.valid]
        ended = await it.call(it.api.imports.bulk_get, imports=ids)
        codes = [each.resource.error.code if each.resource.error else None for each in ended]
        assert [each.resource.state for each in ended] == ["COMPLETED", "FAILED", "FAILED"]
        assert codes == [None, 9105, 9108]
        assert it.simulator.truth.made()["import", "a.bam"] == 2


async def test_exports_single_and_bulk(seven_bridges):
    """A location that is taken fails with 9107; a file that was exported and not only copied with 9006."""
    async with seven_bridges() as it:
        submit, bulk = it.api.exports.submit_export, it.api.exports.bulk_submit
        first = await it.call(submit, file=it.file("f1"), volume=it.volume, location="out/1", copy_only=True)
        wanted = [
            {"file": it.file(file), "volume": it.volume, "location": location}
            for file, location in (("f2", "out/1"), ("f2", "out/2"), ("f2", "out/3"), ("f3-unknown", "out/4"))
        ]
        records = await it.call(bulk, exports=wanted)
        assert [record.valid for record in records] == [True, True, True, False]
        await it.clock.advance(10)
        await it.call(first.reload)
        ended = await it.call(it.api.exports.bulk_get, exports=[each.resource.id for each in records if each.valid])
        codes = [each.resource.error.code if each.resource.error else None for each in ended]
        assert (first.state, codes) == ("COMPLETED", [9107, None, 9006])


@pytest.mark.parametrize("kind", ["copy", "move", "delete"])
async def test_a_file_job_ends_with_a_row_for_each_file(seven_bridges, kind):
    """FINISHED whatever came of the items: a resource or an error each."""
    async with seven_bridges() as it:
        items = [{"file": name} for name in ("f1", "f2-fail", "f3")]
        if kind != "delete":
            items = [item | {"project": "lab/other", "name": f"{item['file']}.bam"} for item in items]
        job = await it.call(getattr(it.api.async_jobs, f"file_bulk_{kind}"), files=items)
        assert (job.state, job.type, job.total_files) == ("SUBMITTED", kind.upper(), 3)
        await it.clock.advance(5)
        await it.call(job.reload)
        rows = await it.call(job.get_result)
        assert (job.state, job.failed_files, job.completed_files) == ("FINISHED", 1, 2)
        assert ["error" in row._data.data and row.error is not None for row in rows] == [False, True, False]
        again = await it.call(getattr(it.api.async_jobs, f"get_file_{kind}_job"), id=job.id)
        listed = await it.call(it.api.async_jobs.list_file_jobs)
        assert (again.state, [each.id for each in listed]) == ("FINISHED", [job.id])


async def test_a_drs_import_tags_its_files(seven_bridges):
    """One job for all; its rows come at its end, and its tag finds the files again."""
    async with seven_bridges() as it:
        uris = ["drs://host/a.bam", "drs://host/b-fail.bam"]
        wanted = [{"drs_uri": uri, "project": it.project, "metadata": {"sample": "s1"}} for uri in uris]
        job = await it.call(it.api.drs_imports.bulk_submit, imports=wanted, tags=["ours"])
        assert job.state == "SUBMITTED"
        await it.clock.advance(10)
        await it.call(job.reload)
        assert (job.state, [row.error is not None for row in job.result]) == ("FINISHED", [False, True])
        found = await it.call(it.api.files.query, project=it.project, tags=["ours"])
        assert [file.name for file in found] == ["a.bam"]


async def test_metadata_are_changed_in_bulk(seven_bridges):
    """What is edited is merged, what is updated is replaced; a bad row fails alone."""
    async with seven_bridges(Fault(kind=FaultKind.QUIRK, quirk="row_error", operation="bulk_update_files")) as it:
        files = [await it.call(it.api.files.get, each) for each in ("f1", "f2")]
        for file in files:
            file.metadata = {"sample": file.id}
            file.tags = ["seen"]
        edited = await it.call(it.api.files.bulk_edit, files=files)
        assert [(each.resource.metadata["sample"], each.resource.tags) for each in edited] == [
            ("f1", ["seen"]),
            ("f2", ["seen"]),
        ]
        updated = await it.call(it.api.files.bulk_update, files=files)
        assert [each.valid for each in updated] == [True, False]
        assert it.simulator.truth.made() == {("update", "f1"): 2, ("update", "f2"): 1}
