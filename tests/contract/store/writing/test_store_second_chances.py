"""What people ask for when something has ended badly: retry and adopt."""

import pytest

from orchestrator.domain.identity import retry_lineage
from orchestrator.domain.model import BatchReport, BatchState, ItemState, JobState, Needs, Receipt
from orchestrator.platforms.registry import KINDS
from orchestrator.store.errors import ControlRefusedError

# ---------------------------------------------------------------- retry


async def test_retry_reopens_a_settled_job(scene):
    """What did not succeed goes out again in a new round; what did stays, and the result comes again."""
    await scene.add(items=4)
    first, second = await scene.track_all()
    await scene.end(first)
    await scene.apply_reports(scene.seen(second, 3, ItemState.FAILED), scene.seen(second, 4, ItemState.ABORTED))
    await scene.apply_reports(BatchReport(second.key, "FAILED", final=True))
    (entry,) = await scene.store.outbox.due(scene.now)
    await scene.store.outbox.done(entry)
    done = await scene.store.advance.retry("alpha", now=scene.tick())
    job = await scene.job()
    assert (done.items, job.state, job.round, job.settled_at) == (2, JobState.QUEUED, 2, None)
    assert await scene.states() == ["succeeded", "succeeded", "pending", "pending"]
    new = await scene.batch(3)
    assert (new.lineage, new.items, new.root) == (retry_lineage([(3, 2), (4, 2)]), 2, 3)
    await scene.finish()
    job = await scene.job()
    assert (job.state, job.counts) == (JobState.SUCCEEDED, {ItemState.SUCCEEDED: 4})
    assert await scene.deliveries() == [("alpha", 2)]
    item = (await scene.items())[2]
    assert (item.attempts, item.previous_ids, item.remote_id) == (2, ("object-3",), "object-3")


async def test_a_result_not_delivered_yet_is_withdrawn(scene):
    """The result of a job that goes on would be a wrong one; the next round brings its own."""
    await scene.add(items=1)
    await scene.finish(state=ItemState.FAILED)
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert await scene.store.outbox.due(scene.now) == []
    await scene.finish()
    assert await scene.deliveries() == [("alpha", 2)]


async def test_retry_takes_named_items_or_a_state(scene):
    """Keys go before states; what has succeeded is never sent again, and who names it is told so."""
    await scene.add(items=4, batch_size=4)
    batch = await scene.track()
    ends = [ItemState.SUCCEEDED, ItemState.FAILED, ItemState.ABORTED, ItemState.FAILED]
    await scene.apply_reports(*(scene.seen(batch, seq, state) for seq, state in enumerate(ends, 1)))
    await scene.apply_reports(BatchReport(batch.key, "X", final=True))
    await scene.store.advance.retry("alpha", now=scene.tick(), state=ItemState.ABORTED)
    assert await scene.states() == ["succeeded", "failed", "pending", "failed"]
    with pytest.raises(ControlRefusedError, match="k1 succeeded: to do it again"):
        await scene.store.advance.retry("alpha", now=scene.tick(), keys=["k1", "k4"])
    await scene.store.advance.retry("alpha", now=scene.tick(), keys=["k4"])
    assert await scene.states() == ["succeeded", "failed", "pending", "pending"]
    assert (await scene.job()).round == 2
    nothing = await scene.store.advance.retry("alpha", now=scene.tick(), state=ItemState.SUCCEEDED)
    assert (nothing.items, nothing.jobs) == (0, ())


async def test_retry_with_an_unknown_key_changes_nothing(scene):
    """The mistake is told with the key."""
    await scene.add(items=1)
    await scene.finish(state=ItemState.FAILED)
    with pytest.raises(ControlRefusedError, match="k9"):
        await scene.store.advance.retry("alpha", now=scene.tick(), keys=["k1", "k9"], token="t")
    assert (await scene.job()).state is JobState.FAILED
    assert (await scene.store.advance.retry("alpha", now=scene.tick(), keys=["k1"], token="t")).items == 1


async def test_retry_with_nothing_to_do_changes_nothing(scene):
    """A job that succeeded is not re-opened."""
    await scene.add(items=1)
    await scene.finish()
    assert (await scene.store.advance.retry("alpha", now=scene.tick())).jobs == ()
    assert (await scene.job()).round == 1


async def test_retry_of_a_cancelled_job_sends_it_after_all(scene):
    """Items that were never sent keep their attempts; while it still winds down, the wish is refused."""
    await scene.add()
    batch = await scene.track()
    await scene.store.advance.cancel("alpha", now=scene.tick())
    with pytest.raises(ControlRefusedError, match="being cancelled"):
        await scene.store.advance.retry("alpha", now=scene.tick())
    await scene.end(batch, ItemState.ABORTED)
    await scene.store.advance.retry("alpha", now=scene.tick())
    job = await scene.job()
    assert (job.state, job.cancelled_at) == (JobState.QUEUED, None)
    assert [item.attempts for item in await scene.items()] == [2, 2, 1, 1]
    assert (await scene.finish()).state is JobState.SUCCEEDED


async def test_retry_sends_a_large_job_in_batches_of_its_size(scene):
    """Nine items in batches of two are five batches."""
    await scene.add(items=9)
    await scene.store.advance.cancel("alpha", now=scene.tick())
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert [each.items for each in await scene.batches() if each.state is BatchState.PLANNED] == [2, 2, 2, 2, 1]


async def test_retry_of_a_blocked_batch_renews_it(scene):
    """Refused as a whole: the same items go out under a new key."""
    await scene.add(items=2)
    blocked = await scene.blocked()
    done = await scene.store.advance.retry("alpha", now=scene.tick())
    batch = await scene.batch(1)
    assert (done.batches, batch.state, batch.attempt) == (1, BatchState.PLANNED, 1)
    assert batch.key != blocked.key
    assert ((await scene.job()).needs, (await scene.job()).round) == (None, 1)


async def test_retry_of_a_batch_that_is_gone_looks_for_it_first(scene):
    """It was there once, so it is not sent again before it was looked for; what ended is left alone."""
    await scene.add(items=3, batch_size=3)
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED), scene.seen(batch, 2, ItemState.RUNNING))
    await scene.store.advance.block(batch, "gone for a day", now=scene.tick())
    await scene.store.advance.retry("alpha", now=scene.tick())
    lost = await scene.batch(1)
    assert (lost.state, lost.in_doubt, lost.key_void) == (BatchState.UNCONFIRMED, True, True)
    assert await scene.states() == ["succeeded", "running", "pending"]
    await scene.store.advance.confirm_partly(lost, Receipt(items=[]), now=scene.tick())
    assert [(each.number, each.state, each.items) for each in await scene.batches()] == [
        (1, BatchState.TRACKING, 2),
        (2, BatchState.PLANNED, 1),
    ]


async def test_retry_of_a_batch_that_is_gone_and_was_not_found_sends_it_again(scene):
    """Nothing of it was ever shown, and two searches found nothing: it goes out under another key."""
    await scene.add(items=2)
    batch = await scene.track()
    await scene.store.advance.block(batch, "gone for a day", now=scene.tick())
    await scene.store.advance.retry("alpha", now=scene.tick())
    await scene.store.advance.renew(await scene.batch(1), now=scene.tick())
    again = await scene.batch(1)
    assert (again.state, again.attempt, again.remote_id, again.key != batch.key) == (BatchState.PLANNED, 1, None, True)
    assert await scene.states() == ["pending", "pending"]


async def test_retry_of_links_that_are_gone_leaves_what_ended(scene):
    """Links may be made twice: of a tracked batch that was given up, those without an outcome go out again."""
    await scene.add(items=2, kind="ica.data_linking")
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED))
    await scene.store.advance.block(batch, "gone for a day", now=scene.tick())
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert await scene.states() == ["succeeded", "pending"]
    assert [(each.number, each.state, each.items) for each in await scene.batches()] == [
        (1, BatchState.SETTLED, 1),
        (2, BatchState.PLANNED, 1),
    ]
    assert (await scene.items())[1].attempts == 2


async def test_what_was_found_of_a_blocked_batch_is_followed_and_the_rest_sent(scene):
    """A search found one of two, then nothing more could be found out: `retry` sends the other one only."""
    await scene.add(items=2)
    lost = await scene.lost()
    found = [scene.seen(lost, 1, ItemState.RUNNING)]
    await scene.store.advance.searched(lost, due_at=scene.now, now=scene.tick(), items=found)
    await scene.store.advance.block(await scene.batch(1), "403 for a day", now=scene.tick())
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert await scene.states() == ["running", "pending"]
    assert [(each.number, each.state, each.items) for each in await scene.batches()] == [
        (1, BatchState.TRACKING, 1),
        (2, BatchState.PLANNED, 1),
    ]


async def test_cancelling_a_blocked_batch_stops_what_is_known_to_run(scene):
    """What has an id is stopped on the platform; of the rest the result says that it may be there."""
    await scene.add(items=3, batch_size=3)
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.SUCCEEDED), scene.seen(batch, 2, ItemState.RUNNING))
    await scene.store.advance.block(batch, "gone for a day", now=scene.tick())
    await scene.store.advance.cancel("alpha", now=scene.tick())
    assert await scene.states() == ["succeeded", "running", "aborted"]
    ((told, item),) = await scene.store.items.to_abort("ica", KINDS, limit=10)
    assert (told.id, item.seq, (await scene.job()).needs) == (batch.id, 2, None)
    await scene.store.advance.block(await scene.batch(1), "gone for another day", now=scene.tick())
    assert await scene.states() == ["succeeded", "aborted", "aborted"]
    assert (await scene.job()).state is JobState.CANCELLED


@pytest.mark.parametrize("scope", [{"account": "ica"}, {}], ids=["account", "all"])
async def test_what_is_paused_holds_back_a_job_that_is_opened_again(scene, scope):
    """Also the one that was skipped because of it."""
    await scene.add("alpha", items=1)
    await scene.add_waiting("beta", "alpha")
    await scene.finish(state=ItemState.FAILED)
    await scene.store.advance.pause(now=scene.tick(), **scope)
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert await scene.next() is None
    assert [(await scene.job(name)).needs for name in ("alpha", "beta")] == [Needs.PAUSED, Needs.PAUSED]
    await scene.store.advance.resume(now=scene.tick(), **scope)
    assert (await scene.finish("beta")).state is JobState.SUCCEEDED


async def test_what_was_found_of_a_cancelled_batch_is_stopped_though_the_rest_cannot_be_found_out(scene):
    """A search found one of two before it was refused for good: that one is stopped and followed to its end."""
    await scene.add(items=2)
    lost = await scene.lost()
    await scene.store.advance.cancel("alpha", now=scene.tick())
    found = [scene.seen(lost, 1, ItemState.RUNNING)]
    await scene.store.advance.searched(lost, due_at=scene.now, now=scene.tick(), items=found)
    await scene.store.advance.block(await scene.batch(1), "403 for an hour", now=scene.tick())
    assert await scene.states() == ["running", "aborted"]
    assert [item.seq for _, item in await scene.store.items.to_abort("ica", KINDS, limit=10)] == [1]
    await scene.end(await scene.batch(1), ItemState.ABORTED, None)
    assert (await scene.job()).state is JobState.CANCELLED


async def test_retry_takes_any_number_of_names(scene):
    """In the order of the items, however they are named; a name given twice counts once."""
    await scene.add(items=2500, batch_size=1000)
    await scene.store.advance.cancel("alpha", now=scene.tick())
    keys = [f"k{number}" for number in range(2500, 0, -1)]
    done = await scene.store.advance.retry("alpha", now=scene.tick(), keys=[*keys, "k1"])
    again = [batch for batch in await scene.batches() if batch.state is BatchState.PLANNED]
    assert (done.items, [batch.items for batch in again]) == (2500, [1000, 1000, 500])
    assert [item.seq for item in await scene.store.items.of_batch(again[2])] == list(range(2001, 2501))


async def test_skipped_jobs_wait_again(scene):
    """Down the line; the one that another failure skipped stays skipped."""
    await scene.add("alpha", items=1)
    await scene.add("other", items=1)
    await scene.add_waiting("beta", "alpha")
    await scene.add_waiting("gamma", "beta")
    await scene.add_waiting("delta", "alpha", "other")
    await scene.finish(state=ItemState.FAILED)
    await scene.store.advance.retry("alpha", now=scene.tick())
    states = {job.spec.name: (str(job.state), job.round) for job in await scene.store.jobs.list()}
    assert states == {
        "alpha": ("queued", 2),
        "other": ("failed", 1),
        "beta": ("waiting", 2),
        "gamma": ("waiting", 2),
        "delta": ("skipped", 1),
    }
    await scene.finish()
    assert (await scene.job("gamma")).state is JobState.SUCCEEDED


async def test_a_person_may_start_a_skipped_job(scene):
    """What it waited for failed, and it is wanted all the same."""
    await scene.add("alpha", items=1)
    await scene.add_waiting("beta", "alpha")
    await scene.finish(state=ItemState.FAILED)
    await scene.store.advance.retry("beta", now=scene.tick())
    assert (await scene.job("beta")).state is JobState.QUEUED
    assert (await scene.finish("beta")).state is JobState.SUCCEEDED


async def test_retry_undoes_a_stop(scene):
    """A person who retries the failures wants the job to go on."""
    await scene.add(items=4, stop_after_failed=1)
    batch = await scene.track()
    await scene.end(batch, ItemState.FAILED)
    assert (await scene.job()).needs is Needs.STOPPED
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert ((await scene.job()).needs, (await scene.job()).counts) == (None, {ItemState.PENDING: 4})


# ---------------------------------------------------------------- adopt


@pytest.mark.parametrize("block", [False, True])
async def test_a_person_tells_what_a_lost_batch_became(scene, block):
    """It is looked at from then on, and no longer in doubt."""
    await scene.add(items=2)
    lost = await scene.lost()
    if block:
        await scene.store.advance.block(lost, "not found", now=scene.tick())
    done = await scene.store.advance.adopt("alpha", 1, "R7", now=scene.tick())
    batch = await scene.batch(1)
    assert (done.batches, batch.state, batch.remote_id, batch.in_doubt) == (1, BatchState.TRACKING, "R7", False)
    assert ((await scene.job()).needs, await scene.states()) == (None, ["submitted", "submitted"])


async def test_adopt_is_refused_where_it_makes_no_sense(scene):
    """An unknown batch, one that is fine, and a remote batch that another one is already."""
    await scene.add()
    tracked = await scene.track()
    await scene.lost()
    for number, remote_id, reason in ((9, "R9", "no batch"), (1, "R9", "only a blocked"), (2, "remote-1", "already")):
        with pytest.raises(ControlRefusedError, match=reason):
            await scene.store.advance.adopt("alpha", number, remote_id, now=scene.tick())
    assert await scene.store.batches.get(tracked.id) == tracked
