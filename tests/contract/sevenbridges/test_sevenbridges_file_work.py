"""File jobs, metadata and DRS imports of the adapter against the simulated Seven Bridges."""

from dataclasses import replace

import pytest

from orchestrator.domain.errors import Refused, Transient
from orchestrator.domain.model import ItemReport, ItemState
from orchestrator.domain.units import HOUR
from orchestrator.simulator import FaultKind

VERBS = {"file_copy": "copy", "file_move": "move", "file_delete": "delete"}


def request(setting, file):
    """An item of a kind, by the name of its file."""
    if setting == "drs_import":
        return {"drs_uri": f"drs://dg.org/{file}", "name": file}
    named = {"name": f"new-{file}"} if setting in {"file_copy", "file_move", "file_update"} else {}
    return {"file": file} | named


def key(setting, file):
    return f"drs://dg.org/{file}" if setting == "drs_import" else file


@pytest.mark.parametrize("setting", [*VERBS, "drs_import"])
async def test_a_job_ends_each_file_by_its_own_row(lab, setting):
    """All have the status of the job until it has FINISHED; then each row says how its file ended."""
    files = ["f1", "f2-fail", "f3"]
    batch = await lab.submit(setting, *(request(setting, file) for file in files))
    assert (batch.status, batch.status_final) == ("SUBMITTED", False)
    await lab.clock.advance(2.5)
    await lab.poll()
    assert {(item.status, item.state) for item in lab.of(batch)} == {("RUNNING", ItemState.RUNNING)}
    await lab.finish()
    assert list(lab.states().values()) == ["succeeded", "failed", "succeeded"]
    assert lab.batches[batch.key].status_final
    failed = lab.item(key(setting, "f2-fail"))
    assert (failed.status, failed.detail.split(":")[0]) == ("FINISHED", "5003" if setting == "drs_import" else "5001")
    assert lab.contradictions == lab.unknown_objects == []


@pytest.mark.parametrize("setting", ["file_copy", "file_move", "drs_import"])
async def test_rows_in_another_order_are_matched_by_what_they_say(make_lab, setting):
    """By id or by name; the only file left over has the only row left over."""
    lab = make_lab(result_order="shuffled")
    files = [f"f{number}" for number in range(9)] + ["g-fail"]
    await lab.submit(setting, *(request(setting, file) for file in files))
    await lab.finish()
    assert lab.states() == {key(setting, file): "failed" if "fail" in file else "succeeded" for file in files}
    if setting != "file_move":
        made = {file.name: file.id for file in lab.simulator._world.files.values()}
        prefix = "new-" if setting == "file_copy" else ""
        assert all(lab.item(key(setting, file)).remote_id == made[f"{prefix}{file}"] for file in files[:9])


async def test_files_that_failed_for_several_reasons_have_failed(make_lab):
    """In an order other than that of the request it is unclear which reason is whose: each has all of them."""
    lab = make_lab(result_order="shuffled")
    files = ["f1", "f2", "f3", "f4-fail", "f5-unknown"]
    await lab.submit("file_copy", *(request("file_copy", file) for file in files))
    await lab.clock.advance(60)
    await lab.poll()
    assert lab.states() == {file: "succeeded" if file in files[:3] else "failed" for file in files}
    for file in files[3:]:
        assert sorted(lab.item(file).detail.split(" or ")) == [
            "5001: You have no permission for this file.",
            "5002: Requested file does not exist.",
        ]


@pytest.mark.parametrize("order", ["sent", "shuffled"])
async def test_copies_without_names_are_matched_by_the_names_of_their_originals(make_lab, order):
    """The rows have nothing else in common with the request; the ids of the copies are those of the right files."""
    lab = make_lab(result_order=order)
    files = [f"f{number}" for number in range(8)] + ["f8-fail", "f9-unknown"]
    await lab.submit("file_copy", *({"file": file} for file in files))
    await lab.finish()
    assert lab.states() == {file: "succeeded" if file in files[:8] else "failed" for file in files}
    copies = {file.id: file.name for file in lab.simulator._world.files.values() if file.id != file.name}
    assert [copies[lab.item(file).remote_id] for file in files[:8]] == files[:8]
    assert lab.calls("bulk_get_files") == 1


async def test_copies_of_one_name_have_succeeded_and_name_no_file(make_lab):
    """Several originals have the same name, and the rows another order: which copy is whose is unclear."""
    lab = make_lab(result_order="shuffled")
    files = ["f0", "f1", "f2", "f3", "g"]
    for file in files[:4]:
        lab.simulator._world.file(file, 0.0).name = "reads.bam"
    await lab.submit("file_copy", *({"file": file} for file in files))
    await lab.finish()
    assert set(lab.states().values()) == {"succeeded"}
    unclear = [lab.item(file) for file in files[:4] if lab.item(file).remote_id is None]
    assert all("which of them is its copy is unclear" in item.detail for item in unclear)
    assert lab.simulator._world.files[lab.item("g").remote_id].name == "g"


@pytest.mark.parametrize("order", ["sent", "shuffled"])
async def test_deletions_are_matched_by_what_is_still_there(make_lab, order):
    """Their rows say nothing of the file; what is gone was deleted, what is there was not."""
    lab = make_lab(result_order=order)
    files = [f"f{number}" for number in range(8)] + ["f8-fail", "f9-fail"]
    await lab.submit("file_delete", *({"file": file} for file in files))
    await lab.finish()
    assert lab.states() == {file: "succeeded" if file in files[:8] else "failed" for file in files}
    assert lab.calls("bulk_get_files") == 1


async def test_a_deletion_of_what_may_never_have_been_there_waits_for_the_operator(make_lab):
    """Two files are gone, the rows say that one of them was not found, and nothing says which."""
    lab = make_lab(result_order="shuffled")
    files = ["f1-unknown", "f2", "f3", "f4", "f5-fail"]
    await lab.submit("file_delete", *({"file": file} for file in files))
    await lab.clock.advance(60)
    await lab.poll()
    assert lab.states() == {file: "failed" if file == "f5-fail" else "attention" for file in files}


async def test_a_file_of_which_nothing_is_said_is_asked_about_again(make_lab):
    """One row of the answer is an error for the moment: the job is matched by the next poll."""
    lab = make_lab(result_order="shuffled")
    lab.fault(FaultKind.QUIRK, "bulk_get_files", quirk="row_error")
    await lab.submit("file_delete", *({"file": file} for file in ("f1", "f2", "f3-fail")))
    await lab.clock.advance(60)
    with pytest.raises(Transient):
        await lab.poll()
    await lab.finish()
    assert list(lab.states().values()) == ["succeeded", "succeeded", "failed"]


async def test_a_job_that_has_ended_is_not_asked_about_again(make_lab):
    """Its rows say the same forever. Once its job is cancelled it is: what goes unreported then ends with the job."""
    lab = make_lab(result_order="shuffled")
    batch = await lab.submit("file_delete", *({"file": file} for file in ("f1", "f2", "f3-unknown", "f4-fail")))
    await lab.clock.advance(60)
    await lab.poll()
    ended = lab.batches[batch.key]
    assert sorted(lab.states().values()) == ["attention", "attention", "attention", "failed"]
    assert "`give-up` the item" in lab.item("f1").detail
    assert lab.platform.polls([ended]) == []
    (poll,) = lab.platform.polls([replace(ended, cancelled=True)])
    open_items = tuple(item for item in lab.of(ended) if not item.state.final)
    result = await lab.platform.poll(replace(poll, named=open_items))
    assert [report for report in result.observations if isinstance(report, ItemReport)] == []


async def test_a_file_that_an_earlier_request_deleted_is_deleted(lab):
    """The first request was done and its answer lost; the second finds no file. That is what was asked for."""
    lab.fault(FaultKind.RESET_AFTER, "create_delete_job")
    lost = await lab.lose(lab.plan("file_delete", {"file": "f1"}, {"file": "f2-fail"}))
    await lab.send(lost)
    await lab.finish()
    assert lab.states() == {"f1": "succeeded", "f2-fail": "failed"}
    assert lab.item("f1").detail == "the file is not there: an earlier request for this item removed it"
    await lab.submit("file_delete", {"file": "f3-unknown"}, job="first")
    await lab.finish()
    assert lab.item("f3-unknown").state == "failed"


async def test_files_that_got_another_name_are_matched_by_it(make_lab):
    """A name that is taken gets something before it: the row is still that of its item."""
    lab = make_lab(result_order="shuffled")
    files = [request("drs_import", f"f{number}") for number in range(4)]
    await lab.submit("drs_import", *files, job="before")
    await lab.finish()
    files.append(request("drs_import", "f5-fail"))
    await lab.submit("drs_import", *files, job="again", options={"conflict_resolution": "RENAME"})
    await lab.finish()
    again = [item.state.value for (job, _), item in lab.items.items() if job == "again"]
    assert sorted(again) == ["failed", *["succeeded"] * 4]


@pytest.mark.parametrize("setting", VERBS)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_lost_job_is_found_by_type_size_and_time(lab, setting, restarted):
    """An equal job of a person's, begun an hour before, and a smaller one begun since are others."""
    files = ["f1", "f2"]
    verb = VERBS[setting]
    items = [request(setting, file) for file in files]
    await lab.platform._session.ask(f"/async/files/{verb}", "by hand", {"items": items})
    await lab.clock.advance(3600)
    lab.fault(FaultKind.RESET_AFTER, f"create_{verb}_job")
    lost = await lab.lose(lab.plan(setting, *items))
    await lab.clock.advance(1)
    await lab.submit(setting, request(setting, "f9"), job="smaller")
    if restarted:
        lab.restart()
    found = await lab.platform.reconcile(lost)
    assert found.remote_id == list(lab.simulator._world.jobs)[1]
    lab.take(lost, found)
    await lab.finish()
    assert set(lab.states().values()) <= {"succeeded", "failed"}


async def test_one_of_two_equal_jobs_is_not_taken_for_ours(lab):
    """Both were begun since, and nothing tells them apart: neither is adopted, and a copy is not sent again."""
    lab.fault(FaultKind.QUIRK, "create_copy_job", quirk="made_twice")
    batch = lab.composed(lab.plan("file_copy", request("file_copy", "f1")))
    await lab.platform.submit(batch)
    lab.restart()
    assert (await lab.platform.reconcile(batch)).items == ()
    assert batch.submission.resend == "never"


async def test_a_job_that_another_batch_follows_is_not_found(lab):
    """Two batches of the same size were sent a moment apart: the answer to the second is known, the first was lost."""
    lab.fault(FaultKind.RESET, "create_move_job")
    lost = await lab.lose(lab.plan("file_move", {"file": "f1"}))
    await lab.submit("file_move", {"file": "f2"}, job="other")
    assert (await lab.platform.reconcile(lost)).items == ()
    lab.restart()
    await lab.poll()
    assert (await lab.platform.reconcile(lost)).items == ()


async def test_files_go_into_the_jobs_project_unless_an_item_says_otherwise(lab):
    """A copy without a destination would be refused."""
    await lab.submit("file_copy", {"file": "f1"}, {"file": "f2", "parent": "folder"})
    made = [(file.project, file.parent) for file in lab.simulator._world.files.values() if file.id not in {"f1", "f2"}]
    assert made == [("lab/cohort", None), ("", "folder")]


@pytest.mark.parametrize("order", ["sent", "shuffled"])
async def test_a_change_of_files_has_ended_when_it_is_answered(make_lab, order):
    """Nothing is polled; each row decides on its file, and what is left out of an item stays as it is."""
    lab = make_lab(result_order=order)
    changes = [{"file": f"f{number}", "metadata": {"sample_id": f"S{number}"}} for number in range(4)]
    batch = await lab.submit("file_update", *changes, {"file": "g-fail", "tags": ["x"]})
    assert (batch.open, list(lab.states().values())) == (0, ["succeeded"] * 4 + ["failed"])
    assert lab.item("g-fail").detail == "5014: The metadata are not valid."
    assert lab.simulator._world.files["f1"].metadata == {"sample_id": "S1"}
    assert lab.platform.polls([batch]) == []
    assert batch.submission.resend == "harmless"


@pytest.mark.parametrize(("setting", "kept"), [("file_update", True), ("drs_import", True), ("file_copy", False)])
async def test_a_harmless_repeat_is_harmless_for_an_hour(lab, setting, kept):
    """After that others may have changed what it would change: it is searched for first."""
    batch = lab.composed(lab.plan(setting, request(setting, "f1")))
    assert batch.submission.key_life == (HOUR if kept else None)


async def test_a_change_that_was_made_is_found_by_what_the_file_is_like(lab):
    """Values, tags and names that are as asked; null asks for a value that is not there."""
    made = {"file": "f1", "metadata": {"sample_id": "S1", "old": None}, "tags": ["a"], "name": "x.bam"}
    await lab.submit("file_update", made, job="before")
    others = [{"file": "f2", "tags": ["a"]}, {"file": "f3-unknown", "tags": ["a"]}]
    batch = lab.composed(lab.plan("file_update", made, *others))
    found = await lab.platform.reconcile(batch)
    assert [(report.key, report.state) for report in found.items] == [("f1", ItemState.SUCCEEDED)]
    lab.simulator._world.files["f1"].metadata["sample_id"] = "S9"
    assert (await lab.platform.reconcile(batch)).items == []


@pytest.mark.parametrize(("resolution", "resend"), [("SKIP", "harmless"), ("OVERWRITE", "never"), ("RENAME", "never")])
async def test_what_a_repeated_drs_import_would_do_follows_from_the_jobs_options(lab, resolution, resend):
    """Files that are there are skipped, or made again."""
    options = {"conflict_resolution": resolution, "tags": ["cohort"]}
    batch = lab.composed(lab.plan("drs_import", request("drs_import", "f1"), options=options))
    assert batch.submission.resend == resend
    await lab.platform.submit(batch)
    (file,) = lab.simulator._world.files.values()
    assert file.tags == ["cohort", f"orc-batch={batch.key}"]


async def test_lost_drs_imports_are_found_by_our_tag(lab):
    """Their files carry it once they are there; those that never came are not found."""
    options = {"conflict_resolution": "RENAME"}
    items = [request("drs_import", file) for file in ["f1", "f2-fail", "f3"]]
    await lab.submit("drs_import", *items, job="before")
    lab.fault(FaultKind.RESET_AFTER, "bulk_create_drs_imports")
    lost = await lab.lose(
        lab.plan("drs_import", *(item | {"name": f"n-{item['name']}"} for item in items), options=options)
    )
    await lab.clock.advance(60)
    found = await lab.platform.reconcile(lost)
    assert [(report.key, report.state) for report in found.items] == [
        ("drs://dg.org/f1", ItemState.SUCCEEDED),
        ("drs://dg.org/f3", ItemState.SUCCEEDED),
    ]


async def test_a_job_of_more_files_than_the_platform_takes_up_waits(make_lab):
    """That is its pace and no error: the job stays open, and its files with it."""
    lab = make_lab(drs_files=2)
    await lab.submit("drs_import", *(request("drs_import", f"f{number}") for number in range(4)))
    await lab.clock.advance(100)
    await lab.poll()
    assert set(lab.states().values()) == {"running"}
    await lab.finish(pause=30)
    assert set(lab.states().values()) == {"succeeded"}


@pytest.mark.parametrize("setting", [*VERBS, "file_update", "drs_import"])
async def test_work_on_files_cannot_be_stopped(lab, setting):
    """The platform has no call for it, so none is made."""
    batch = await lab.submit(setting, request(setting, "f1"))
    with pytest.raises(Refused):
        await lab.platform.abort(batch, replace(lab.of(batch)[0]))
