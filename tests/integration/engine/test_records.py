"""Records that are not what they were: a restored backup, a lost database, another user, a key that is too old."""

import json

import pytest

from orchestrator.domain.model import BatchState
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.spool import Spool, SpoolSettings
from orchestrator.simulator import FaultKind
from orchestrator.telemetry.events import FileAccepted

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(6)]
ONCE = dict.fromkeys(KEYS, 1)
DONE = dict.fromkeys(KEYS, "succeeded")
SOON_AND_LATE = pytest.mark.parametrize("later", [0.0, 6.5 * DAY, 8 * DAY], ids=["soon", "days", "week"])


# ---------------------------------------------------------------- older records


@SOON_AND_LATE
async def test_a_backup_from_before_the_send_pays_nothing_again(world, later):
    """The same bytes leave under the same key; once that proves nothing any more, the platform is asked first."""
    it = await world()
    await it.submit("run", KEYS, batch_size=2)
    old = await it.backup()
    await it.until_settled("run")
    it.suspend(later)
    await it.restore(old)
    await it.until_settled("run")
    assert it.created() == ONCE
    assert await it.states() == DONE
    assert (await it.batch()).attempt == 0


@SOON_AND_LATE
async def test_a_backup_from_the_middle_of_the_work_pays_nothing_again(world, later):
    """Batches that were out, batches that were not, and halves made since: all are recognised."""
    it = await world(open_items=4)
    await it.submit("run", [*KEYS, "s6-bad", "s7"], batch_size=4)
    await it.run_for(1)
    old = await it.backup()
    await it.until_settled("run")
    it.suspend(later)
    await it.restore(old)
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE | {"s7": 1}
    assert await it.states() == DONE | {"s6-bad": "failed", "s7": "succeeded"}


async def test_a_backup_in_which_a_batch_was_just_being_sent(world):
    """`submitting` in the copy means an unknown outcome, however long ago that was."""
    it = await world()
    it.fault(FaultKind.RESET_AFTER, count=1)
    await it.submit("run", KEYS)
    await it.turn()
    assert (await it.batch()).state is BatchState.UNCONFIRMED
    old = await it.backup()
    await it.until_settled("run")
    it.suspend(9 * DAY)
    await it.restore(old)
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE


async def test_retries_made_since_the_backup_are_not_paid_again(world):
    """What failed and was sent again before the disk broke is recognised in whatever order it comes up this time."""
    it = await world(analysis_seconds=60.0)
    keys = ["a0", "a1-fail", "b0-fail-slow", "b1"]
    await it.submit("run", keys, batch_size=2, retry=it.retry_twice)
    old = await it.backup()
    await it.until_settled("run")
    expected = dict(it.created())
    assert expected == {"a0": 1, "a1-fail": 2, "b0-fail-slow": 2, "b1": 1}
    it.duplicates_expected = True  # a retry is another analysis of the same name
    await it.restore(old)
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == expected
    assert it.simulator.truth.duplicate_tags() == {}


# ---------------------------------------------------------------- no records


@SOON_AND_LATE
async def test_a_lost_database_and_the_same_file_again(world, later):
    """With `instance` set the keys are the same, so nothing is created twice; after a week the platform is asked."""
    it = await world()
    await it.submit("run", KEYS, batch_size=2)
    await it.until_settled("run")
    it.suspend(later)
    await it.lose_database()
    await it.submit("run", KEYS, batch_size=2)
    await it.until_settled("run")
    assert it.created() == ONCE
    assert await it.states() == DONE


async def test_a_database_that_never_was_another_asks_only_once(world):
    """Whether somebody sent in our name before is one question a project, not one a batch."""
    it = await world()
    await it.submit("one", ["a1", "a2", "a3", "a4"], batch_size=1)
    await it.turn()
    assert it.calls(it.create) == 4
    assert it.calls("searchAnalyses") == 1
    await it.restart()
    await it.submit("two", ["b1"])
    await it.turn()
    assert it.calls(it.create) == 5
    await it.until_settled("one", "two")


async def test_links_ask_for_nothing_before_they_go(world):
    """A link may be made twice, so nothing is looked up for it."""
    it = await world()
    await it.submit("run", ["fil.1"], kind="links")
    await it.turn()
    assert (it.calls(it.link), it.calls("searchAnalyses")) == (1, 0)
    await it.until_settled("run")


async def test_a_file_dropped_again_after_pruning_changes_nothing(world):
    """Of a pruned job name and content stay known: the same file is accepted, and nothing leaves."""
    it = await world()
    queue = it.folder / "queue"
    spool = Spool(
        SpoolSettings(queue),
        jobs=it.store.jobs,
        controls=it.store.advance,
        accounts={"ica": AccountLimits("ica", 5000)},
        clock=it.clock,
        publish=it.events.append,
    )
    items = [{"userReference": key, "pipelineId": it.pipeline, "analysisInput": {"inputs": []}} for key in KEYS]
    job = {"name": "run", "kind": "ica.analysis_creation", "account": "ica", "project": it.project}
    file = {"version": 1, "jobs": [job | {"engine": "nextflow", "items": items}]}
    await spool.rescan()
    for round_ in range(2):
        (queue / "incoming" / f"run-{round_}.json").write_text(json.dumps(file))
        await spool.rescan()
        it.time.move(10)
        await spool.rescan()
        await it.until_settled("run")
        it.suspend(100 * DAY)
        for entry in await it.store.outbox.due(it.clock.now()):
            await it.store.outbox.done(entry)
        await it.store.jobs.prune(it.clock.now() - round(DAY * 1e6), it.clock.now())
    assert len(it.published(FileAccepted)) == 2
    assert it.created() == ONCE


@SOON_AND_LATE
async def test_a_job_cut_into_other_batches_than_before_is_not_sent_in_parts(world, later):
    """The keys are known with other items: what is whole is adopted, the rest waits for a person, nothing is paid."""
    it = await world()
    await it.submit("run", KEYS, batch_size=4)
    await it.until_settled("run")
    it.suspend(later)
    await it.lose_database()
    await it.submit("run", KEYS, batch_size=3)
    await it.run_for(3 * HOUR)
    assert it.created() == ONCE
    assert [batch.state for batch in await it.batches()] == [BatchState.SETTLED, BatchState.BLOCKED]
    assert "1 of 3 items" in ((await it.job()).detail or "")


@SOON_AND_LATE
@pytest.mark.parametrize("size", [1, 2])
async def test_a_job_cut_into_smaller_batches_than_before_pays_nothing_again(world, later, size):
    """The last of them have keys that nobody ever used, though their items were sent under others: a person decides."""
    it = await world()
    await it.submit("run", KEYS, batch_size=4)
    await it.until_settled("run")
    it.suspend(later)
    await it.lose_database()
    await it.submit("run", KEYS, batch_size=size)
    await it.run_for(3 * HOUR)
    assert it.created() == ONCE
    assert {batch.state for batch in await it.batches()} == {BatchState.SETTLED, BatchState.BLOCKED}
    assert "other batches" in ((await it.batch(2)).detail or "")
    assert "larger batches" in ((await it.batch(6 // size)).detail or "")
    it.duplicates_expected = True
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run", within=3 * HOUR)
    assert await it.states() == DONE


async def test_a_database_lost_while_analyses_were_being_created(world):
    """What is there so far is not taken for all that there is: an hour later the rest has come, and is adopted."""
    it = await world(creation_seconds=600.0)
    await it.submit("run", KEYS, batch_size=6)
    await it.run_for(590.0)
    assert 0 < sum(row.exists(it.time.monotonic()) for row in it.simulator._world.analyses) < 6
    await it.lose_database()
    await it.submit("run", KEYS, batch_size=6)
    await it.until_settled("run", within=2 * HOUR)
    assert it.created() == ONCE
    assert await it.states() == DONE


async def test_what_begins_like_our_name_hides_nothing_of_ours(world):
    """A filter that takes the beginning of a tag shows pages of others first: still we know that we were here."""
    it = await world(tag_filter="prefix", page_size=3)
    await it.store.memory.instance("worldwide")
    it._build("worldwide", "simulator", {})
    await it.submit("theirs", KEYS)
    await it.until_settled("theirs")
    await it.lose_database()
    assert not await it.platform.knows_instance(it.project)
    await it.submit("run", ["ours"])
    await it.until_settled("run")
    assert await it.platform.knows_instance(it.project)


# ---------------------------------------------------------------- another user, an old key, a wrong clock


@pytest.mark.parametrize("arrived", [True, False])
async def test_another_user_does_not_send_what_the_first_may_have_sent(world, arrived):
    """Keys are kept by user: behind another credential a lost batch is looked for, not sent again."""
    it = await world(api_keys=("simulator", "rotated"))
    it.fault(FaultKind.RESET_AFTER if arrived else FaultKind.RESET, count=1)
    await it.submit("run", KEYS)
    await it.turn()
    await it.restart(api_key="rotated")
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE
    assert (await it.batch()).attempt == (0 if arrived else 1)


async def test_a_token_that_becomes_another_users_in_the_middle_of_a_send_sends_nothing(world):
    """The answer was lost; as it is sent again, its token is rejected, and the new one is another user's."""
    it = await world()
    it.fault(FaultKind.RESET_AFTER, count=1)
    await it.submit("run", KEYS)
    await it.turn()
    it.fault(FaultKind.ERROR, status=401, count=1)
    it.fault(FaultKind.QUIRK, "createJwtToken", quirk="other_user", count=1)
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE


async def test_a_declined_send_does_not_make_its_user_the_owner_of_the_key(world):
    """The first user was told to wait, the second one's answer was lost: the first may not send again."""
    it = await world(api_keys=("simulator", "rotated"))
    it.fault(FaultKind.ERROR, status=429, nth=1, retry_after=1.0)
    it.fault(FaultKind.RESET_AFTER, count=1)
    await it.submit("run", KEYS)
    await it.turn()
    assert (await it.batch()).state is BatchState.PLANNED
    await it.restart(api_key="rotated")
    await it.until_state(BatchState.UNCONFIRMED)
    await it.restart(api_key="simulator")
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE


@pytest.mark.parametrize("days", [6.1, 8.0])
@pytest.mark.parametrize("arrived", [True, False])
async def test_a_key_older_than_its_window_is_not_relied_upon(world, arrived, days):
    """A daemon that was down for a week looks first; only what two searches do not find goes out anew."""
    it = await world()
    it.fault(FaultKind.RESET_AFTER if arrived else FaultKind.RESET, count=1)
    await it.submit("run", KEYS)
    await it.turn()
    await it.stop()
    it.suspend(days * DAY)
    await it.start()
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE
    assert it.calls(it.create) == (1 if arrived else 2)


@pytest.mark.parametrize("seconds", [300.0, -300.0])
async def test_a_clock_that_is_off_is_not_asked_for_the_age_of_a_key(world, seconds):
    """More than a minute away from the platform's `Date`: a lost batch is looked for, never sent again blindly."""
    it = await world()
    it.clock.step(seconds)
    it.fault(FaultKind.RESET_AFTER, count=1)
    await it.submit("run", KEYS)
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE
    assert it.calls(it.create) == 1
