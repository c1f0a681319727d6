"""One broken thing stops no other: it is told, backed off, and can be cancelled."""

import sqlite3

import pytest
from waiting import PATIENCE

from orchestrator.domain.errors import Unauthorised
from orchestrator.domain.model import BatchState, JobState, Needs
from orchestrator.simulator import FaultKind
from orchestrator.telemetry.events import TaskBug, TaskRetry

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(6)]


def spoil(it, statement):
    """Somebody, or something, has written into the database."""
    with sqlite3.connect(it.database, timeout=PATIENCE) as connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE items SET request = X'7B6E6F' WHERE job = (SELECT id FROM jobs WHERE name = 'broken')",
        "UPDATE jobs SET engine = 'cobol' WHERE name = 'broken'",
    ],
    ids=["request", "engine"],
)
async def test_data_that_breaks_a_step_holds_up_nobody_else(world, statement):
    """However many such batches come first in the queue, the others go out; the broken ones are told and backed off."""
    it = await world()
    await it.submit("broken", [f"b{number}" for number in range(8)], batch_size=1, priority=0)
    spoil(it, statement)
    await it.submit("run", KEYS)
    await it.until_settled("run", within=600.0)
    crashes = it.published(TaskBug)
    assert {event.account for event in crashes} == {"ica"}
    assert "Traceback" in crashes[0].reason
    await it.run_for(600)
    assert len(it.published(TaskBug)) < 8 * 25
    assert set(it.created()) == set(KEYS)
    await it.store.advance.cancel("broken", now=it.clock.now())
    assert (await it.job("broken")).state is JobState.CANCELLED


async def test_what_breaks_a_step_stands_with_its_batch(world):
    """Whoever asks about the job reads why it does not go on."""
    it = await world()
    await it.submit("run", KEYS)
    spoil(it, "UPDATE jobs SET engine = 'cobol'")
    await it.run_for(60)
    assert "cobol" in ((await it.batch()).last_error or "")
    spoil(it, "UPDATE jobs SET engine = 'nextflow'")
    await it.until_settled("run")


async def test_an_error_whose_text_no_database_stores_is_recorded(world, monkeypatch):
    """With escapes: recording it is tried until it succeeds, so otherwise the batch would never go out again."""
    it = await world()
    submit, texts = it.platform.submit, ["half a character: \ud800", "none: \x00"]

    async def fail_at_first(batch):
        if texts:
            raise RuntimeError(texts.pop())
        return await submit(batch)

    monkeypatch.setattr(it.platform, "submit", fail_at_first)
    await it.submit("run", KEYS)
    await it.until_settled("run")
    assert it.created() == dict.fromkeys(KEYS, 1)


async def test_a_stored_request_that_cannot_be_read_is_composed_again(world):
    """To the same bytes under the same key: what its lost answer had created is not created again."""
    it = await world(search_lag=1800.0)
    it.hide_jobs()
    it.fault(FaultKind.RESET_AFTER, count=1)
    await it.submit("run", KEYS)
    await it.turn()
    spoil(it, "UPDATE batches SET body = X'00', headers = '{no'")
    await it.until_settled("run")
    assert it.created() == dict.fromkeys(KEYS, 1)
    assert it.calls(it.create) == 2


async def test_nonsense_about_one_batch_holds_up_no_other(world):
    """The look is told and backed off; what the platform says sensibly elsewhere is taken."""
    it = await world()
    it.fault(FaultKind.WRONG_MEDIA, "getProjectDataLinkingBatchItems")
    await it.submit("links", ["fil.1"], kind="links")
    await it.submit("run", KEYS)
    await it.until_settled("run")
    await it.run_for(600)
    assert (await it.states("links")) == {"fil.1": "submitted"}
    assert 0 < len(it.published(TaskRetry)) < 30
    it.simulator.faults.clear()
    await it.until_settled("links")


async def test_a_value_that_cannot_be_read_costs_its_row_alone(world):
    """Earlier ids that nobody can read hinder neither their own item nor its neighbours, and are kept as they are."""
    it = await world()
    await it.submit("links", ["fil.1", "fil.2"], kind="links")
    await it.submit("run", KEYS, retry=it.retry_twice)
    await it.run_for(15)
    spoil(it, "UPDATE items SET previous_ids = 'x' WHERE key IN ('fil.1', 's0')")
    await it.until_settled("run", "links")
    assert (await it.items())["s0"].previous_ids == ("x",)


async def test_a_cancelled_job_with_a_value_that_cannot_be_read_holds_up_nobody(world):
    """What is to be stopped is read in each turn of the account."""
    it = await world(analysis_seconds=HOUR)
    await it.submit("broken", ["b0", "b1"])
    await it.run_for(60)
    spoil(it, "UPDATE items SET previous_ids = 'x'")
    await it.store.advance.cancel("broken", now=it.clock.now())
    await it.submit("run", ["s0"])
    await it.until_settled("broken", "run", within=2 * HOUR)
    assert set((await it.states("broken")).values()) == {"aborted"}


async def test_a_job_whose_row_cannot_be_read_keeps_no_other_from_its_outcome(world):
    """One page tells of both jobs' analyses: what it says of the other one is written, and the trouble is told."""
    it = await world()
    await it.submit("broken", ["b0", "b1"], retry=it.retry_twice)
    await it.submit("run", KEYS)
    await it.run_for(15)
    spoil(it, "UPDATE jobs SET retry = '{no' WHERE name = 'broken'")

    async def settled():
        return all(state == "succeeded" for state in (await it.states("run")).values())

    await it.until(settled)
    await it.run_for(300)
    assert "JSON is malformed" in it.published(TaskBug)[0].reason
    spoil(it, "UPDATE jobs SET retry = NULL WHERE name = 'broken'")
    await it.until_settled("broken", "run")


# ---------------------------------------------------------------- what cannot be found out


async def test_what_the_platform_does_not_let_us_find_out_is_left_to_a_person(world):
    """A search that is refused for a day: blocked with the reason, and never sent again by us."""
    it = await world()
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.fault(FaultKind.ERROR, "searchAnalyses", status=403)
    await it.store.memory.remember("ica", f"preceded in {it.project}", "no")
    await it.submit("run", KEYS)
    await it.run_for(400)
    it.suspend(DAY)
    await it.until_state(BatchState.BLOCKED)
    assert (await it.job()).needs is Needs.BLOCKED
    assert "could not be determined" in ((await it.job()).detail or "")
    it.simulator.faults.clear()
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run")
    assert it.created() == dict.fromkeys(KEYS, 1)


async def test_a_cancelled_job_ends_though_nothing_can_be_found_out(world):
    """Its items end with a word to look there."""
    it = await world()
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.fault(FaultKind.ERROR, "searchAnalyses", status=403)
    await it.store.memory.remember("ica", f"preceded in {it.project}", "no")
    await it.submit("run", KEYS)
    await it.run_for(60)
    await it.store.advance.cancel("run", now=it.clock.now())
    await it.until_settled("run", within=2 * HOUR)
    items = (await it.items()).values()
    assert {str(item.state) for item in items} == {"aborted"}
    assert all("check there" in (item.detail or "") for item in items)


# ---------------------------------------------------------------- the credential


async def test_a_refused_credential_loses_nothing(world):
    """The account closes, asks now and then, and goes on where it was."""
    it = await world()
    it.fault(FaultKind.ERROR, status=401, lasts=600.0)
    it.fault(FaultKind.ERROR, "createJwtToken", status=401, lasts=600.0)
    await it.submit("run", KEYS)
    await it.run_for(500)
    assert (await it.job()).needs is None
    assert it.calls("createJwtToken") < 30
    await it.until_settled("run")
    assert it.created() == dict.fromkeys(KEYS, 1)


async def test_one_question_that_is_refused_the_credential_does_not_close_the_account_for_others(world):
    """The platform answers 401 about one thing only: it is asked more and more rarely, and the others go on."""
    it = await world(analysis_seconds=HOUR)
    await it.submit("links", ["fil.1"], kind="links")
    await it.run_for(2)
    poll, asked = it.platform.poll, []

    async def refuse_one(wanted):
        if wanted.route == "linking_items":
            asked.append(it.time.monotonic())
            raise Unauthorised("401")
        return await poll(wanted)

    it.platform.poll = refuse_one
    await it.submit("run", KEYS)
    await it.until_settled("run", within=2 * HOUR)
    assert len(asked) < 40
    it.platform.poll = poll
    await it.until_settled("links")
