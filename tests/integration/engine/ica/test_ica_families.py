"""Every family of ICA's batches on data under the whole engine: main jobs, lost answers, kills, restored backups."""

import pytest
from ica_families import FAMILIES, STATES, made, submit

from orchestrator.domain.model import BatchState
from orchestrator.domain.submission import Resend
from orchestrator.simulator import FaultKind

HOUR, DAY = 3600.0, 86_400.0
MOST_COMMITS = 60


@pytest.fixture(params=FAMILIES)
def family(request):
    """Each family in turn."""
    return FAMILIES[request.param]


async def test_a_job_runs_to_its_end(world, family):
    """Each item once, in the state and with the status of its own end; what was made is named.

    The rule of repeats is stored with the bytes; a copy's follows from its options and from what it copies.
    """
    it = await world()
    await submit(it, family)
    await it.until_settled("run")
    items = list((await it.items()).values())
    assert [str(item.state) for item in items] == STATES
    done, partial = family.words
    assert [item.status for item in items] == [done, "FAILED", partial, done]
    assert items[1].detail
    assert made(it, family) == dict.fromkeys(family.keys, 1)
    new = {"copy", "sample"}
    assert (items[0].remote_id != items[0].key) is (family.effect in new)
    assert items[0].remote_id is not None
    assert (await it.batch()).resend is family.resend


@pytest.mark.parametrize(
    ("name", "fault"),
    [*((name, FaultKind.RESET_AFTER) for name in FAMILIES), ("samples", FaultKind.ERROR_AFTER)],
)
async def test_an_answer_that_was_lost_doubles_nothing(world, name, fault):
    """It had its effect: it is found by its content, its tag or its key, or repeated where that is harmless."""
    it, family = await world(), FAMILIES[name]
    it.fault(fault, family.operation, status=500, count=1)
    await submit(it, family)
    await it.until_settled("run", within=6 * HOUR)
    assert list((await it.states()).values()) == STATES
    family.judge(made(it, family))
    harmless = family.resend is Resend.HARMLESS
    assert it.calls(family.operation) == (3 if harmless else 1)


@pytest.mark.parametrize("fault", [FaultKind.RESET_AFTER, FaultKind.ERROR_AFTER])
async def test_samples_that_are_found_without_their_batch_wait_for_its_report(world, fault):
    """The status of each item is reported by its batch, which may be listed late; the sample alone shows less."""
    it, family = await world(), FAMILIES["samples"]
    it.fault(fault, family.operation, status=500, count=1)
    it.fault(FaultKind.QUIRK, "getJobs", quirk="item_vanishes", lasts=600.0)
    await submit(it, family)
    await it.until_settled("run", within=6 * HOUR)
    assert [item.status for item in (await it.items()).values()] == [family.words[0], "FAILED", *family.words[::-1]]
    family.judge(made(it, family))


@pytest.mark.parametrize("name", ["copy-rename", "move", "update"])
async def test_what_shows_its_data_alone_is_found_by_them(world, name):
    """The platform may leave out what was asked for: what it does not show contradicts nothing."""
    it, family = await world(echo="ids"), FAMILIES[name]
    it.fault(FaultKind.MALFORMED, family.operation, count=1)
    await submit(it, family)
    await it.until_settled("run", within=6 * HOUR)
    assert made(it, family) == dict.fromkeys(family.keys, 1)


async def test_a_request_that_was_lost_is_sent_again_where_that_is_harmless(world, family):
    """Nothing happened. Work that may not be repeated waits for the operator, and its retry sends it."""
    it = await world()
    it.fault(FaultKind.RESET, family.operation, count=1)
    await submit(it, family)
    if family.resend is Resend.NEVER:
        batch = await it.until_state(BatchState.BLOCKED, within=6 * HOUR)
        assert "may not be sent twice" in (batch.detail or "")
        assert made(it, family) == {}
        await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run", within=6 * HOUR)
    assert list((await it.states()).values()) == STATES
    assert set(made(it, family)) == set(family.keys)
    family.judge(made(it, family))


@pytest.mark.parametrize("name", ["unlinking", "copy-skip", "copy-rename", "move", "update", "samples"])
async def test_a_kill_after_any_transaction_doubles_nothing(world, name):
    """However far its submission came: the next process continues; what may not be repeated is found or blocked.

    What comes after the submission is the same for all kinds, and has its own tests.
    """
    blocked, family = 0, FAMILIES[name]
    for commits in range(1, MOST_COMMITS):
        it = await world()
        await submit(it, family)
        it.kill_after(commits)

        async def ended(it=it):
            job = await it.job()
            return job.state.settled or job.needs == "blocked"

        killed = await it.killed_or(it.until(ended, within=6 * HOUR))
        accepted = (await it.batch()).remote_id is not None
        await it.until(ended, within=6 * HOUR)
        if (await it.job()).needs == "blocked":  # killed between the intent and the request: it cannot be known
            assert (family.resend, made(it, family)) == (Resend.NEVER, {})
            blocked += 1
            await it.store.advance.retry("run", now=it.clock.now())
            await it.until_settled("run", within=6 * HOUR)
        assert list((await it.states()).values()) == STATES
        family.judge(made(it, family))
        assert killed
        if accepted:
            break
    assert accepted
    assert blocked == (family.resend is Resend.NEVER)


async def test_cancelled_jobs_send_no_more_and_let_the_platform_finish(world):
    """What was sent cannot be stopped: its items end as the platform says. What was not sent never is."""
    it = await world(open_items=len(FAMILIES))
    for name, family in FAMILIES.items():
        await submit(it, family, name=name, keys=[f"fil.{name}"])
    await it.run_for(1.0)
    for name, family in FAMILIES.items():
        await submit(it, family, name=f"later-{name}", keys=["fil.1", "fil.2"], batch_size=1)
        await it.store.advance.cancel(name, now=it.clock.now())
        await it.store.advance.cancel(f"later-{name}", now=it.clock.now())
    await it.until_settled(*FAMILIES, *(f"later-{name}" for name in FAMILIES))
    for name, family in FAMILIES.items():
        assert set((await it.states(name)).values()) == {"succeeded"}, name
        assert set((await it.states(f"later-{name}")).values()) == {"cancelled"}, name
        assert (await it.job(name)).state == "cancelled"
        assert f"fil.{name}" in made(it, family)
        assert not {"fil.1", "fil.2"} & made(it, family).keys()
    assert it.calls("abortAnalysis") == 0


@pytest.mark.parametrize("later", [3 * HOUR, 8 * DAY])
async def test_after_a_restored_backup_nothing_is_done_twice(world, later):
    """The backup is from before the first sends; what was sent since is found, also when keys have expired."""
    it = await world()
    keys = {name: [key.replace(".", f".{name}-") for key in family.keys] for name, family in FAMILIES.items()}
    for name, family in FAMILIES.items():
        await submit(it, family, name=name, keys=keys[name])
    old = await it.backup()
    await it.until_settled(*FAMILIES)
    it.suspend(later)
    await it.restore(old)
    await it.until_settled(*FAMILIES, within=6 * HOUR)
    for name, family in FAMILIES.items():
        assert list((await it.states(name)).values()) == STATES, name
        family.judge({key: count for key, count in made(it, family).items() if key in keys[name]})


async def test_what_is_dropped_again_after_a_restore_is_not_done_twice(world, family):
    """The backup is from before the job, so nothing of it is known: keys, tags or repeats without harm give it its end.

    Work without any of these is held, as ICA shows that it was done: the operator adopts that batch.
    """
    it = await world()
    old = await it.backup()
    await submit(it, family)
    await it.until_settled("run")
    before = await it.batch()
    await it.restore(old)
    it.suspend(60.0)
    await submit(it, family)
    if family.resend is Resend.NEVER:
        batch = await it.until_state(BatchState.BLOCKED)
        assert before.remote_id in batch.detail
        assert "`adopt`" in batch.detail
        assert "`retry`" in batch.detail
        await it.store.advance.adopt("run", 1, before.remote_id, now=it.clock.now())
    await it.until_settled("run", within=6 * HOUR)
    assert list((await it.states()).values()) == STATES
    family.judge(made(it, family))


async def test_what_was_done_before_is_done_once_more_where_the_operator_says_so(world):
    """The batch may be another program's, of data that was moved away since."""
    it, family = await world(move_again="moved"), FAMILIES["move"]
    old = await it.backup()
    await submit(it, family)
    await it.until_settled("run")
    await it.restore(old)
    await submit(it, family)
    await it.until_state(BatchState.BLOCKED)
    await it.store.advance.retry("run", now=it.clock.now())
    await it.until_settled("run", within=6 * HOUR)
    assert made(it, family) == dict.fromkeys(family.keys, 2)
    it.duplicates_expected = True


async def test_one_list_of_jobs_reports_the_batches_of_all_families(world):
    """Whatever the family, a sweep reads one list of jobs, and one list of items for each batch that is open."""
    it = await world(jitter=0.0, link_seconds=60.0, data_seconds=60.0)
    for name, family in FAMILIES.items():
        await submit(it, family, name=name)
    await it.until_settled(*FAMILIES, within=2 * HOUR)
    assert [call for call in it.simulator.ledger.calls if call.startswith("get") and call.endswith("Batch")] == []
    listings = {call: it.calls(call) for call in it.simulator.ledger.calls if call.endswith("BatchItems")}
    assert len(listings) == 7
    assert it.calls("getJobs") <= 1 + max(listings.values())


async def test_the_last_items_of_a_large_batch_are_asked_for_by_their_status(world):
    """Also where items are listed by POST, and in pages."""
    it = await world(page_size=10, data_seconds=20.0)
    keys = [f"fil.{number}" for number in range(95)] + [f"fil.{number}-slow" for number in range(95, 100)]
    await submit(it, FAMILIES["move"], keys=keys)
    await it.until_settled("run")
    assert set((await it.states()).values()) == {"succeeded"}
    assert made(it, FAMILIES["move"]) == dict.fromkeys(keys, 1)
