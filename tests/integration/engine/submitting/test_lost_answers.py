"""A submission whose answer is lost, kind by kind: nothing is paid twice, and nothing is left out."""

import pytest
from virtual_time import Killed

from orchestrator.domain.model import BatchState
from orchestrator.platforms.ica.protocol import requests
from orchestrator.simulator import FaultKind
from orchestrator.telemetry.events import BatchDelayed, UnexpectedResponse

HOUR, DAY = 3600.0, 86_400.0
KEYS = [f"s{number}" for number in range(6)]
DATA = [f"fil.{number}" for number in range(6)]
ONCE = dict.fromkeys(KEYS, 1)
DONE = dict.fromkeys(KEYS, "succeeded")

AFTER = [
    {"kind": FaultKind.RESET_AFTER},
    {"kind": FaultKind.HANG_AFTER},
    {"kind": FaultKind.TRUNCATED},
    {"kind": FaultKind.MALFORMED},
    {"kind": FaultKind.WRONG_MEDIA},
    {"kind": FaultKind.ERROR_AFTER, "status": 502, "html": True},
    {"kind": FaultKind.ERROR_AFTER, "status": 500},
    {"kind": FaultKind.ERROR_AFTER, "status": 503, "retry_after": 5.0},
]
BEFORE = [
    {"kind": FaultKind.RESET},
    {"kind": FaultKind.HANG},
    {"kind": FaultKind.ERROR, "status": 502, "html": True},
    {"kind": FaultKind.ERROR, "status": 500},
    {"kind": FaultKind.ERROR, "status": 503, "retry_after": 5.0},
    {"kind": FaultKind.ERROR, "status": 429, "retry_after": 5.0},
]


@pytest.fixture
def impatient(monkeypatch):
    """Time-outs run on the event loop's own clock: a submission that is never answered is given up in real time.

    Long enough for those that are answered, whatever else the machine does: they take some milliseconds.
    """
    monkeypatch.setattr(requests, "SUBMIT_TIMEOUT", 1.0)


def named(fault):
    return "-".join(str(value) for value in fault.values())


def by_ica(fault):
    """Whether ICA itself wrote a 5xx, after which no answer is kept under the key."""
    return fault.get("status", 0) >= 500 and not fault.get("html")


@pytest.mark.parametrize("fault", AFTER, ids=named)
async def test_analyses_that_were_created_are_never_created_again(world, impatient, fault):
    """However the answer is lost after the effect, each analysis exists once and all are followed to their end."""
    it = await world()
    it.fault(operation=it.create, count=1, **fault)
    await it.submit("run", KEYS)
    await it.until_settled("run", within=2 * HOUR)
    assert it.created() == ONCE
    assert await it.states() == DONE
    assert len(it.published(BatchDelayed)) == 1 + (by_ica(fault) and (await it.batch()).searched_at is not None)


@pytest.mark.parametrize("fault", BEFORE, ids=named)
async def test_analyses_that_were_not_created_go_out_again(world, impatient, fault):
    """Where nothing happened the work is not lost; after ICA's own 5xx only once two searches an hour apart agree."""
    it = await world()
    it.fault(operation=it.create, count=1, **fault)
    await it.submit("run", KEYS)
    begun = it.time.monotonic()
    await it.until_settled("run", within=2 * HOUR)
    assert it.created() == ONCE
    assert await it.states() == DONE
    assert (it.time.monotonic() - begun >= HOUR) is by_ica(fault)
    assert (await it.batch()).attempt == int(by_ica(fault))


@pytest.mark.parametrize("fault", AFTER + BEFORE, ids=named)
async def test_links_are_made_whatever_happens_to_the_answer(world, impatient, fault):
    """A link made twice is one link: the batch goes out again after a minute, without any search."""
    it = await world()
    it.fault(operation=it.link, count=1, **fault)
    await it.submit("run", DATA, kind="links")
    await it.until_settled("run")
    assert set((await it.states()).values()) == {"succeeded"}
    assert max(it.linked().values()) == (2 if fault in AFTER else 1)
    assert it.calls("searchAnalyses") == 0


@pytest.mark.parametrize("lag", [0.0, 300.0])
async def test_a_storm_of_lost_answers_is_weathered(world, lag):
    """A third of all creating calls lose their answer, another third never arrive: each analysis exists once."""
    it = await world(page_size=5, search_lag=lag)
    it.fault(FaultKind.RESET_AFTER, probability=0.33)
    it.fault(FaultKind.RESET, probability=0.5)
    keys = [f"s{number}" for number in range(40)]
    await it.submit("run", keys, batch_size=4)
    await it.until_settled("run", within=DAY)
    assert it.created() == dict.fromkeys(keys, 1)


@pytest.mark.parametrize("fault", [each for each in AFTER if by_ica(each)], ids=named)
async def test_a_5xx_after_the_effect_that_died_with_the_daemon_creates_nothing_twice(world, monkeypatch, fault):
    """The platform stores no answer under the key then: the next start finds the work before it sends anything."""

    async def killed(*_args, **_options):
        raise Killed

    it = await world(search_lag=300.0)
    it.fault(count=1, **fault)
    await it.submit("run", KEYS)
    monkeypatch.setattr(it.store.advance, "lose", killed)
    assert await it.killed_or(it.turn())
    assert it.created() == ONCE
    await it.until_settled("run", within=2 * HOUR)
    assert it.created() == ONCE
    assert await it.states() == DONE
    assert it.calls(it.create) == 1


@pytest.mark.parametrize("status", [403, 500])
async def test_a_search_that_fails_leaves_the_key_as_protection(world, status):
    """Where searches are refused the same bytes go out under the same key; an outage of the search is waited for."""
    it = await world()
    it.fault(FaultKind.RESET_AFTER, count=1)
    await it.submit("run", KEYS)
    await it.until_state(BatchState.UNCONFIRMED)
    it.fault(FaultKind.ERROR, "searchAnalyses", status=status, lasts=600.0)
    await it.until_settled("run", within=2 * HOUR)
    assert it.created() == ONCE
    assert it.calls(it.create) == (2 if status == 403 else 1)
    assert (await it.batch()).attempt == 0


async def test_a_batch_that_is_found_in_parts_is_searched_for_until_it_is_whole(world):
    """A batch that is shown in part, as it is still being created, is adopted as soon as all of it is shown."""
    it = await world(creation_seconds=0.0)
    it.fault(FaultKind.RESET_AFTER, count=1)
    it.hide_jobs()
    await it.submit("run", KEYS)
    await it.until_state(BatchState.UNCONFIRMED)
    it.fault(FaultKind.QUIRK, "searchAnalyses", quirk="item_vanishes", count=2)
    begun = it.time.monotonic()
    await it.until_state(BatchState.TRACKING)
    assert it.time.monotonic() - begun < HOUR
    assert it.created() == ONCE
    assert it.calls(it.create) == 1


async def test_what_was_found_in_part_is_not_sent_again_when_a_later_search_shows_nothing(world):
    """A 5xx may have been lost, so the key proves nothing once an analysis was seen: the rest waits for its hour."""
    it = await world(creation_seconds=0.0)
    it.fault(FaultKind.ERROR_AFTER, status=502, html=True, count=1)
    it.hide_jobs()
    await it.submit("run", KEYS)
    await it.until_state(BatchState.UNCONFIRMED)
    it.fault(FaultKind.QUIRK, "searchAnalyses", quirk="item_vanishes", count=1)
    await it.until(lambda: seen_in_part(it))
    it.simulator.change_knobs({"search_lag": 1800.0})
    await it.run_for(900)
    assert it.calls(it.create) == 1
    await it.until_settled("run", within=3 * HOUR)
    assert it.calls(it.create) == 1
    assert it.created() == ONCE


async def seen_in_part(it):
    """Whether a search has found some of the batch."""
    return (await it.batch()).searched_at is not None


# ---------------------------------------------------------------- 409 and 422


async def test_a_first_call_that_still_runs_is_waited_for(world):
    """409 for a while: nothing is concluded, the stored answer comes in the end."""
    it = await world(search_lag=1800.0)
    it.hide_jobs()
    it.fault(FaultKind.RESET_AFTER, nth=1)
    it.fault(FaultKind.ERROR, status=409, lasts=900.0)
    await it.submit("run", KEYS)
    await it.until_settled("run")
    assert it.created() == ONCE
    assert it.calls("searchAnalyses") > 0
    assert (await it.batch()).attempt == 0
    assert it.answers(409) > 3


@pytest.mark.parametrize("created", [True, False])
async def test_an_hour_of_409_is_not_believed_any_longer(world, created):
    """After an hour the analyses are looked for; found they are adopted, else they go out under another key."""
    it = await world(search_lag=2 * HOUR)
    it.hide_jobs()
    it.fault(FaultKind.RESET_AFTER if created else FaultKind.RESET, nth=1)
    it.fault(FaultKind.ERROR, status=409, lasts=1.5 * HOUR)
    await it.submit("run", KEYS)
    await it.until_settled("run", within=4 * HOUR)
    assert it.created() == ONCE
    assert (await it.batch()).attempt == (0 if created else 1)


async def test_a_slow_first_call_is_not_overtaken(world, impatient):
    """The call that was given up still runs, and ends later: its answer is the one that counts."""
    it = await world(search_lag=1800.0)
    it.hide_jobs()
    it.fault(FaultKind.HANG_AFTER, count=1)
    it.fault(FaultKind.ERROR, status=409, count=5)
    await it.submit("run", KEYS)
    await it.until_settled("run")
    assert it.created() == ONCE


async def test_another_body_under_our_key_is_found_out_about(world):
    """422 says that something was created under the key: it is looked for, and what is there is never made again."""
    it = await world(search_lag=1800.0)
    it.hide_jobs()
    it.fault(FaultKind.RESET_AFTER, nth=1)
    it.fault(FaultKind.ERROR, status=422, count=1)
    await it.submit("run", KEYS)
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE


async def test_a_422_that_names_no_other_body_does_not_go_round_for_ever(world):
    """Where nothing was ever created under the key, 422 is a refusal like any other: the bad items fail."""
    it = await world()
    it.fault(FaultKind.ERROR, status=422)
    await it.submit("run", KEYS[:2])
    await it.until_settled("run", within=DAY)
    assert await it.states() == {"s0": "failed", "s1": "failed"}
    assert it.calls(it.create) < 10


# ---------------------------------------------------------------- partly found


async def test_what_was_found_is_kept_and_the_rest_follows_an_hour_later(world):
    """Of a batch whose answer is lost for good, items that exist are adopted; only the others go out anew."""
    it = await world()
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.fault(FaultKind.ERROR, "getJobs", status=503, lasts=60.0)
    keys = [*KEYS, "x1-nocreate-never"]
    await it.submit("run", keys)
    begun = it.time.monotonic()
    await it.until_state(BatchState.TRACKING, within=2 * HOUR)
    assert it.time.monotonic() - begun >= HOUR
    first, second = await it.batches()
    assert (first.items, second.items) == (6, 1)
    assert second.key != first.key
    await it.run_for(600)
    assert it.created() == ONCE
    assert {key: state for key, state in (await it.states()).items() if key in KEYS} == DONE


async def test_a_search_that_lags_does_not_count_as_nothing_found(world):
    """An analysis that a search shows half an hour late is seen by the second search at the latest."""
    it = await world(search_lag=1800.0)
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.hide_jobs()
    await it.submit("run", KEYS)
    await it.until_settled("run", within=3 * HOUR)
    assert it.created() == ONCE


async def test_two_searches_lie_an_hour_apart_whatever_the_wall_clock_does(world):
    """A wall clock that jumps an hour ahead after the first search does not bring the second one forward."""
    it = await world(search_lag=1800.0)
    it.fault(FaultKind.ERROR_AFTER, status=500, count=1)
    it.hide_jobs()
    await it.submit("run", KEYS)
    await it.run_for(60)
    assert (await it.batch()).searched_at is not None
    it.clock.step(HOUR + 60)
    await it.until_settled("run", within=4 * HOUR)
    assert it.created() == ONCE


async def test_a_daemon_that_restarts_between_two_searches_does_not_begin_anew(world):
    """When it was first looked for in vain is durable: an hour is an hour, restart or not."""
    it = await world()
    it.fault(FaultKind.ERROR, status=500, count=1)
    await it.submit("run", KEYS)
    begun = it.time.monotonic()
    for _ in range(5):
        await it.run_for(900)
        await it.restart()
    await it.until_settled("run")
    assert it.created() == ONCE
    assert it.time.monotonic() - begun < 2 * HOUR


# ---------------------------------------------------------------- what no row knows


async def test_analyses_with_our_tag_that_no_row_knows_are_only_told(world):
    """They are counted and shown; nobody stops them, adopts them or starts them again."""
    it = await world()
    await it.submit("lost", ["lost/stuck1", "lost/stuck2"])
    await it.run_for(60)
    await it.lose_database()
    await it.submit("run", KEYS)
    await it.until_settled("run")
    unknown_objects = [event for event in it.published(UnexpectedResponse) if "not in its database" in event.what]
    assert unknown_objects
    assert unknown_objects[0].count == 2
    assert it.calls("abortAnalysis") == 0
    assert it.created() == ONCE | {"lost/stuck1": 1, "lost/stuck2": 1}
