"""Imports and exports of the adapter against the simulated Seven Bridges: rows with ids or errors of their own."""

import json
from dataclasses import replace

import pytest

from orchestrator.domain.errors import Refused, Transient, Unconfirmed
from orchestrator.domain.model import BatchState, ItemState
from orchestrator.domain.units import HOUR
from orchestrator.simulator import FaultKind
from orchestrator.simulator.sevenbridges.api.imports import Imports
from orchestrator.simulator.sevenbridges.protocol.errors import Refusal

VOLUME = "lab/bucket"


def imported(location, **more):
    return {"source": {"volume": VOLUME, "location": location}} | more


def exported(file, location):
    return {"source": {"file": file}, "destination": {"volume": VOLUME, "location": location}}


WORK = {
    "import": lambda name: imported(f"run/{name}.bam"),
    "export": lambda name: exported(name, f"run/{name}.bam"),
}


@pytest.mark.parametrize("setting", WORK)
@pytest.mark.parametrize("order", ["sent", "shuffled"])
async def test_each_item_has_an_id_or_an_error_of_its_own(make_lab, setting, order):
    """One refused and one that fails later cost no other; rows in another order change nothing."""
    lab = make_lab(result_order=order)
    names = ["f1", "f2-bad", "f3-fail", "f4", "f5-odd"]
    batch = await lab.submit(setting, *(WORK[setting](name) for name in names))
    assert batch.status_final
    refused = lab.item("run/f2-bad.bam")
    assert (refused.state, refused.status, refused.remote_id) == ("failed", None, None)
    assert refused.detail == "9000: run/f2-bad.bam is not valid."
    await lab.finish()
    assert list(lab.states().values()) == ["succeeded", "failed", "failed", "succeeded", "succeeded"]
    assert lab.item("run/f3-fail.bam").detail.startswith("9105: ")
    assert set(lab.made(setting).values()) == {1}
    assert lab.contradictions == lab.unknown_objects == []


async def test_an_import_goes_into_the_jobs_project_and_says_what_it_made(lab):
    """The id of the new file is among the facts: a later job may name it."""
    await lab.submit("import", imported("run/f1.bam"))
    await lab.finish()
    (made,) = [transfer.file for transfer in lab.simulator._world.transfers.values()]
    assert made.project == "lab/cohort"
    assert json.loads(lab.item("run/f1.bam").facts) == {"file": made.id, "name": "f1.bam"}


@pytest.mark.parametrize("setting", WORK)
async def test_what_a_row_leaves_open_is_left_out_of_the_receipt(lab, setting):
    """One row is a 503 of its own and one is missing: both may be sent again, so neither is reported."""
    batch = lab.composed(lab.plan(setting, *(WORK[setting](f"f{number}") for number in range(5))))
    lab.fault(FaultKind.QUIRK, f"bulk_create_{setting}s", quirk="row_error")
    receipt = await lab.platform.submit(batch)
    assert [report.key for report in receipt.items] == [f"run/f{number}.bam" for number in (0, 1, 3, 4)]
    assert all(report.state is ItemState.SUBMITTED for report in receipt.items)


@pytest.mark.parametrize("setting", WORK)
@pytest.mark.parametrize("knobs", [{}, {"pages_shift": True}, {"result_order": "shuffled"}])
async def test_lost_transfers_are_found_in_the_users_list(make_lab, setting, knobs):
    """By content and time, on several pages and by another process; what another one made an hour before is not."""
    lab = make_lab(page_size=20, **knobs)
    names = [f"f{number}" for number in range(30)]
    await lab.submit(setting, *(WORK[setting](name) for name in names), job="before")
    await lab.clock.advance(3600)
    lab.fault(FaultKind.RESET_AFTER, f"bulk_create_{setting}s")
    lost = await lab.lose(lab.plan(setting, *(WORK[setting](f"{name}-new") for name in names), WORK[setting]("f0")))
    lab.restart()
    found = await lab.platform.reconcile(lost)
    ids = {transfer.id for transfer in list(lab.simulator._world.transfers.values())[30:]}
    assert {report.remote_id for report in found.items} == ids
    assert len(found.items) == 31


async def test_transfers_that_were_never_begun_are_not_found(lab):
    """An equal import that somebody made an hour before is none of ours."""
    await lab.submit("import", imported("run/f1.bam"), job="before")
    await lab.clock.advance(3600)
    lab.fault(FaultKind.RESET, "bulk_create_imports")
    lost = await lab.lose(lab.plan("import", imported("run/f1.bam")))
    assert (await lab.platform.reconcile(lost)).items == []


async def test_after_a_restored_backup_an_import_is_found_before_it_is_sent(lab):
    """It was planned before this process began, so its first send may not be the first."""
    planned = lab.plan("import", imported("run/f1.bam"))
    await lab.clock.advance(60)
    await lab.submit("import", imported("run/f2.bam"), job="other")
    await lab.send(planned)
    await lab.clock.advance(60)
    lab.restart()
    again = replace(planned, submission=lab.platform.compose(planned, lab.of(planned)))
    assert [report.key for report in (await lab.platform.reconcile(again)).items] == ["run/f1.bam"]
    before = lab.calls("list_imports")
    later = lab.plan("import", imported("run/f1.bam"), job="planned later")
    later = replace(later, submission=lab.platform.compose(later, lab.of(later)))
    assert ((await lab.platform.reconcile(later)).items, lab.calls("list_imports")) == ((), before)


async def test_a_repeat_that_finds_its_file_there_ends_as_the_first_one_did(lab):
    """A gateway sent the import twice, and we followed the second: 9108 starts a search, and is not the answer."""
    first = await lab.submit("import", imported("run/f1.bam"), job="first")
    repeat = replace(lab.plan("import", imported("run/f1.bam")), attempt=1)
    await lab.send(repeat)
    await lab.finish()
    item, original = lab.items["run", 1], lab.items["first", 1]
    assert (item.state, original.state) == (ItemState.SUCCEEDED, ItemState.SUCCEEDED)
    assert item.remote_id != original.remote_id
    assert original.remote_id in item.detail
    assert first.status_final


async def test_a_file_that_came_from_elsewhere_fails_an_import(lab):
    """No import of the user's brought it from this location: the platform's text is the answer."""
    await lab.submit("import", imported("other/f1.bam"), job="somebody")
    await lab.finish()
    await lab.submit("import", imported("run/f1.bam"))
    await lab.finish()
    assert lab.items["run", 1].state is ItemState.FAILED
    assert lab.items["run", 1].detail == "9108: f1.bam exists already."


async def test_a_file_that_a_forgotten_import_put_there_is_found(lab):
    """The records of it were lost, and its file was dropped again: 9108 starts a search, and is not the answer."""
    files = [imported(f"run/f{number}.bam") for number in range(3)]
    await lab.submit("import", *files, job="forgotten")
    await lab.finish()
    lab.restart()
    await lab.clock.advance(1)
    await lab.submit("import", *files)
    await lab.finish()
    for number in (1, 2, 3):
        item, original = lab.items["run", number], lab.items["forgotten", number]
        assert item.state is ItemState.SUCCEEDED
        assert original.remote_id in item.detail
    assert lab.calls("list_imports") == 1


async def test_a_forgotten_import_that_is_still_under_way_is_followed_to_its_end(make_lab):
    """The list of what was begun before is read once; what had not ended by then is asked for again."""
    lab = make_lab(transfer_seconds=100.0, jitter=0.0)
    await lab.submit("import", imported("run/f1.bam"), job="forgotten")
    await lab.clock.advance(1)
    lab.restart()
    await lab.clock.advance(1)
    lab.simulator.change_knobs({"transfer_seconds": 2.0})
    await lab.submit("import", imported("run/f1.bam"))
    await lab.clock.advance(5)
    await lab.poll()
    assert not lab.items["run", 1].state.final
    await lab.clock.advance(120)
    await lab.poll()
    assert lab.items["run", 1].state is ItemState.SUCCEEDED


async def test_a_file_that_another_job_of_this_process_imported_fails_an_import(lab):
    """The records know the other one: nothing was lost, and the platform's text is the answer."""
    await lab.submit("import", imported("run/f1.bam"), job="other")
    await lab.finish()
    await lab.submit("import", imported("run/f1.bam"))
    await lab.finish()
    assert (lab.items["run", 1].state, lab.items["run", 1].detail) == (ItemState.FAILED, "9108: f1.bam exists already.")


@pytest.mark.parametrize("there", [True, False])
async def test_a_lost_import_that_failed_as_its_file_was_there_starts_a_search(lab, there):
    """What a search for the lost answer finds is not the end of it either: 9108 is never the answer."""
    await lab.submit("import", imported("run/f1.bam" if there else "other/f1.bam"), job="forgotten")
    await lab.finish()
    lab.restart()
    await lab.clock.advance(2 * HOUR / 1_000_000)
    lab.fault(FaultKind.RESET_AFTER, "bulk_create_imports", count=1)
    lost = await lab.lose(lab.plan("import", imported("run/f1.bam")))
    await lab.clock.advance(600)
    found = await lab.platform.reconcile(lost)
    assert [report.state.final for report in found.items] == [False]
    lab.take(lost, found)
    await lab.finish()
    item = lab.items["run", 1]
    if there:
        assert (item.state, item.detail.partition(" by ")[0]) == (ItemState.SUCCEEDED, "done")
    else:
        assert (item.state, item.detail) == (ItemState.FAILED, "9108: f1.bam exists already.")


@pytest.mark.parametrize("there", [True, False])
async def test_a_refusal_in_the_answer_because_the_file_is_there_starts_a_search(lab, monkeypatch, there):
    """What brought it is what became of the item; where nothing did, the refusal is."""
    if there:
        await lab.submit("import", imported("run/f1.bam"), job="before")
    await lab.clock.advance(1)
    lab.restart()
    begun = len(lab.simulator._world.transfers)

    def refuse(*_):
        raise Refusal(400, "f1.bam exists already.", 9108)

    monkeypatch.setattr(Imports, "start", refuse)
    await lab.submit("import", imported("run/f1.bam"))
    await lab.finish()
    item = lab.items["run", 1]
    assert len(lab.simulator._world.transfers) == begun
    if there:
        assert (item.state, item.remote_id) == (ItemState.SUCCEEDED, lab.items["before", 1].remote_id)
    else:
        assert (item.state, item.detail) == (ItemState.FAILED, "9108: f1.bam exists already.")


async def test_a_search_that_fails_leaves_what_was_refused_to_be_sent_again(lab, monkeypatch):
    """Others of the call were accepted: it has not failed, whatever becomes of the search."""
    start = Imports.start

    def refuse_some(self, item, source, destination, asked):
        if source["location"] == "run/taken":
            raise Refusal(400, "taken exists already.", 9108)
        return start(self, item, source, destination, asked)

    monkeypatch.setattr(Imports, "start", refuse_some)
    lab.fault(FaultKind.ERROR, "list_imports", status=403)
    batch = lab.composed(lab.plan("import", imported("run/f1"), imported("run/taken")))
    assert [report.key for report in (await lab.platform.submit(batch)).items] == ["run/f1"]


async def test_copy_only_of_a_job_leaves_the_files_where_they_are(lab):
    """It is an option of the whole call; without it the files become aliases."""
    await lab.submit("export", exported("f1", "a"), options={"copy_only": True})
    await lab.submit("export", exported("f2", "b"), job="moving")
    await lab.finish()
    assert (lab.simulator._world.files["f1"].exported, lab.simulator._world.files["f2"].exported) == (False, True)


async def test_a_sweep_of_transfers_costs_one_request_for_a_hundred(lab):
    """250 imports in batches of 50 are three requests."""
    for number in range(5):
        await lab.submit("import", *(imported(f"run/{number}/f{row}") for row in range(50)))
    await lab.poll()
    assert lab.calls("bulk_get_imports") == 3


async def test_a_transfer_cannot_be_stopped(lab):
    """The platform has no call for it, so none is made."""
    batch = await lab.submit("import", imported("run/f1.bam"))
    with pytest.raises(Refused):
        await lab.platform.abort(batch, lab.item("run/f1.bam"))


async def test_an_import_that_renames_itself_is_never_repeated(lab):
    """A second one would be made beside the first, under a name that nobody asked for."""
    plain = lab.composed(lab.plan("import", imported("a")))
    renaming = lab.composed(lab.plan("import", imported("b"), imported("c", autorename=True)))
    assert (plain.submission.resend, renaming.submission.resend) == ("find_first", "never")
    assert plain.state is BatchState.PLANNED
    assert plain.submission.search_delay == HOUR


@pytest.mark.parametrize("quirk", ["row_vanishes", "row_error"])
async def test_an_import_that_renames_itself_is_not_repeated_for_a_missing_row(lab, quirk):
    """Without its row it may have begun, so the whole call has to be found out; an error row says that it did not."""
    batch = lab.composed(lab.plan("import", *(imported(f"run/f{n}.bam", autorename=True) for n in range(4))))
    lab.fault(FaultKind.QUIRK, "bulk_create_imports", quirk=quirk)
    if quirk == "row_error":
        assert len((await lab.platform.submit(batch)).items) == 3
        return
    with pytest.raises(Unconfirmed, match="1 of 4 items have no readable row"):
        await lab.platform.submit(batch)


@pytest.mark.parametrize("setting", ["import", "file_update"])
async def test_items_that_are_all_declined_for_the_moment_are_sent_again(lab, setting):
    """Nothing was done for any of them: the whole batch goes back, and none is taken as accepted."""
    requests = {"import": imported("run/f1-busy"), "file_update": {"file": "f1-busy", "tags": ["x"]}}
    batch = lab.composed(lab.plan(setting, requests[setting]))
    with pytest.raises(Transient):
        await lab.platform.submit(batch)


async def test_an_answer_without_rows_has_to_be_found_out(lab):
    """The imports may have begun."""
    batch = lab.composed(lab.plan("import", imported("run/f1")))
    lab.fault(FaultKind.QUIRK, "bulk_create_imports", quirk="row_vanishes")
    with pytest.raises(Unconfirmed):
        await lab.platform.submit(batch)
    assert len((await lab.platform.reconcile(batch)).items) == 1
