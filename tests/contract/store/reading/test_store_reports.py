"""What the platform said, and what the store makes of it."""

import pytest
import sqlalchemy as sa
from stages import Stage

from orchestrator.domain.identity import retry_lineage
from orchestrator.domain.model import (
    BatchKey,
    BatchReport,
    BatchState,
    ItemReport,
    ItemState,
    JobState,
    Learned,
    Needs,
    Receipt,
)


async def test_a_page_writes_what_changed(scene):
    """Status, id, detail and times of the items that the page tells; the others stay as they were."""
    await scene.add()
    batch = await scene.track()
    told = scene.seen(batch, 1, ItemState.SUCCEEDED, status="SUCCEEDED", finished_at=5, detail="fine")
    observed = await scene.apply_reports(told)
    first, second, *_ = await scene.items()
    assert (first.state, first.stage, first.status) == (ItemState.SUCCEEDED, Stage.ANALYSIS, "SUCCEEDED")
    assert (first.remote_id, first.detail, first.finished_at) == ("object-1", "fine", 5)
    assert second.state is ItemState.SUBMITTED
    assert (observed.changed, observed.matched) == (1, ((batch.job, 1),))
    after = await scene.store.batches.get(batch.id)
    assert (after.open, after.creating) == (1, 1)


async def test_a_page_told_again_writes_nothing(scene):
    """No event, no counter, no transaction for writing: an unchanged page leaves the writer alone."""
    await scene.add()
    batch = await scene.track()
    page = [scene.seen(batch, seq, ItemState.RUNNING) for seq in (1, 2)]
    await scene.apply_reports(*page)
    events = await scene.events()
    async with scene.store._database.write() as writer:  # held, so that a second writer would wait forever
        observed = await scene.apply_reports(*page)
        await writer.execute(sa.text("SELECT 1"))
    assert (observed.changed, len(observed.matched)) == (0, 2)
    assert await scene.events() == events


async def test_a_word_told_again_writes_nothing(scene):
    """The word about a batch whose items are still open comes with every look."""
    await scene.add()
    batch = await scene.track()
    word = BatchReport(batch.key, "RUNNING", final=False)
    await scene.apply_reports(word)
    async with scene.store._database.write():  # held: whoever would write fails
        assert (await scene.apply_reports(word)).changed == 0


async def test_only_changed_rows_are_written(scene):
    """Of a page of three, one changed item is one event."""
    await scene.add(items=3, batch_size=3)
    batch = await scene.track()
    await scene.apply_reports(*(scene.seen(batch, seq, ItemState.RUNNING) for seq in (1, 2, 3)))
    events = await scene.events()
    page = [scene.seen(batch, 1, ItemState.RUNNING), scene.seen(batch, 2, ItemState.SUCCEEDED)]
    observed = await scene.apply_reports(*page, scene.seen(batch, 3, ItemState.RUNNING))
    assert observed.changed == 1
    assert (await scene.events())[len(events) :] == [("item", 1, 2, "running", "succeeded")]


async def test_items_are_found_by_key_alone(scene):
    """A link is known by its data id, without a number."""
    await scene.add(kind="ica.data_linking")
    batch = await scene.track()
    observed = await scene.apply_reports(scene.seen(batch, 2, ItemState.SUCCEEDED, seq=None))
    assert observed.matched == ((batch.job, 2),)
    assert await scene.states() == ["submitted", "succeeded", "pending", "pending"]


async def test_items_far_apart_are_found(scene):
    """A page of a search names items from all over a job."""
    await scene.add(items=60, batch_size=60)
    batch = await scene.track()
    observed = await scene.apply_reports(*(scene.seen(batch, seq, ItemState.RUNNING) for seq in (1, 31, 60)))
    assert (observed.changed, [seq for _, seq in observed.matched]) == (3, [1, 31, 60])


async def test_one_page_may_tell_of_several_batches_and_jobs(scene):
    """Counters of each batch and job follow."""
    await scene.add("alpha")
    await scene.add("beta")
    tracked = await scene.track_all()
    await scene.apply_reports(
        *(scene.seen(batch, 1 if batch.number == 1 else 3, ItemState.RUNNING) for batch in tracked)
    )
    for name in ("alpha", "beta"):
        assert (await scene.job(name)).counts == {ItemState.RUNNING: 2, ItemState.SUBMITTED: 2}


async def test_two_words_about_one_item_in_one_page_are_taken_in_order(scene):
    """An item page tells the creation and the analysis embedded in it."""
    await scene.add()
    batch = await scene.track()
    creation = scene.seen(batch, 1, ItemState.SUBMITTED, stage=Stage.CREATION, status="SUCCEEDED", remote_id=None)
    observed = await scene.apply_reports(creation, scene.seen(batch, 1, ItemState.RUNNING))
    (item, *_) = await scene.items()
    assert (observed.changed, item.stage, item.state) == (1, Stage.ANALYSIS, ItemState.RUNNING)
    assert len([event for event in await scene.events() if event[0] == "item"]) == 1


async def test_a_word_against_an_outcome_is_told_and_not_applied(scene):
    """A final state is left by `retry` alone."""
    await scene.add()
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED))
    against = scene.seen(batch, 1, ItemState.FAILED)
    observed = await scene.apply_reports(against)
    assert (observed.changed, observed.contradictions) == (0, (against,))
    assert (await scene.items())[0].state is ItemState.SUCCEEDED


async def test_an_unknown_word_is_told_when_it_comes(scene):
    """It is kept as it came, and told once, not with every page."""
    await scene.add()
    batch = await scene.track()
    odd = scene.seen(batch, 1, ItemState.RUNNING, status="PONDERING", known_status=False)
    assert (await scene.apply_reports(odd)).unknown_statuses == ("PONDERING",)
    assert (await scene.apply_reports(odd)).unknown_statuses == ()
    assert (await scene.items())[0].status == "PONDERING"


async def test_strays_are_told_and_touch_nothing(scene):
    """A key that no row knows, a number that the job does not have, a number and a key that do not belong together."""
    await scene.add()
    batch = await scene.track()
    unknown_objects = [
        ItemReport(BatchKey("nobody's"), Stage.ANALYSIS, ItemState.RUNNING, "RUNNING", seq=1),
        scene.seen(batch, 99, ItemState.RUNNING),
        scene.seen(batch, 1, ItemState.RUNNING, key="k2"),
    ]
    observed = await scene.apply_reports(*unknown_objects)
    assert (observed.unknown_objects, observed.changed, observed.matched) == (tuple(unknown_objects), 0, ())


async def test_an_item_of_another_batch_is_a_stray(scene):
    """An item seen under a key that it was never sent under is not what the row says."""
    await scene.add()
    batch = await scene.track()
    observed = await scene.apply_reports(scene.seen(batch, 3, ItemState.RUNNING))
    assert len(observed.unknown_objects) == 1


async def test_what_an_earlier_attempt_left_behind_is_no_stray(scene, retry_twice):
    """The failed analysis of a retried item is still listed; a second living one under the old key is a stray."""
    await scene.add(items=1, retry=retry_twice)
    batch = await scene.track()
    await scene.end(batch, ItemState.FAILED)
    assert await scene.states() == ["pending"]
    assert (await scene.apply_reports(scene.seen(batch, 1, ItemState.FAILED))).unknown_objects == ()
    assert (
        len((await scene.apply_reports(scene.seen(batch, 1, ItemState.RUNNING, remote_id="second"))).unknown_objects)
        == 1
    )


async def test_a_batch_being_sent_is_not_changed_by_a_look(scene):
    """Its answer comes first: the items count as told, and stay pending."""
    await scene.add()
    begun = await scene.begin()
    observed = await scene.apply_reports(
        scene.seen(begun, 1, ItemState.RUNNING), BatchReport(begun.key, "RUNNING", final=False)
    )
    assert (observed.changed, observed.matched, observed.unknown_objects) == (0, ((begun.job, 1),), ())
    assert (await scene.items())[0].state is ItemState.PENDING


async def test_a_look_proves_items_of_an_unconfirmed_batch(scene):
    """What is seen exists, though the batch itself is confirmed by its own finding alone."""
    await scene.add()
    lost = await scene.lost()
    assert (await scene.apply_reports(scene.seen(lost, 1, ItemState.RUNNING))).changed == 1
    batch = await scene.store.batches.get(lost.id)
    assert (batch.state, batch.creating) == (BatchState.UNCONFIRMED, 1)
    assert (await scene.items())[0].submitted_at == scene.now
    confirmed = await scene.store.advance.confirm(batch, Receipt("R1"), now=scene.tick())
    assert await scene.states() == ["running", "submitted", "pending", "pending"]
    assert confirmed.batch.open == 2


# ---------------------------------------------------------------- when a batch settles


async def test_a_batch_waits_for_the_platforms_last_word(scene):
    """All items final is not enough, nor a word that came with them; the next one is, whatever it says."""
    await scene.add(items=1)
    batch = await scene.track()
    running = BatchReport(batch.key, "RUNNING", final=False)
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED), running)
    assert (await scene.store.batches.get(batch.id)).state is BatchState.TRACKING
    await scene.apply_reports(running)
    settled = await scene.store.batches.get(batch.id)
    assert (settled.state, settled.status, settled.settled_at) == (BatchState.SETTLED, "RUNNING", scene.now)


async def test_a_final_word_may_come_before_the_items(scene):
    """The batch settles with its last item then; an older word that comes late does not undo it."""
    await scene.add(items=1)
    batch = await scene.track()
    await scene.apply_reports(BatchReport(batch.key, "SUCCEEDED", final=True))
    await scene.apply_reports(BatchReport(batch.key, "RUNNING", final=False))
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED))
    settled = await scene.store.batches.get(batch.id)
    assert (settled.state, settled.status) == (BatchState.SETTLED, "SUCCEEDED")


async def test_no_word_at_all_is_a_last_word(scene):
    """A platform without a job for the batch will never say more."""
    await scene.add(items=1)
    batch = await scene.track()
    await scene.apply_reports(BatchReport(batch.key, None, final=True))
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED))
    settled = await scene.store.batches.get(batch.id)
    assert (settled.state, settled.status) == (BatchState.SETTLED, None)


async def test_a_batch_may_settle_without_a_word(scene):
    """After a failed look for it; said twice, it changes nothing."""
    await scene.add(items=1)
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED))
    moved = await scene.store.advance.settle_reported(batch, now=scene.tick())
    assert moved.batch.state is BatchState.SETTLED
    assert (await scene.store.advance.settle_reported(batch, now=scene.tick())).jobs == ()


@pytest.mark.parametrize(
    ("ends", "outcome"),
    [
        ((ItemState.SUCCEEDED, ItemState.SUCCEEDED), JobState.SUCCEEDED),
        ((ItemState.SUCCEEDED, ItemState.FAILED), JobState.PARTIAL),
        ((ItemState.PARTIAL, ItemState.FAILED), JobState.PARTIAL),
        ((ItemState.FAILED, ItemState.ABORTED), JobState.FAILED),
    ],
)
async def test_a_job_settles_with_its_last_batch(scene, ends, outcome):
    """Its outcome follows from its items; its result waits to be delivered, once."""
    await scene.add(items=2, batch_size=1)
    first, second = await scene.track_all()
    await scene.end(first, ends[0])
    assert (await scene.job()).state is JobState.RUNNING
    observed = await scene.end(second, ends[1])
    assert [(job.name, job.state) for job in observed.jobs] == [("alpha", outcome)]
    job = await scene.job()
    assert (job.state, job.settled_at, job.needs) == (outcome, scene.now, None)
    assert await scene.deliveries() == [("alpha", 1)]


async def test_items_that_wait_for_a_person_show_on_the_job(scene):
    """`attention` comes with the first and goes with the last."""
    await scene.add()
    batch = await scene.track()
    observed = await scene.apply_reports(scene.seen(batch, 1, ItemState.ATTENTION))
    assert [job.needs for job in observed.jobs] == [Needs.ATTENTION]
    assert "1 item" in (await scene.job()).detail
    await scene.apply_reports(scene.seen(batch, 1, ItemState.RUNNING))
    job = await scene.job()
    assert (job.needs, job.detail) == (None, None)


async def test_unlisted_items_wait_for_a_person(scene):
    """Those that spoke in the meantime are left alone; the platform's word ends the wait."""
    await scene.add()
    batch = await scene.track()
    first, second = (await scene.items())[:2]
    await scene.apply_reports(scene.seen(batch, 2, ItemState.RUNNING))
    assert await scene.store.advance.unlisted([first, second], "never listed", now=scene.tick()) == 1
    assert await scene.store.advance.unlisted([first, second], "never listed", now=scene.tick()) == 0
    assert (await scene.states())[:2] == ["attention", "running"]
    assert (await scene.job()).needs is Needs.ATTENTION
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED))
    assert (await scene.job()).needs is None


async def test_too_many_failures_stop_the_submission(scene):
    """At the number given nothing more goes out; what is out is looked at to its end."""
    await scene.add(items=6, stop_after_failed=2)
    first, second = await scene.track(), await scene.track()
    await scene.apply_reports(scene.seen(first, 1, ItemState.FAILED))
    assert (await scene.job()).needs is None
    observed = await scene.apply_reports(scene.seen(second, 3, ItemState.ABORTED))
    assert [job.needs for job in observed.jobs] == [Needs.STOPPED]
    assert "2 items failed" in (await scene.job()).detail
    assert await scene.next() is None
    assert (await scene.apply_reports(scene.seen(first, 2, ItemState.SUCCEEDED))).changed == 1


async def test_failures_do_not_stop_a_job_that_has_all_out(scene):
    """There is nothing left to hold back."""
    await scene.add(items=2, stop_after_failed=1)
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.FAILED))
    assert (await scene.job()).needs is None


async def test_a_failed_item_is_sent_once_more_under_a_new_key(scene, retry_twice):
    """When its batch settles: one more attempt, the old object remembered, and no third."""
    await scene.add(items=2, retry=retry_twice)
    batch = await scene.track()
    page = [scene.seen(batch, 1, ItemState.FAILED), scene.seen(batch, 2, ItemState.SUCCEEDED)]
    await scene.apply_reports(*page)
    await scene.apply_reports(BatchReport(batch.key, "PARTIALLY_SUCCEEDED", final=True))
    assert len(await scene.batches()) == 2
    item = (await scene.items())[0]
    assert (item.state, item.batch, item.attempts, item.previous_ids) == (ItemState.PENDING, 2, 2, ("object-1",))
    assert (item.status, item.remote_id, item.detail, item.finished_at, item.stage) == (
        None,
        None,
        None,
        None,
        Stage.CREATION,
    )
    assert (await scene.batch(2)).lineage == retry_lineage([(1, 2)])
    again = await scene.track()
    await scene.apply_reports(scene.seen(again, 1, ItemState.FAILED, remote_id="second"))
    await scene.apply_reports(BatchReport(again.key, "FAILED", final=True))
    assert (await scene.job()).state is JobState.PARTIAL
    assert (await scene.items())[0].previous_ids == ("object-1",)


async def test_other_words_are_not_retried(scene, retry_twice):
    """The policy names the words that are worth another attempt."""
    await scene.add(items=1, retry=retry_twice)
    await scene.end(await scene.track(), ItemState.ABORTED)
    assert (await scene.job()).state is JobState.FAILED


# ---------------------------------------------------------------- batches that were given up


async def test_the_platform_shows_a_blocked_batch_again(scene):
    """A batch that was gone and is back is tracked again, and nobody is asked any more."""
    await scene.add()
    batch = await scene.track()
    await scene.store.advance.block(batch, "gone for a day", now=scene.tick())
    assert (await scene.job()).needs is Needs.BLOCKED
    await scene.apply_reports(BatchReport(batch.key, "RUNNING", final=False))
    again = await scene.store.batches.get(batch.id)
    assert (again.state, again.detail, (await scene.job()).needs) == (BatchState.TRACKING, None, None)


async def test_analyses_alone_do_not_bring_a_blocked_batch_back(scene):
    """A search still lists analyses of a batch that is gone; they are kept up to date, and end it when all ended."""
    await scene.add(items=2)
    batch = await scene.track()
    await scene.store.advance.block(batch, "gone for a day", now=scene.tick())
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED))
    assert (await scene.store.batches.get(batch.id)).state is BatchState.BLOCKED
    await scene.apply_reports(scene.seen(batch, 2, ItemState.SUCCEEDED))
    assert (await scene.store.batches.get(batch.id)).state is BatchState.SETTLED
    assert (await scene.job()).state is JobState.SUCCEEDED


# ---------------------------------------------------------------- what was learned


async def test_what_was_learnt_is_kept_for_the_account(scene):
    """It is written when it is new, and again when it differs."""
    await scene.apply_reports(Learned("embedded", "live"))
    assert await scene.store.memory.recall("ica") == {"embedded": "live"}
    async with scene.store._database.write():  # held: nothing new, so nobody writes
        await scene.apply_reports(Learned("embedded", "live"))
    await scene.apply_reports(Learned("embedded", "snapshot"))
    assert await scene.store.memory.recall("ica") == {"embedded": "snapshot"}
    assert await scene.store.memory.recall("other") == {}


async def test_what_was_learnt_needs_an_account(scene):
    """The account is taken from the batches of the page; without any, it is a bug of the caller."""
    await scene.add()
    batch = await scene.track()
    page = [scene.seen(batch, 1, ItemState.RUNNING), Learned("embedded", "live")]
    await scene.store.advance.apply_reports(page, now=scene.tick())
    assert await scene.store.memory.recall("ica") == {"embedded": "live"}
    with pytest.raises(ValueError, match="no account is given"):
        await scene.store.advance.apply_reports([Learned("embedded", "live")], now=scene.tick())
