"""The way of a batch from planned to tracking, and what becomes of it otherwise."""

from dataclasses import replace

import pytest
from stages import Stage

from orchestrator.domain.identity import batch_key, retry_lineage
from orchestrator.domain.lifecycle import IllegalTransitionError
from orchestrator.domain.model import (
    BatchReport,
    BatchState,
    ItemState,
    JobState,
    Needs,
    Receipt,
)
from orchestrator.store.errors import StoreError


async def test_what_is_sent_is_stored_first(scene):
    """`begin` returns the batch with the very bytes, marks the first send, and starts the job."""
    await scene.add()
    begun = await scene.begin()
    assert begun.state is BatchState.SUBMITTING
    assert begun.submission == scene.submission(begun)
    assert (begun.sends, begun.user, begun.first_sent_at, begun.sent_at) == (1, "me", scene.now, scene.now)
    assert (await scene.store.batches.get(begun.id)).submission == begun.submission
    job = await scene.job()
    assert (job.state, job.started_at, job.sent_at) == (JobState.RUNNING, scene.now, scene.now)


async def test_the_age_of_a_key_runs_by_the_platforms_clock(scene):
    """Where the platform's time is known, it is the time of the first send; later sends do not move it."""
    await scene.add()
    batch = await scene.next()
    sent = scene.submission(batch)
    begun = await scene.store.advance.begin(batch, sent, user="me", now=scene.now, server_now=77)
    lost = await scene.store.advance.lose(begun, "reset", due_at=0, now=scene.tick())
    again = await scene.store.advance.begin(lost.batch, sent, user="you", now=scene.tick(), server_now=99)
    assert (again.first_sent_at, again.sent_at, again.user, again.sends) == (77, scene.now, "me", 2)


async def test_stored_bytes_are_never_replaced_under_the_same_key(scene):
    """Sent again, a batch sends what it sent before, whatever would be composed now."""
    await scene.add()
    lost = await scene.lost()
    other = replace(scene.submission(lost), method="PUT", body=b"other")
    again = await scene.store.advance.begin(lost, other, user="me", now=scene.tick())
    assert again.submission == lost.submission


async def test_a_batch_cannot_begin_twice(scene):
    """A second begin is refused and counts no send."""
    await scene.add()
    begun = await scene.begin()
    with pytest.raises(IllegalTransitionError):
        await scene.begin(begun)
    assert (await scene.store.batches.get(begun.id)).sends == 1


async def test_an_unknown_batch_is_an_error(scene):
    """A batch whose job was replaced in the meantime is not sent."""
    old = await scene.add()
    batch = await scene.next()
    new = await scene.load("alpha")
    await scene.store.jobs.commit([new], scene.tick(), replaces=[old.id])
    with pytest.raises(StoreError, match="no batch"):
        await scene.begin(batch)


async def test_confirm_submits_all_items_and_drops_the_body(scene):
    """Items follow their batch; what was sent is no longer needed."""
    await scene.add()
    begun = await scene.begin()
    moved = await scene.store.advance.confirm(begun, Receipt("R1", "INITIALIZED"), now=scene.tick())
    batch = moved.batch
    assert (batch.state, batch.remote_id, batch.status) == (BatchState.TRACKING, "R1", "INITIALIZED")
    assert (batch.submission, batch.submitted_at, batch.open, batch.creating) == (None, scene.now, 2, 2)
    first, _, third, _ = await scene.items()
    assert (first.state, first.stage, first.submitted_at) == (ItemState.SUBMITTED, Stage.CREATION, scene.now)
    assert third.state is ItemState.PENDING


async def test_confirm_said_twice_changes_nothing(scene):
    """A confirmation whose answer was lost may be repeated, even after the batch settled; another id may not."""
    await scene.add()
    batch = await scene.track()
    before = await scene.events()
    moved = await scene.store.advance.confirm(batch, Receipt(batch.remote_id), now=scene.tick())
    assert (moved.before, moved.batch.state) == (BatchState.TRACKING, BatchState.TRACKING)
    await scene.end(batch)
    await scene.store.advance.confirm(batch, Receipt(batch.remote_id), now=scene.tick())
    with pytest.raises(IllegalTransitionError):
        await scene.store.advance.confirm(batch, Receipt("other"), now=scene.tick())
    assert len(await scene.events()) > len(before)
    assert (await scene.store.batches.get(batch.id)).state is BatchState.SETTLED


async def test_found_items_are_applied_with_the_confirmation(scene):
    """What a search found is written in the same transaction as the confirmation."""
    await scene.add()
    lost = await scene.lost()
    seen = [scene.seen(lost, 1, ItemState.SUCCEEDED), scene.seen(lost, 2, ItemState.RUNNING)]
    moved = await scene.store.advance.confirm(lost, Receipt("R1", items=seen), now=scene.tick())
    assert (moved.batch.open, moved.batch.creating) == (1, 0)
    assert [item.remote_id for item in await scene.items()][:2] == ["object-1", "object-2"]


async def test_a_batch_confirmed_as_ended_settles_with_its_items(scene):
    """All found final, and the platform's last word known: nothing is left to look at."""
    await scene.add(items=2)
    lost = await scene.lost()
    seen = [scene.seen(lost, seq, ItemState.SUCCEEDED) for seq in (1, 2)]
    moved = await scene.store.advance.confirm(lost, Receipt("R1", final=True, items=seen), now=scene.tick())
    assert moved.batch.state is BatchState.SETTLED
    assert [str(job.state) for job in moved.jobs] == ["succeeded"]


async def test_release_sends_again_later(scene):
    """A send without effect leaves the batch planned, not before its time, with the same key and bytes."""
    await scene.add(items=2)
    begun = await scene.begin()
    due = scene.now + 60_000_000
    moved = await scene.store.advance.release(begun, "429", due_at=due, now=scene.tick())
    assert (moved.batch.state, moved.batch.key, moved.batch.submission) == (
        BatchState.PLANNED,
        begun.key,
        begun.submission,
    )
    assert moved.batch.last_error == "429"
    assert await scene.next() is None
    assert await scene.store.batches.next_due("ica", scene.now) == due
    scene.tick(60)
    assert (await scene.next()).id == begun.id


async def test_release_after_a_lost_send_stays_in_doubt(scene):
    """The second send had no effect, but the first may have had: the batch is not taken for unsent."""
    await scene.add()
    again = await scene.begin(await scene.lost())
    moved = await scene.store.advance.release(again, "429", due_at=0, now=scene.tick())
    assert (moved.batch.state, moved.batch.in_doubt) == (BatchState.UNCONFIRMED, True)


async def test_a_void_key_stays_void(scene):
    """Once the platform did not keep the key, a later loss does not make it good again; a new key is."""
    await scene.add()
    begun = await scene.begin()
    lost = await scene.store.advance.lose(begun, "502", due_at=0, now=scene.tick(), key_void=True)
    again = await scene.lost(lost.batch)
    assert again.key_void is True
    renewed = await scene.store.advance.renew(again, now=scene.tick())
    assert (renewed.batch.key_void, renewed.batch.in_doubt) == (False, False)


async def test_after_a_crash_what_was_being_sent_is_unconfirmed(scene):
    """Recovery is made once for each batch, and leaves alone what was confirmed."""
    await scene.add(items=4)
    lost = await scene.begin()
    tracked = await scene.track()
    assert await scene.store.advance.recover(scene.tick()) == 1
    assert await scene.store.advance.recover(scene.tick()) == 0
    states = {each.id: each.state for each in await scene.batches()}
    assert states == {lost.id: BatchState.UNCONFIRMED, tracked.id: BatchState.TRACKING}
    assert (await scene.next()).id == lost.id


async def test_a_search_in_vain_is_remembered_by_its_first_time(scene):
    """The time of the first search in vain stays; the next search waits for its time."""
    await scene.add()
    lost = await scene.lost()
    due = scene.now + 3_600_000_000
    first = await scene.store.advance.searched(lost, due_at=due, now=scene.tick())
    second = await scene.store.advance.searched(lost, due_at=due, now=scene.tick())
    assert first.batch.searched_at == second.batch.searched_at == scene.now - 1_000_000
    assert await scene.store.batches.next_due("ica", scene.now) == due
    tracked = await scene.track(lost)
    with pytest.raises(IllegalTransitionError):
        await scene.store.advance.searched(tracked, due_at=due, now=scene.tick())


async def test_renew_gives_a_new_key_to_the_same_items(scene):
    """Nothing was found: planned again under the key of the next attempt, as if never sent."""
    await scene.add()
    lost = await scene.lost()
    renewed = (await scene.store.advance.renew(lost, now=scene.tick())).batch
    assert renewed.key == batch_key("test-instance", "alpha", "1", 1) != lost.key
    assert (renewed.state, renewed.attempt, renewed.submission) == (BatchState.PLANNED, 1, None)
    assert (renewed.first_sent_at, renewed.searched_at, renewed.user) == (None, None, None)
    assert [item.attempts for item in await scene.items()] == [1, 1, 1, 1]
    assert (await scene.begin(renewed)).submission.body == b"body of " + renewed.key.encode()


async def test_what_was_seen_on_the_platform_is_never_sent_anew(scene):
    """An unconfirmed batch of which the platform has shown an item cannot be renewed."""
    await scene.add()
    lost = await scene.lost()
    await scene.apply_reports(scene.seen(lost, 1, ItemState.RUNNING))
    with pytest.raises(IllegalTransitionError, match="seen on the platform"):
        await scene.store.advance.renew(lost, now=scene.tick())
    assert (await scene.store.batches.get(lost.id)).attempt == 0


async def test_a_refused_batch_is_split_in_halves(scene):
    """The first half takes the odd one; numbers are the next free, lineages and root tell where they come from."""
    await scene.add(items=5, batch_size=5)
    begun = await scene.begin()
    moved = await scene.store.advance.split(begun, "400 bad", now=scene.tick())
    assert (moved.batch.state, moved.batch.items, moved.batch.detail) == (BatchState.SETTLED, 0, "400 bad")
    halves = (await scene.batches())[1:]
    assert [(each.number, each.lineage, each.items, each.root) for each in halves] == [
        (2, "1.1", 3, 1),
        (3, "1.2", 2, 1),
    ]
    assert [item.batch for item in await scene.items()] == [2, 2, 2, 3, 3]
    assert len({each.key for each in await scene.batches()}) == 3
    await scene.store.advance.split(await scene.begin(halves[0]), "400 bad", now=scene.tick())
    assert [each.lineage for each in await scene.batches()][3:] == ["1.1.1", "1.1.2"]


async def test_a_single_item_cannot_be_split(scene):
    """There are no halves of one."""
    await scene.add(items=1)
    begun = await scene.begin()
    with pytest.raises(IllegalTransitionError):
        await scene.store.advance.split(begun, "400", now=scene.tick())


@pytest.mark.parametrize("items", [1, 2])
async def test_a_refusal_of_what_was_seen_is_not_believed(scene, items):
    """The platform shows an item of it, so nothing of the batch goes out in other slices, and nothing fails."""
    await scene.add(items=items)
    lost = await scene.lost()
    await scene.apply_reports(scene.seen(lost, 1, ItemState.RUNNING))
    begun = await scene.begin(lost)
    act = scene.store.advance.refuse if items == 1 else scene.store.advance.split
    with pytest.raises(IllegalTransitionError, match="seen on the platform"):
        await act(begun, "400", now=scene.tick())
    assert (await scene.states())[0] == "running"


async def test_a_refused_single_item_fails_without_a_status(scene):
    """The platform gave it no status, so it has none; its job settles."""
    await scene.add(items=1)
    moved = await scene.store.advance.refuse(await scene.begin(), "bad pipeline", now=scene.tick())
    (item,) = await scene.items()
    assert (item.state, item.status, item.detail, item.finished_at) == (
        ItemState.FAILED,
        None,
        "bad pipeline",
        scene.now,
    )
    assert moved.batch.state is BatchState.SETTLED
    assert (await scene.job()).state is JobState.FAILED
    await scene.add("beta", items=2)
    with pytest.raises(IllegalTransitionError, match="split"):
        await scene.store.advance.refuse(await scene.begin(), "bad", now=scene.tick())


async def test_a_blocked_batch_asks_for_a_person(scene):
    """The job says which batch and why; other batches go on."""
    await scene.add()
    blocked = await scene.blocked()
    job = await scene.job()
    assert (job.state, job.needs) == (JobState.RUNNING, Needs.BLOCKED)
    assert job.detail == "batch 1: 403 no right"
    assert blocked.detail == "403 no right"
    assert (await scene.next()).number == 2


async def test_of_a_batch_found_in_part_the_rest_goes_out_anew(scene):
    """What was found stays with the batch, what was not is planned under a new key."""
    await scene.add(items=4, batch_size=4)
    lost = await scene.lost()
    found = [scene.seen(lost, 2, ItemState.RUNNING), scene.seen(lost, 4, ItemState.SUCCEEDED)]
    moved = await scene.store.advance.confirm_partly(lost, Receipt(items=found), now=scene.tick())
    assert (moved.batch.state, moved.batch.items, moved.batch.open) == (BatchState.TRACKING, 2, 1)
    rest = await scene.batch(2)
    assert (rest.state, rest.items, rest.lineage, rest.root) == (
        BatchState.PLANNED,
        2,
        retry_lineage([(1, 1), (3, 1)]),
        1,
    )
    assert [item.batch for item in await scene.items()] == [2, 1, 2, 1]
    assert await scene.states() == ["pending", "running", "pending", "succeeded"]


async def test_an_item_seen_by_chance_is_not_sent_anew(scene):
    """An item that a look has shown stays with its batch, though the search did not list it."""
    await scene.add(items=4, batch_size=4)
    lost = await scene.lost()
    await scene.apply_reports(scene.seen(lost, 1, ItemState.RUNNING))
    found = [scene.seen(lost, 2, ItemState.RUNNING)]
    await scene.store.advance.confirm_partly(lost, Receipt(items=found), now=scene.tick())
    assert [item.batch for item in await scene.items()] == [1, 1, 2, 2]


async def test_a_batch_of_which_nothing_was_found_is_renewed_instead(scene):
    """Confirming nothing would leave a batch that nobody can look at."""
    await scene.add()
    lost = await scene.lost()
    with pytest.raises(StoreError, match="renew"):
        await scene.store.advance.confirm_partly(lost, Receipt(items=[]), now=scene.tick())


async def test_a_transaction_that_fails_leaves_nothing(scene):
    """An illegal step changes no column, no counter and no event."""
    await scene.add()
    tracked = await scene.track()
    events = await scene.events()
    for step in (
        scene.store.advance.renew(tracked, now=scene.tick()),
        scene.store.advance.split(tracked, "x", now=scene.tick()),
        scene.store.advance.refuse(tracked, "x", now=scene.tick()),
        scene.store.advance.release(tracked, "x", due_at=0, now=scene.tick()),
        scene.store.advance.lose(tracked, "x", due_at=0, now=scene.tick()),
        scene.store.advance.settle_reported(tracked, now=scene.tick()),
    ):
        with pytest.raises(IllegalTransitionError):
            await step
    assert await scene.events() == events
    assert await scene.store.batches.get(tracked.id) == tracked


async def test_each_transition_writes_one_event(scene):
    """The history of a job tells each step of a batch, and each item that changed."""
    await scene.add(items=1)
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.RUNNING))
    await scene.apply_reports(
        scene.seen(batch, 1, ItemState.SUCCEEDED), BatchReport(batch.key, "SUCCEEDED", final=True)
    )
    told = await scene.events()
    assert told == [
        ("job", None, None, "loading", "queued"),
        ("begin", 1, None, "planned", "submitting"),
        ("job", None, None, "queued", "running"),
        ("confirm", 1, None, "submitting", "tracking"),
        ("item", 1, 1, "submitted", "running"),
        ("item", 1, 1, "running", "succeeded"),
        ("status", 1, None, None, "SUCCEEDED"),
        ("settle", 1, None, "tracking", "settled"),
        ("job", None, None, "running", "succeeded"),
    ]


async def test_a_batch_that_went_another_way_since_it_was_chosen_does_not_leave(scene):
    """Chosen as planned, it was sent and lost meanwhile, and its key proves nothing: a second send would be paid."""
    await scene.add(items=2)
    chosen = await scene.next()
    begun = await scene.begin(chosen)
    await scene.store.advance.lose(begun, "500", due_at=0, now=scene.tick(), key_void=True)
    with pytest.raises(IllegalTransitionError, match="when it was chosen"):
        await scene.begin(chosen)
    assert (await scene.batch(1)).state is BatchState.UNCONFIRMED
