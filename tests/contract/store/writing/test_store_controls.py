"""What people ask for: cancel, pause, resume."""

import pytest

from orchestrator.domain.model import BatchState, ItemState, JobState, Needs, Receipt
from orchestrator.platforms.registry import KINDS


async def test_controls_of_unknown_jobs_tell_so(scene):
    """None, and nothing is written: not even the token, so that the control works once the job is there."""
    advance = scene.store.advance
    assert await advance.cancel("alpha", now=scene.tick(), token="t") is None
    assert await advance.pause(now=scene.tick(), name="alpha") is None
    assert await advance.resume(now=scene.tick(), name="alpha") is None
    assert await advance.retry("alpha", now=scene.tick()) is None
    assert await advance.adopt("alpha", 1, "R1", now=scene.tick()) is None
    await scene.load("alpha")
    assert await advance.cancel("alpha", now=scene.tick(), token="t") is None
    await scene.add("alpha")
    assert (await advance.cancel("ALPHA", now=scene.tick(), token="t")).items == 4


async def test_a_control_is_carried_out_once(scene):
    """The same token does nothing again, also when the same thing could be done again; another token does it."""
    await scene.add(items=1)
    await scene.finish(state=ItemState.FAILED)
    first = await scene.store.advance.retry("alpha", now=scene.tick(), token="t1")
    assert (first.repeated, first.items) == (False, 1)
    await scene.finish(state=ItemState.ABORTED)
    assert (await scene.store.advance.retry("alpha", now=scene.tick(), token="t1")).repeated is True
    assert (await scene.job()).round == 2
    assert (await scene.store.advance.retry("alpha", now=scene.tick(), token="t2")).repeated is False
    assert (await scene.job()).round == 3


# ---------------------------------------------------------------- cancel


async def test_cancelling_what_was_never_sent_ends_it_at_once(scene):
    """Its items were never sent, and its result says so."""
    await scene.add()
    done = await scene.store.advance.cancel("alpha", now=scene.tick())
    assert (done.items, done.batches, [str(job.state) for job in done.jobs]) == (4, 2, ["cancelled"])
    assert await scene.states() == ["cancelled"] * 4
    assert {item.status for item in await scene.items()} == {None}
    assert [entry.job_name for entry in await scene.store.outbox.due(scene.now)] == ["alpha"]
    assert await scene.next() is None


async def test_cancelling_a_waiting_job_ends_it_and_skips_its_dependents(scene):
    """A job that waited for a cancelled one does not start."""
    await scene.add_waiting("alpha", "nobody")
    await scene.add_waiting("beta", "alpha")
    await scene.store.advance.cancel("alpha", now=scene.tick())
    assert (await scene.job("alpha")).state is JobState.CANCELLED
    assert (await scene.job("beta")).state is JobState.SKIPPED


async def test_cancelling_a_running_job_sends_no_more_and_stops_the_rest(scene):
    """What is on the platform is stopped there and looked at until it ends."""
    await scene.add()
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.RUNNING))
    done = await scene.store.advance.cancel("alpha", now=scene.tick())
    assert (done.items, (await scene.job()).state) == (2, JobState.RUNNING)
    assert await scene.states() == ["running", "submitted", "cancelled", "cancelled"]
    ((told, item),) = await scene.store.items.to_abort("ica", KINDS, limit=10)
    assert (told.id, told.cancelled, item.seq) == (batch.id, True, 1)
    await scene.store.advance.abort_sent([item], now=scene.tick())
    assert await scene.store.items.to_abort("ica", KINDS, limit=10) == []
    await scene.apply_reports(scene.seen(batch, 2, ItemState.RUNNING))
    assert [item.seq for _, item in await scene.store.items.to_abort("ica", KINDS, limit=10)] == [2]
    await scene.end(batch, ItemState.ABORTED)
    assert (await scene.job()).state is JobState.CANCELLED
    assert await scene.states() == ["aborted", "aborted", "cancelled", "cancelled"]


async def test_cancelling_twice_changes_nothing(scene):
    """Neither while it winds down nor after it settled."""
    await scene.add()
    batch = await scene.track()
    await scene.store.advance.cancel("alpha", now=scene.tick())
    cancelled_at = scene.now
    events = await scene.events()
    again = await scene.store.advance.cancel("alpha", now=scene.tick())
    assert (again.items, again.jobs) == (0, ())
    assert await scene.events() == events
    await scene.end(batch, ItemState.ABORTED)
    assert (await scene.store.advance.cancel("alpha", now=scene.tick())).jobs == ()
    assert (await scene.job()).cancelled_at == cancelled_at


async def test_cancelling_a_settled_job_changes_nothing(scene):
    """It succeeded, and stays so."""
    await scene.add(items=1)
    await scene.finish()
    assert (await scene.store.advance.cancel("alpha", now=scene.tick())).jobs == ()
    assert (await scene.job()).state is JobState.SUCCEEDED


async def test_a_refused_batch_of_a_cancelled_job_ends_as_never_sent(scene):
    """A blocked batch without effect on the platform has nothing to stop there."""
    await scene.add(items=2)
    await scene.blocked()
    await scene.store.advance.cancel("alpha", now=scene.tick())
    assert await scene.states() == ["cancelled", "cancelled"]
    assert (await scene.job()).state is JobState.CANCELLED


async def test_a_batch_in_doubt_of_a_cancelled_job_says_so(scene):
    """A search did not find it, yet it may be on the platform: its items end as aborted, and the detail says why."""
    await scene.add(items=2)
    lost = await scene.lost()
    searched = await scene.store.advance.searched(lost, due_at=scene.now, now=scene.tick())
    await scene.store.advance.block(searched.batch, "not found", now=scene.tick())
    await scene.store.advance.cancel("alpha", now=scene.tick())
    assert await scene.states() == ["aborted", "aborted"]
    assert all("may be on the platform" in item.detail for item in await scene.items())


async def test_a_batch_in_doubt_that_was_never_searched_for_is_searched_for_at_the_cancel(scene):
    """It is unconfirmed until a search says what is on the platform: that is to be aborted, not left to run."""
    await scene.add(items=2)
    await scene.store.advance.block(await scene.lost(), "no answer", now=scene.tick())
    await scene.store.advance.cancel("alpha", now=scene.tick())
    assert [each.state for each in await scene.batches()] == [BatchState.UNCONFIRMED]
    assert (await scene.next()).cancelled
    found = [scene.seen(await scene.batch(1), 1, ItemState.RUNNING)]
    await scene.store.advance.searched(await scene.batch(1), due_at=scene.now, now=scene.tick(), items=found)
    await scene.store.advance.block(await scene.batch(1), "403 for an hour", now=scene.tick())
    assert [item.seq for _, item in await scene.store.items.to_abort("ica", KINDS, limit=10)] == [1]
    assert await scene.states() == ["running", "aborted"]


@pytest.mark.parametrize("answer", ["release", "split", "renew"])
async def test_a_batch_that_comes_back_after_the_cancel_is_not_sent_again(scene, answer):
    """Whatever way a batch of a cancelled job would be planned again, it ends there instead."""
    await scene.add(items=2)
    begun = await scene.begin()
    await scene.store.advance.cancel("alpha", now=scene.tick())
    assert (await scene.job()).state is JobState.RUNNING
    match answer:
        case "release":
            await scene.store.advance.release(begun, "429", due_at=0, now=scene.tick())
        case "split":
            await scene.store.advance.split(begun, "400", now=scene.tick())
        case _:
            lost = await scene.store.advance.lose(begun, "reset", due_at=0, now=scene.tick())
            assert (await scene.next()).id == begun.id
            await scene.store.advance.renew(lost.batch, now=scene.tick())
    assert await scene.next() is None
    assert await scene.states() == ["cancelled", "cancelled"]
    assert (await scene.job()).state is JobState.CANCELLED


async def test_a_lost_batch_of_a_cancelled_job_is_found_and_stopped(scene):
    """Its outcome is found out first, then what it created is stopped."""
    await scene.add(items=2)
    lost = await scene.lost()
    await scene.store.advance.cancel("alpha", now=scene.tick())
    offered = await scene.next(room=0)
    assert (offered.id, offered.cancelled) == (lost.id, True)
    seen = [scene.seen(lost, seq, ItemState.RUNNING) for seq in (1, 2)]
    await scene.store.advance.confirm(lost, Receipt("R1", items=seen), now=scene.tick())
    assert len(await scene.store.items.to_abort("ica", KINDS, limit=10)) == 2


async def test_nothing_of_a_cancelled_job_is_retried_by_itself(scene, retry_twice):
    """A retry policy does not work against the person who cancelled."""
    await scene.add(items=1, retry=retry_twice)
    batch = await scene.track()
    await scene.store.advance.cancel("alpha", now=scene.tick())
    await scene.end(batch, ItemState.FAILED)
    assert (await scene.job()).state is JobState.CANCELLED
    assert len(await scene.batches()) == 1


# ---------------------------------------------------------------- pause and resume


async def test_a_paused_job_sends_nothing_until_it_is_resumed(scene):
    """What is on the platform is looked at as before."""
    await scene.add()
    batch = await scene.track()
    done = await scene.store.advance.pause(now=scene.tick(), name="alpha")
    assert [job.needs for job in done.jobs] == [Needs.PAUSED]
    assert await scene.next() is None
    await scene.apply_reports(scene.seen(batch, 1, ItemState.RUNNING))
    assert (await scene.job()).needs is Needs.PAUSED
    assert (await scene.store.advance.pause(now=scene.tick(), name="alpha")).jobs == ()
    await scene.store.advance.resume(now=scene.tick(), name="alpha")
    assert ((await scene.job()).needs, (await scene.next()).number) == (None, 2)


async def test_a_pause_hides_no_block(scene):
    """After the pause the job says again that it waits for a person."""
    await scene.add()
    await scene.blocked()
    await scene.store.advance.pause(now=scene.tick(), name="alpha")
    assert (await scene.job()).needs is Needs.PAUSED
    await scene.store.advance.resume(now=scene.tick(), name="alpha")
    assert (await scene.job()).needs is Needs.BLOCKED


async def test_everything_is_paused_and_one_account_goes_on(scene):
    """The scopes nest: `all`, then an account; jobs still to come follow the narrower word."""
    await scene.add("alpha")
    await scene.add("beta", account="other")
    done = await scene.store.advance.pause(now=scene.tick())
    assert {job.name for job in done.jobs} == {"alpha", "beta"}
    await scene.store.advance.resume(now=scene.tick(), account="ica")
    assert (await scene.job("alpha")).needs is None
    assert (await scene.job("beta")).needs is Needs.PAUSED
    assert (await scene.add("gamma")).needs is None
    assert (await scene.add("delta", account="other")).needs is Needs.PAUSED
    await scene.store.advance.resume(now=scene.tick())
    assert {job.needs for job in await scene.store.jobs.list()} == {None}


async def test_a_stopped_job_goes_on_when_it_is_resumed_by_name(scene):
    """Old failures do not count again, new ones do; resuming everything is no word about failures."""
    await scene.add(items=8, stop_after_failed=1)
    await scene.apply_reports(scene.seen(await scene.track(), 1, ItemState.FAILED))
    await scene.store.advance.resume(now=scene.tick())
    assert (await scene.job()).needs is Needs.STOPPED
    await scene.store.advance.resume(now=scene.tick(), name="alpha")
    assert (await scene.job()).needs is None
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 3, ItemState.SUCCEEDED))
    assert (await scene.job()).needs is None
    await scene.apply_reports(scene.seen(batch, 4, ItemState.FAILED))
    assert (await scene.job()).needs is Needs.STOPPED


async def test_a_control_keeps_what_it_did(scene):
    """Under its token, with numbers; one that changed nothing says why, and a pause says who and when."""
    await scene.add("alpha", items=3)
    store, now = scene.store.advance, scene.tick()
    done = {
        "retry": await store.retry("alpha", now=now, token="1"),
        "pause": await store.pause(now=now, name="alpha", user="anna", token="2"),
        "again": await store.pause(now=now, name="alpha", token="3"),
        "all": await store.pause(now=now, user="anna", token="4"),
        "resume": await store.resume(now=now, token="5"),
        "cancel": await store.cancel("alpha", now=now, token="6"),
        "cancelled": await store.cancel("alpha", now=now, token="7"),
        "open again": await store.retry("alpha", now=now, token="8"),
    }
    assert [each.outcome for each in done.values()] == [
        "nothing changed: no item failed, was aborted or cancelled, and no batch is blocked (items: 3 pending)",
        "",
        "nothing changed: it is paused already",
        "0 jobs paused",
        "1 job resumed",
        "3 items ended",
        "nothing changed: it has settled as cancelled",
        "3 items are submitted again",
    ]
    assert [await store.outcome(token) for token in ("6", "9")] == [done["cancel"].outcome, None]


async def test_a_pause_shows_who_and_when(scene):
    """In the reason of the job, for as long as it is paused."""
    await scene.add("alpha", items=1)
    await scene.store.advance.pause(now=scene.tick(), user="anna")
    assert (await scene.job("alpha")).detail.startswith("everything is paused by anna at 2023-11-14T")
