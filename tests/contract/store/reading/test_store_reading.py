"""Questions to the store, deliveries, memory, pruning."""

from collections import Counter

import pytest
from stages import Stage

from orchestrator.domain.model import BatchReport, BatchState, ItemState, JobId, JobState, Needs
from orchestrator.store.errors import ControlRefusedError, InstanceError, StoreError


async def test_items_come_in_chunks_of_a_thousand(scene):
    """In order, with their table rows, and with their requests when asked."""
    job = await scene.add(items=2500, batch_size=1000)
    chunks = [chunk async for chunk in scene.store.items.stream(job.id)]
    assert [len(chunk) for chunk in chunks] == [1000, 1000, 500]
    assert [item.seq for chunk in chunks for item in chunk] == list(range(1, 2501))
    assert (chunks[0][0].row, chunks[0][0].request) == (b'{"n":"1"}', None)
    async for chunk in scene.store.items.stream(job.id, with_request=True):
        assert chunk[0].request == b'{"n":%d}' % chunk[0].seq


async def test_items_of_one_state(scene):
    """Only those are streamed."""
    job = await scene.add()
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 2, ItemState.FAILED))
    chunks = [chunk async for chunk in scene.store.items.stream(job.id, ItemState.FAILED)]
    assert [[item.seq for item in chunk] for chunk in chunks] == [[2]]


async def test_items_of_a_batch(scene):
    """In order, with their requests, also after some have moved on to another batch."""
    await scene.add(items=4, batch_size=4)
    lost = await scene.lost()
    found = [scene.seen(lost, 3, ItemState.RUNNING)]
    from orchestrator.domain.model import Receipt

    await scene.store.advance.confirm_partly(lost, Receipt(items=found), now=scene.tick())
    assert [item.seq for item in await scene.store.items.of_batch(lost)] == [3]
    rest = await scene.store.items.of_batch(await scene.batch(2))
    assert [(item.seq, item.request) for item in rest] == [(1, b'{"n":1}'), (2, b'{"n":2}'), (4, b'{"n":4}')]


async def test_open_items_by_stage(scene):
    """Those that a look is expected to tell: not final, of these batches, in these stages."""
    await scene.add(items=6)
    first, second, _ = await scene.track_all()
    await scene.apply_reports(scene.seen(first, 1, ItemState.RUNNING), scene.seen(second, 3, ItemState.SUCCEEDED))
    wanted = [first.id, second.id]
    analyses = await scene.store.items.open_in(wanted, {Stage.ANALYSIS})
    both = await scene.store.items.open_in(wanted, {Stage.ANALYSIS, Stage.CREATION})
    assert [item.seq for item in analyses] == [1]
    assert sorted(item.seq for item in both) == [1, 2, 4]
    assert await scene.store.items.open_in([], {Stage.ANALYSIS}) == []


async def test_open_items_but_those_that_were_told(scene):
    """A sweep tells of nearly all; only the others are read."""
    await scene.add(items=6)
    first, second, third = await scene.track_all()
    await scene.apply_reports(scene.seen(second, 4, ItemState.SUCCEEDED))
    of, told = [first.id, second.id, third.id], {(first.job, seq) for seq in (1, 2, 6)} | {(JobId("another"), 3)}
    unreported = await scene.store.items.open_in(of, {Stage.CREATION}, but=told)
    assert [(item.seq, item.key) for item in unreported] == [(3, "k3"), (5, "k5")]
    assert await scene.store.items.open_in(of, {Stage.CREATION}, but=told | {(first.job, 3), (first.job, 5)}) == []


async def test_open_items_that_became_certain_objects(scene):
    """What one question has left open is all that the next one is about."""
    await scene.add(items=4)
    first, second = await scene.track_all()
    seen = [scene.seen(first, 1, ItemState.RUNNING), scene.seen(first, 2, ItemState.RUNNING)]
    await scene.apply_reports(*seen, scene.seen(second, 3, ItemState.RUNNING))
    of, objects = [first.id, second.id], {"object-1": "k1", "object-3": "k3", "object-9": "k9"}
    found = await scene.store.items.open_in(of, {Stage.ANALYSIS}, objects=objects)
    assert [item.key for item in found] == ["k1", "k3"]
    found = await scene.store.items.open_in(of, {Stage.ANALYSIS}, objects=objects, but={(first.job, 1)})
    assert [item.key for item in found] == ["k3"]


async def test_any_number_of_batches_and_of_open_items(scene):
    """More than are read at once: batches by number in chunks of a thousand, items whatever batches they are in."""
    job = await scene.add(items=1100, batch_size=1)
    chunks = [chunk async for chunk in scene.store.batches.stream(job.id)]
    assert [len(chunk) for chunk in chunks] == [1000, 100]
    assert [batch.number for chunk in chunks for batch in chunk] == list(range(1, 1101))
    of = [batch.id for chunk in chunks for batch in chunk]
    every = await scene.store.items.open_in(of, {Stage.CREATION})
    assert sorted(item.seq for item in every) == list(range(1, 1101))
    unreported = await scene.store.items.open_in(of, {Stage.CREATION}, but={(job.id, seq) for seq in range(1, 1051)})
    assert sorted(item.seq for item in unreported) == list(range(1051, 1101))


async def test_jobs_are_listed_newest_first(scene):
    """All of them, or those of a state or an account."""
    await scene.add("alpha")
    await scene.add("beta", account="other")
    await scene.add_waiting("gamma", "nobody")
    names = [job.spec.name for job in await scene.store.jobs.list()]
    assert names == ["gamma", "beta", "alpha"]
    assert [job.spec.name for job in await scene.store.jobs.list(state=JobState.WAITING)] == ["gamma"]
    assert [job.spec.name for job in await scene.store.jobs.list(account="other")] == ["beta"]


async def test_jobs_are_counted(scene):
    """What is not settled, by account, state and needs; and the items of it."""
    await scene.add("alpha", items=2)
    await scene.finish()
    await scene.add("beta")
    await scene.add("gamma", account="other")
    await scene.store.advance.pause(now=scene.tick(), name="gamma")
    assert await scene.store.jobs.unsettled_counts() == {
        ("ica", JobState.QUEUED, None): 1,
        ("other", JobState.QUEUED, Needs.PAUSED): 1,
    }
    counts = await scene.store.jobs.item_counts()
    assert {key: count for key, count in counts.items() if count} == {
        ("ica", ItemState.PENDING): 4,
        ("other", ItemState.PENDING): 4,
    }


async def test_the_first_batch_and_the_family_of_one_are_found(scene):
    """The family: what was split from the same batch, with that one, and none that was planned for itself."""
    await scene.add(items=8, batch_size=4)
    first, other = await scene.batches()
    await scene.store.advance.split(await scene.begin(first), "400", now=scene.tick())
    await scene.store.advance.split(await scene.begin(await scene.batch(3)), "400", now=scene.tick())
    assert (await scene.store.batches.first(first.job)).id == first.id
    family = await scene.store.batches.family(await scene.batch(5))
    assert [(batch.number, batch.lineage) for batch in family] == [
        (1, "1"),
        (3, "1.1"),
        (4, "1.2"),
        (5, "1.1.1"),
        (6, "1.1.2"),
    ]
    assert [batch.id for batch in await scene.store.batches.family(other)] == [other.id]


async def test_ended_batches_are_told_from_those_that_go_on(scene):
    """By job and number, among those that are asked about."""
    await scene.add(items=6)
    first, second, third = await scene.track_all()
    await scene.apply_reports(BatchReport(first.key, "DONE", final=True), BatchReport(third.key, "DONE", final=True))
    asked = {(first.job, 1), (first.job, 2), ("nobody", 1)}
    assert await scene.store.batches.ended(asked) == {(first.job, 1)}
    assert await scene.store.batches.ended(set()) == set()
    assert second.number == 2


async def test_an_unknown_batch_is_none(scene):
    """Rather than an error."""
    assert await scene.store.batches.get("nothing") is None


async def test_tracking_lists_what_is_looked_at(scene):
    """All batches of the account on the platform, in the order they were made."""
    await scene.add(items=6)
    tracked = [await scene.track(), await scene.track()]
    await scene.begin()
    assert [batch.id for batch in await scene.store.batches.tracking("ica")] == [batch.id for batch in tracked]
    await scene.end(tracked[0])
    assert [batch.id for batch in await scene.store.batches.tracking("ica")] == [tracked[1].id]


async def test_whether_anything_still_moves(scene):
    """Not when all that is left waits for a person."""
    moving = scene.store.moving
    assert not await moving()
    await scene.add(items=2)
    assert await moving()
    await scene.store.advance.pause(now=scene.tick(), name="alpha")
    assert not await moving()
    await scene.store.advance.resume(now=scene.tick(), name="alpha")
    batch = await scene.begin()
    assert await moving()
    lost = await scene.store.advance.lose(batch, "reset", due_at=0, now=scene.tick())
    assert await moving()
    batch = await scene.track(lost.batch)
    await scene.apply_reports(scene.seen(batch, 1, ItemState.ATTENTION))
    assert await moving()
    await scene.apply_reports(scene.seen(batch, 2, ItemState.ATTENTION))
    assert not await moving()
    await scene.apply_reports(*(scene.seen(batch, seq, ItemState.SUCCEEDED) for seq in (1, 2)))
    assert await moving()
    await scene.store.advance.settle_reported(batch, now=scene.tick())
    assert not await moving()


async def test_a_blocked_job_and_those_behind_it_do_not_move(scene):
    """They wait for a person, and so does a job whose predecessor nobody dropped."""
    await scene.add(items=2)
    await scene.add_waiting("beta", "alpha")
    await scene.add_waiting("gamma", "nobody")
    await scene.blocked()
    assert not await scene.store.moving()


async def test_a_batch_that_is_sent_while_it_is_looked_for_moves(scene, monkeypatch):
    """It is planned in one query and no longer in the next, and nothing may be taken for idle meanwhile."""
    await scene.add(items=2)
    batch, open_items = await scene.next(), scene.store.batches.open_items

    async def sent_meanwhile(account):
        await scene.begin(batch)
        return await open_items(account)

    monkeypatch.setattr(scene.store.batches, "open_items", sent_meanwhile)
    assert await scene.store.moving()


@pytest.mark.parametrize(("of_job", "of_account"), [(3, 100), (None, 3)])
async def test_what_waits_for_room_that_a_blocked_batch_takes_does_not_move(scene, of_job, of_account):
    """Only an operator frees it, whether the limit is the job's own or its account's."""
    await scene.add(items=4, batch_size=2, max_open=of_job)
    tracked = await scene.track()
    await scene.store.advance.block(tracked, "404 for a day", now=scene.tick())
    assert not await scene.store.moving(open_items={tracked.account: of_account})


async def test_what_a_blocked_batch_leaves_room_for_moves(scene):
    """Another batch of the job goes out beside it."""
    await scene.add(items=4, batch_size=2, max_open=4)
    tracked = await scene.track()
    await scene.store.advance.block(tracked, "404 for a day", now=scene.tick())
    assert await scene.store.moving(open_items={tracked.account: 4})
    assert not await scene.store.moving(open_items={tracked.account: 4}, besides=[tracked.account])


# ---------------------------------------------------------------- deliveries


async def test_a_delivery_waits_until_it_is_done(scene):
    """Failed, it comes again at its time with one more try; done, it never comes again."""
    await scene.add(items=1)
    await scene.finish()
    outbox = scene.store.outbox
    (entry,) = await outbox.due(scene.now)
    assert (entry.job_name, entry.tries) == ("alpha", 0)
    due = scene.now + 1_000_000
    await outbox.failed(entry, "disk full", due_at=due)
    assert (await outbox.due(scene.now), await outbox.next_due()) == ([], due)
    (again,) = await outbox.due(due)
    assert (again.id, again.tries, await outbox.failing(1)) == (entry.id, 1, {"alpha": "disk full"})
    await outbox.done(again)
    await outbox.done(again)
    assert (await outbox.due(due), await outbox.next_due()) == ([], None)


async def test_a_late_done_does_not_take_the_next_round(scene):
    """What was delivered is the entry, not the job."""
    await scene.add(items=1)
    await scene.finish(state=ItemState.FAILED)
    (first,) = await scene.store.outbox.due(scene.now)
    await scene.store.advance.retry("alpha", now=scene.tick())
    await scene.finish()
    await scene.store.outbox.done(first)
    assert await scene.deliveries() == [("alpha", 2)]


# ---------------------------------------------------------------- memory


async def test_the_instance_is_made_once(store):
    """Asked again, it is the same; while there are no jobs it may be configured otherwise."""
    assert await store.memory.instance() == await store.memory.instance() == "test-instance"
    assert await store.memory.instance("mine") == "mine"
    assert await store.memory.instance() == "mine"


async def test_another_instance_is_refused_while_jobs_exist(scene):
    """Their keys follow from it: under another name nothing sent would be found again."""
    await scene.load("alpha")
    assert await scene.store.memory.instance("loading-does-not-count") == "loading-does-not-count"
    await scene.add("beta")
    with pytest.raises(InstanceError, match="loading-does-not-count"):
        await scene.store.memory.instance("other")
    assert await scene.store.memory.instance() == "loading-does-not-count"


async def test_what_is_remembered_is_recalled(store):
    """By account and name; the newest value stands."""
    await store.memory.remember("ica", "seen", "no")
    await store.memory.remember("ica", "seen", "yes")
    await store.memory.remember("odm", "seen", "no")
    assert await store.memory.recall("ica") == {"seen": "yes"}


async def test_the_probe_writes(store):
    """Readiness is asked of the writer, and shows in no account's memory."""
    await store.writable()
    await store.writable()
    assert await store.memory.recall("ica") == {}


# ---------------------------------------------------------------- pruning


async def test_old_jobs_lose_their_items_and_keep_their_name(scene):
    """Name, digest, state and counts stay forever: the name stays taken, and `after` still resolves."""
    await scene.add("alpha", items=2)
    settled_at = (await scene.finish()).settled_at
    assert await scene.store.jobs.prune(settled_at + 1, scene.tick()) == []
    (entry,) = await scene.store.outbox.due(scene.now)
    await scene.store.outbox.done(entry)
    await scene.add("young", items=1)
    assert await scene.store.jobs.prune(settled_at, scene.tick()) == []
    assert await scene.store.jobs.prune(settled_at + 1, scene.tick()) == ["alpha"]
    assert await scene.store.jobs.prune(settled_at + 1, scene.tick()) == []
    job = await scene.job("alpha")
    assert (job.state, job.counts, job.settled_at) == (JobState.SUCCEEDED, {ItemState.SUCCEEDED: 2}, settled_at)
    assert (await scene.items("alpha"), await scene.batches("alpha"), await scene.events("alpha")) == ([], [], [])
    assert (await scene.store.jobs.known(["alpha"]))["alpha"].sent
    assert (await scene.add_waiting("beta", "alpha")).state is JobState.QUEUED
    with pytest.raises(ControlRefusedError, match="gone"):
        await scene.store.advance.retry("alpha", now=scene.tick())
    assert (await scene.next()).state is BatchState.PLANNED


async def test_commit_needs_an_instance(scene):
    """Keys follow from it, so nothing is planned without."""
    import sqlalchemy as sa

    from orchestrator.store.schema import meta

    job = await scene.load()
    async with scene.store._database.write() as connection:
        await connection.execute(sa.delete(meta))
    with pytest.raises(StoreError, match="instance"):
        await scene.store.jobs.commit([job], scene.tick())


async def test_the_items_of_batches_are_counted_by_state(scene):
    """Whatever the platform says of a batch; a retried item is counted where it was sent last, a parent never."""
    await scene.add("alpha", items=4)
    first, second = await scene.track_all()
    await scene.apply_reports(BatchReport(first.key, "SUCCEEDED", final=True))
    await scene.apply_reports(scene.seen(first, 1, ItemState.FAILED), scene.seen(first, 2, ItemState.RUNNING))
    found = scene.seen(second, None, ItemState.SUCCEEDED, key="found", parent=3)
    await scene.apply_reports(scene.seen(second, 3, ItemState.RUNNING), found)
    assert await _counts(scene) == {1: {"failed": 1, "running": 1}, 2: {"submitted": 1, "succeeded": 1}}
    await scene.store.advance.retry("alpha", keys=["k1"], now=scene.tick())
    assert await _counts(scene) == {1: {"running": 1}, 2: {"submitted": 1, "succeeded": 1}, 3: {"pending": 1}}
    assert await scene.store.batches.counts([]) == {}
    assert await scene.store.batches.counts((await scene.batches())[1:2]) == {2: {"submitted": 1, "succeeded": 1}}


async def _counts(scene):
    """By batch; together they are the counts of the job."""
    counts = await scene.store.batches.counts(await scene.batches())
    assert sum((Counter(each) for each in counts.values()), Counter()) == Counter((await scene.job()).counts)
    return counts


async def test_what_was_begun_long_before_may_be_what_is_found(scene):
    """A request waits for the rate limiter after it has begun, so it may arrive after one that was begun later."""
    await scene.add("alpha", items=2)
    await scene.add("beta", items=2)
    await scene.add("gamma", items=2)
    await scene.lost()
    known = await scene.track()
    scene.tick(3600)
    late = await scene.lost()
    sent = await scene.store.batches.sent_besides(late, late.first_sent_at - 60_000_000, [known.remote_id])
    assert (sent.in_doubt, sent.ids) == (1, {known.remote_id})


async def test_only_the_ids_in_question_are_read_of_what_else_was_sent(scene):
    """An account may have sent millions of items within a week: none of their ids is read into memory."""
    for name in ("alpha", "beta"):
        await scene.add(name, items=2)
    known = await scene.track()
    await scene.apply_reports(scene.seen(known, 1, ItemState.RUNNING, remote_id="object-1"))
    await scene.apply_reports(scene.seen(known, 2, ItemState.RUNNING, remote_id="object-2"))
    late = await scene.lost()
    since = late.first_sent_at - 60_000_000
    asked = [known.remote_id, "object-2", "another program's"]
    assert (await scene.store.batches.sent_besides(late, since, asked)).ids == {known.remote_id, "object-2"}
    assert (await scene.store.batches.sent_besides(late, since, [])).ids == frozenset()
