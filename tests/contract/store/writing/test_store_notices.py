"""Notices: written with the change that they announce, once, and there until they are delivered or given up."""

import pytest
import sqlalchemy as sa

from orchestrator.domain.model import After, ItemState, JobState
from orchestrator.domain.units import DAY
from orchestrator.domain.webhook import Notice, Notify
from orchestrator.store.schema import outbox

ALL = Notify("https://lims.example.org/hook", frozenset(Notice))
SETTLED = Notify("https://lims.example.org/hook", frozenset({Notice.SETTLED}))


async def announced(scene, name="alpha"):
    job = await scene.job(name)
    return [(each.notice, each.round) for each in await scene.store.notices.undelivered(job.id)]


async def test_labels_and_webhook_come_back_as_they_were_given(scene):
    """Nothing of them is lost on the way through the database."""
    job = await scene.add(labels={"run": "0172"}, notify=ALL)
    assert (job.spec.labels, job.spec.notify) == ({"run": "0172"}, ALL)
    assert ((await scene.add("beta")).spec.labels, (await scene.job("beta")).spec.notify) == ({}, None)


async def test_a_job_announces_what_it_was_asked_to(scene):
    """Each change once; one that was not asked for, and a job without a webhook, announce nothing."""
    await scene.add(notify=ALL, items=2)
    await scene.add("quiet", items=2)
    await scene.add("brief", notify=SETTLED, items=2)
    for name in ("alpha", "quiet", "brief"):
        await scene.blocked(await scene.batch(1, name))
    assert [await announced(scene, name) for name in ("alpha", "quiet", "brief")] == [[(Notice.BLOCKED, 1)], [], []]
    for name in ("alpha", "quiet", "brief"):
        await scene.store.advance.cancel(name, now=scene.tick())
    assert await announced(scene) == [(Notice.BLOCKED, 1), (Notice.SETTLED, 1)]
    assert [await announced(scene, name) for name in ("quiet", "brief")] == [[], [(Notice.SETTLED, 1)]]


async def test_attention_and_a_stop_are_announced(scene):
    """They are two more reasons why an operator is needed."""
    await scene.add(notify=ALL, items=4, stop_after_failed=1)
    batch = await scene.track()
    await scene.apply_reports(scene.seen(batch, 1, ItemState.ATTENTION))
    await scene.apply_reports(scene.seen(batch, 2, ItemState.FAILED))
    assert await announced(scene) == [(Notice.ATTENTION, 1), (Notice.STOPPED, 1)]


async def test_a_pause_announces_nothing_and_a_second_block_does(scene):
    """The first notice may still be on its way then: both are kept."""
    await scene.add(notify=ALL, items=2)
    await scene.store.advance.pause(name="alpha", now=scene.tick())
    await scene.store.advance.resume(name="alpha", now=scene.tick())
    assert await announced(scene) == []
    for _ in range(2):
        await scene.blocked()
        await scene.store.advance.retry("alpha", now=scene.tick())
    assert await announced(scene) == [(Notice.BLOCKED, 1)] * 2


async def test_a_retry_announces_the_next_round_and_loses_nothing_of_the_first(scene):
    """The result of the first round is withdrawn, its notice is not."""
    await scene.add(notify=SETTLED, items=2)
    await scene.finish(state=ItemState.FAILED)
    await scene.store.advance.retry("alpha", now=scene.tick())
    assert await scene.deliveries() == []
    (first,) = await scene.store.notices.undelivered()
    assert (await scene.store.notices.change_of(first)).state is JobState.FAILED
    assert (first.round, first.counts) == (1, None)
    await scene.finish()
    first, second = await scene.store.notices.undelivered()
    assert (first.round, second.round, second.counts) == (1, 2, {ItemState.SUCCEEDED: 2})
    states = [(await scene.store.notices.change_of(each)).state for each in (first, second)]
    assert states == [JobState.FAILED, JobState.SUCCEEDED]


async def test_a_skipped_job_is_announced_with_its_reason(scene):
    """It has settled, as what it waited for ended otherwise."""
    await scene.add(items=2)
    await scene.add("later", items=2, notify=SETTLED, after=After(("alpha",)))
    await scene.finish(state=ItemState.FAILED)
    (pending,) = await scene.store.notices.undelivered()
    change = await scene.store.notices.change_of(pending)
    assert (change.state, change.detail) == (JobState.SKIPPED, "alpha, which it waited for, ended as failed")


async def test_a_notice_is_as_durable_as_its_change(scene):
    """A transaction that fails leaves neither; `delivered` said twice is recorded once."""
    await scene.add(notify=SETTLED, items=2)
    await scene.store.advance.cancel("alpha", now=scene.tick())
    (pending,) = await scene.store.notices.due(scene.now)
    for _ in range(2):
        await scene.store.notices.delivered(pending, "delivered to lims.example.org", scene.tick())
    job = await scene.job()
    told = [event for event in await scene.store.history.page(job.id) if event.event == "notify"]
    assert [(event.new, event.detail) for event in told] == [("settled", "delivered to lims.example.org")]
    assert (await scene.store.notices.counts(), await scene.store.notices.next_due()) == ((0, 0), None)


async def test_an_attempt_that_failed_is_due_later_and_one_given_up_never(scene):
    """Both stay to be shown; a start brings nothing forward and bounds what a wrong clock wrote."""
    await scene.add(notify=SETTLED, items=2)
    await scene.store.advance.cancel("alpha", now=scene.tick())
    notices = scene.store.notices
    (pending,) = await notices.due(scene.now)
    later = scene.now + 10 * DAY
    await notices.failed(pending, "HTTP 503", due_at=later)
    await scene.store.advance.recover(scene.tick())
    assert (await notices.due(scene.now), await notices.next_due()) == ([], later)
    await notices.bound_due(scene.now + DAY)
    assert await notices.next_due() == scene.now + DAY
    (again,) = await notices.due(later)
    assert (again.id, again.tries, again.last_error) == (pending.id, 1, "HTTP 503")
    await notices.give_up(again, "HTTP 410", scene.tick())
    await notices.bound_due(scene.now)
    assert (await notices.next_due(), await notices.counts()) == (None, (0, 1))
    (shown,) = await notices.undelivered()
    assert (shown.due_at, shown.tries, shown.last_error) == (None, 2, "HTTP 410")


@pytest.mark.parametrize("given_up", [True, False])
async def test_pruning_waits_for_a_notice_until_it_is_given_up(given_up, scene):
    """Then it goes with the history of its job."""
    await scene.add(notify=SETTLED, items=2)
    await scene.store.advance.cancel("alpha", now=scene.tick())
    for entry in await scene.store.outbox.due(scene.now):
        await scene.store.outbox.done(entry)
    if given_up:
        (pending,) = await scene.store.notices.due(scene.now)
        await scene.store.notices.give_up(pending, "HTTP 410", scene.tick())
    names = await scene.store.jobs.prune(scene.tick() + DAY, scene.now)
    assert names == (["alpha"] if given_up else [])
    async with scene.store._database.read() as connection:
        left = (await connection.execute(sa.select(sa.func.count()).select_from(outbox))).scalar_one()
    assert left == (0 if given_up else 1)


async def test_results_and_notices_do_not_wait_for_each_other(scene):
    """Each sees its own rows only: a result that fails delays no webhook, nor the other way round."""
    await scene.add(notify=SETTLED, items=2)
    await scene.store.advance.cancel("alpha", now=scene.tick())
    (entry,) = await scene.store.outbox.due(scene.now)
    (pending,) = await scene.store.notices.due(scene.now)
    await scene.store.notices.failed(pending, "x", due_at=scene.now + DAY)
    assert (await scene.store.outbox.pending(1), await scene.store.outbox.next_due()) == (True, 0)
    await scene.store.outbox.done(entry)
    assert (await scene.store.outbox.pending(1), await scene.store.outbox.failing(1)) == (False, {})
    assert await scene.store.outbox.next_due() is None
