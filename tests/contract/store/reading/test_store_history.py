"""The history of a job: who changed what and when, in order, and what holds a job back since when."""

import pytest

from orchestrator.domain.model import BatchState
from orchestrator.domain.units import rfc3339
from orchestrator.store.reading.open_work import OpenGroup


async def whole(scene, name="alpha"):
    job = await scene.job(name)
    return [event async for chunk in scene.store.history.stream(job.id) for event in chunk]


async def test_each_event_has_its_time_and_its_user(scene):
    """Controls keep the user who dropped them, the file its owner; what the daemon does has no user."""
    await scene.add(dropped_by="1000", file="a.yaml")
    at = scene.tick()
    await scene.store.advance.pause(name="alpha", now=at, actor="1001")
    await scene.store.advance.resume(name="alpha", now=scene.tick(), actor="1002")
    events = await whole(scene)
    paused = f"paused by an operator at {rfc3339(at)[:19]}Z"
    assert [(event.event, event.actor, event.detail) for event in events if event.actor] == [
        ("job", "1000", "a.yaml"),
        ("pause", "1001", paused),
        ("needs", "1001", paused),
        ("resume", "1002", None),
        ("needs", "1002", None),
    ]
    assert [event.at for event in events if event.event == "pause"] == [at]
    await scene.track()
    confirmed = [event for event in await whole(scene) if event.event == "confirm"]
    assert [(event.batch, event.new, event.actor) for event in confirmed] == [(1, BatchState.TRACKING, None)]


async def test_an_item_is_named_by_its_key(scene):
    """An event of an item has its key; one of a batch or of the job has none."""
    await scene.add(items=2)
    await scene.finish()
    events = await whole(scene)
    assert {event.item for event in events if event.event == "item"} == {"k1", "k2"}
    assert {event.item for event in events if event.event in ("job", "confirm")} == {None}


async def test_pages_follow_each_other_in_both_directions(scene):
    """Each event is on one page, whatever the size; another job's events are on none."""
    await scene.add(items=6)
    await scene.add("beta")
    await scene.track_all()
    job, events = await scene.job(), await whole(scene)
    pages, last = [], 0
    while page := await scene.store.history.page(job.id, after=last, limit=2):
        pages += page
        last = page[-1].id
    assert pages == events
    back, before = [], None
    while page := await scene.store.history.newest(job.id, before=before, limit=3):
        back += page
        before = page[-1].id
    assert back == events[::-1]


@pytest.mark.parametrize("account", ["ica", None])
async def test_a_job_that_came_while_its_account_was_paused_knows_since_when(account, scene):
    """The pause of the account is found, with its user, though the job has no event of it."""
    paused_at = scene.tick()
    await scene.store.advance.pause(account=account, now=paused_at, actor="1002")
    await scene.add()
    hold = (await scene.store.open_work.holds(await scene.job())).paused
    assert (hold.since, hold.by) == (paused_at, "1002")
    assert hold.reason.startswith("account ica is paused by " if account else "everything is paused by ")


async def test_a_hold_that_ended_and_came_again_counts_from_the_latest(scene):
    """A stop has the time of its event; what was resumed holds nothing."""
    job = await scene.add()
    assert await scene.store.advance.stop(job.id, "16 refusals", now=scene.tick())
    await scene.store.advance.resume(name="alpha", now=scene.tick())
    again = scene.tick()
    assert await scene.store.advance.stop(job.id, "16 refusals", now=again)
    holds = await scene.store.open_work.holds(await scene.job())
    assert (holds.paused, holds.stopped.since, holds.stopped.by) == (None, again, None)


async def test_open_items_are_grouped_by_state_and_pipeline(scene):
    """Only batches with open items count, and jobs without any are left out."""
    job, other = await scene.add(items=6), await scene.add("beta", items=2)
    await scene.end(await scene.track())
    batch = await scene.track()
    groups = await scene.store.open_work.groups([job.id, other.id])
    assert sorted(groups[job.id], key=lambda group: group.state) == [
        OpenGroup(BatchState.PLANNED, None, 2, None),
        OpenGroup(BatchState.TRACKING, batch.pipeline, 2, batch.submitted_at),
    ]
    await scene.store.advance.cancel("beta", now=scene.tick())
    assert set(await scene.store.open_work.groups([job.id, other.id])) == {job.id}


async def test_the_history_of_a_job_may_leave_its_items_out(scene, monkeypatch):
    """Its pages lead through all other events, however many items' events lie between them."""
    monkeypatch.setattr("orchestrator.store.reading.history._SCANNED", 2)
    await scene.add(items=6)
    await scene.finish()
    job, expected = await scene.job(), [event for event in await whole(scene) if event.item is None]
    seen, before, calls = [], None, 0
    while calls == 0 or before is not None:
        page, before = await scene.store.history.newest_without_items(job.id, before=before, limit=3)
        assert len(page) <= 3
        seen += page
        calls += 1
    assert seen == expected[::-1]
    assert calls > len(expected) / 3


async def test_the_steps_of_a_job_are_what_operators_did_and_what_held_it(scene):
    """The oldest first, at most so many; nothing of its items and batches, but the batch that was adopted."""
    job = await scene.add(items=6)
    lost = await scene.lost()
    await scene.store.advance.adopt("alpha", lost.number, "remote-9", now=scene.tick(), actor="1")
    await scene.store.advance.stop(job.id, "16 refusals", now=scene.tick())
    await scene.store.advance.resume(name="alpha", now=scene.tick(), actor="2")
    await scene.store.advance.cancel("alpha", now=scene.tick(), actor="3")
    steps = await scene.store.history.steps(job.id, limit=10)
    assert [(step.event, step.new, step.actor) for step in steps] == [
        ("adopt", "tracking", "1"),
        ("needs", "stopped", None),
        ("resume", None, "2"),
        ("cancel", None, "3"),
    ]
    assert await scene.store.history.steps(job.id, limit=2) == steps[:2]
