"""Work without a tag: which remote batch is taken for a lost one, and which is not."""

from dataclasses import replace

import pytest

from orchestrator.domain.errors import KeyConflict, Refused, Unconfirmed
from orchestrator.simulator import Fault, FaultKind

COPY, MOVE, UPDATE, SAMPLES = "ica.data_copy", "ica.data_move", "ica.data_update", "ica.sample_creation"
UNLINK, BUNDLE = "ica.data_unlinking", "ica.bundle_linking"
OPTIONS = {"copyUserTags": True, "copyTechnicalTags": False, "copyInstrumentInfo": False, "actionOnExist": "RENAME"}
COPIED = OPTIONS | {"destinationFolderId": "fol.1"}
MOVED = {"destinationFolderId": "fol.1"}
DATA = ["fil.1", "fil.2"]
HOUR = 3600.0


async def lose(it, kind, names=DATA, **given):
    """Send a batch whose answer is lost."""
    batch = it.plan(kind, names, **given)
    with pytest.raises(Unconfirmed):
        await it.ica.submit(batch)
    return batch


def losing(**knobs):
    """A bench that loses the answer to the call named `lost`, from the `nth` on."""
    return {"faults": [Fault(kind=FaultKind.RESET_AFTER, operation=knobs["lost"], nth=knobs.get("nth", 1))]}


LOST = [
    (COPY, COPIED, "createProjectDataCopyBatch"),
    (MOVE, MOVED, "createProjectDataMoveBatch"),
    (UPDATE, None, "createProjectDataUpdateBatch"),
    (UNLINK, None, "createProjectDataUnlinkingBatch"),
    (BUNDLE, None, "createBundleDataLinkingBatch"),
    (SAMPLES, None, "createSampleCreationBatch"),
]


@pytest.mark.parametrize(("kind", "options", "lost"), LOST)
@pytest.mark.parametrize("knobs", [{}, {"job_null": True}, {"page_order": "shuffled", "null_lists": True}], ids=str)
@pytest.mark.parametrize("waited", [0.0, 600.0])
async def test_a_lost_batch_is_found_with_all_its_items(*, bench, kind, options, lost, knobs, waited):
    """By what it does, among batches of other kinds and of other data, while it runs and when it has ended."""
    it = bench(page_size=2, **losing(lost=lost, nth=2), **knobs)
    await it.submit(kind, ["fil.9"], job="others", options=options)
    await it.submit("ica.data_linking", ["fil.1", "fil.2", "fil.3-fail"], job="links")
    batch = await lose(it, kind, ["fil.1", "fil.2", "fil.3-fail"], options=options)
    await it.clock.advance(waited)
    found = await it.ica.reconcile(batch)
    assert sorted(told.key for told in found.items) == ["fil.1", "fil.2", "fil.3-fail"]
    it.track(batch, found.remote_id)
    await it.watch()
    states = [str(item.state) for item in it.of(batch)]
    assert states == ["succeeded", "succeeded", "failed"]
    assert it.unknown_objects == it.contradictions == []


@pytest.mark.parametrize(
    ("kind", "options", "others", "lost"),
    [
        (COPY, COPIED, {"destinationFolderId": "fol.2"}, "createProjectDataCopyBatch"),
        (COPY, COPIED, {"actionOnExist": "SKIP"}, "createProjectDataCopyBatch"),
        (COPY, COPIED, {"copyTechnicalTags": True}, "createProjectDataCopyBatch"),
        (MOVE, MOVED, {"destinationFolderId": "fol.2"}, "createProjectDataMoveBatch"),
    ],
)
async def test_the_same_data_with_other_options_is_other_work(*, bench, kind, options, others, lost):
    """A batch of somebody's that began meanwhile is not taken for ours."""
    it = bench(faults=[Fault(kind=FaultKind.RESET, operation=lost, nth=1)])
    batch = await lose(it, kind, options=options)
    await it.ica.submit(it.plan(kind, DATA, job="theirs", options=options | others))
    it.ica._claimed.pop(next(iter(it.simulator._world.batches)))
    assert (await it.ica.reconcile(batch)).items == ()


async def test_the_same_data_with_another_change_is_other_work(bench):
    """An update shows what it changes, datum by datum."""
    it = bench(faults=[Fault(kind=FaultKind.RESET, operation="createProjectDataUpdateBatch", nth=1)])
    batch = await lose(it, UPDATE)
    theirs = it.plan(UPDATE, DATA, job="theirs")
    body = theirs.submission.body.replace(b'"seen"', b'"other"')
    await it.ica.submit(replace(theirs, submission=replace(theirs.submission, body=body)))
    it.ica._claimed.pop(next(iter(it.simulator._world.batches)))
    assert (await it.ica.reconcile(batch)).items == ()


@pytest.mark.parametrize(("kind", "options", "lost"), LOST[:3])
@pytest.mark.parametrize("before", [30.0, 120.0])
async def test_an_equal_batch_from_before_the_request_is_another(*, bench, kind, options, lost, before):
    """A minute is for the clocks; what is older is not ours, and of two that may be ours none is taken."""
    it = bench(**losing(lost=lost, nth=2))
    await it.ica.submit(it.plan(kind, DATA, job="theirs", options=options))
    theirs = next(iter(it.simulator._world.batches))
    it.ica._claimed.pop(theirs)
    await it.clock.advance(before)
    batch = await lose(it, kind, options=options)
    found = await it.ica.reconcile(batch)
    if before < 60.0:
        assert (found.remote_id, found.items) == (None, ())
    else:
        assert found.remote_id not in {None, theirs}


async def test_two_equal_batches_of_ours_are_kept_apart(bench):
    """One is known by its answer, so the other is the lost one."""
    it = bench(**losing(lost="createProjectDataMoveBatch", nth=2))
    known = await it.submit(MOVE, DATA, job="first", options=MOVED)
    lost = await lose(it, MOVE, job="second", options=MOVED)
    found = await it.ica.reconcile(lost)
    assert found.remote_id not in {None, known.remote_id}
    assert (await it.ica.reconcile(lost)).remote_id == found.remote_id


@pytest.mark.parametrize("kind", [MOVE, UPDATE])
async def test_work_that_may_not_be_repeated_costs_one_list_for_all_batches(bench, kind):
    """What an earlier database may have sent is looked up once, whether this process or an earlier one planned it."""
    it = bench()
    options = MOVED if kind == MOVE else None
    old = it.clock.now() - int(HOUR * 1_000_000)
    batches = [replace(it.plan(kind, [f"fil.{n}"], options=options), first_sent_at=None) for n in range(5)]
    for batch in batches:
        assert (await it.ica.reconcile(batch)).items == ()
        assert (await it.ica.reconcile(replace(batch, planned_at=old))).items == ()
    assert it.asked()["getJobs"] == 1


async def test_samples_without_a_batch_are_found_by_their_tags(bench):
    """Where the list of jobs does not show their batch: a sample that exists has succeeded."""
    it = bench(**losing(lost="createSampleCreationBatch"))
    lost = await lose(it, SAMPLES, ["s1", "s2-partial", "s3-fail"])
    await it.clock.advance(600)
    it.simulator._world.jobs.clear()
    found = await it.ica.reconcile(lost)
    assert (found.remote_id, found.final) == (None, True)
    assert [(told.key, told.seq, str(told.state)) for told in found.items] == [
        ("s1", 1, "succeeded"),
        ("s2-partial", 2, "succeeded"),
    ]
    assert await it.ica.knows_instance(lost.project)


async def test_another_body_under_the_key_of_samples_must_be_found_out(bench):
    """422, as for analyses: something was created under that key."""
    it = bench()
    batch = it.plan(SAMPLES, ["s1"])
    await it.ica.submit(batch)
    body = batch.submission.body.replace(b"s1", b"s9")
    with pytest.raises(KeyConflict):
        await it.ica.submit(replace(batch, submission=replace(batch.submission, body=body)))


@pytest.mark.parametrize(("kind", "options", "lost"), LOST)
async def test_nothing_but_an_analysis_can_be_stopped(*, bench, kind, options, lost):
    """ICA has no call for it."""
    it = bench()
    batch = await it.submit(kind, DATA, options=options)
    assert it.asked()[lost] == 1
    with pytest.raises(Refused):
        await it.ica.abort(batch, it.of(batch)[0])
