"""What a look is likely to find: from the age of its batches, what is open in them, and what their like took before."""

from dataclasses import replace

import pytest

from orchestrator.domain.model import Batch, BatchId, BatchKey, BatchState, JobId, Look
from orchestrator.engine.prospects import Prospects
from orchestrator.store.changes import Ended

HOUR = 3600
NOW = 1_000_000 * 1_000_000


def batch(number=1, *, age=HOUR, **changes):
    made = Batch(
        id=BatchId(f"b{number}"),
        job=JobId("j"),
        job_name="run",
        account="ica",
        project="p",
        kind="ica.analysis_creation",
        engine="nextflow",
        number=number,
        lineage=str(number),
        attempt=0,
        key=BatchKey(f"k{number}"),
        state=BatchState.TRACKING,
        items=100,
        open=100,
        creating=0,
        remote_id=f"remote-{number}",
        status=None,
        status_final=False,
        detail=None,
        sends=1,
        first_sent_at=None,
        sent_at=None,
        submitted_at=NOW - age * 1_000_000,
        settled_at=None,
        user=None,
        searched_at=None,
        pipeline="germline",
    )
    return replace(made, **changes)


def look(*batches, **changes):
    subjects = {each.key: each.remote_id for each in batches}
    ids = tuple(each.id for each in batches)
    return Look(name="l", route="r", project="p", subjects=subjects, batches=ids, cost=1, **changes)


def seen(prospects, *batches):
    prospects.plan(batches, NOW)
    return prospects.of(look(*batches))


def ends(seconds, times=50, number=1):
    return [Ended(JobId("j"), number, seconds)] * times


def test_where_nothing_is_known_the_age_tells():
    """A tenth of an hour's work is likely to end in half the time that two hours' work takes for that."""
    young, old = (seen(Prospects({}), batch(age=age)).forecast for age in (HOUR, 2 * HOUR))
    assert (young, old) == (pytest.approx(HOUR / 9), pytest.approx(2 * HOUR / 9))


def test_a_look_at_many_is_as_young_and_as_lively_as_the_most_promising():
    """And finds what ends in any of them."""
    batches = batch(1, age=60), batch(2, age=HOUR, open=10)
    prospect = seen(Prospects({}), *batches)
    assert prospect.age == 60
    assert prospect.forecast == pytest.approx(60 / 9)
    assert prospect.ends == pytest.approx(0.9 * (100 / 60 + 10 / HOUR))


def test_a_look_at_many_waits_for_the_first_of_them_to_end():
    """A batch that is about to end is seen in time beside one that has hours to go, whichever is younger."""
    prospects = Prospects({})
    about, hours = batch(1, age=HOUR, pipeline="short"), batch(2, age=60)
    prospects.plan([about, hours], NOW)
    prospects.learn(ends(1.1 * HOUR, number=1) + ends(10 * HOUR, number=2))
    assert seen(prospects, about, hours).forecast == seen(prospects, about).forecast < 0.2 * HOUR
    assert seen(prospects, hours).forecast > 5 * HOUR


def test_a_clock_that_was_set_back_makes_nothing_younger_than_new():
    """An age below nothing counts as nothing."""
    assert seen(Prospects({}), batch(age=-2 * HOUR)).age == 0


def test_what_the_platform_calls_idle_is_idle():
    """The word for the batch goes before all that is likely."""
    prospects = Prospects({})
    prospects.plan([batch()], NOW)
    assert prospects.of(look(batch(), idle=True)).idle


def test_ends_of_a_pipeline_tell_of_its_other_batches():
    """A pipeline that takes ten hours is left in peace in its first one; another pipeline is not."""
    prospects = Prospects({})
    prospects.plan([batch()], NOW)
    prospects.learn(ends(10 * HOUR))
    assert seen(prospects, batch(2)).forecast > 5 * HOUR
    assert seen(prospects, batch(3, pipeline="other")).forecast == pytest.approx(HOUR / 9)
    assert seen(prospects, batch(4, pipeline=None)).forecast == pytest.approx(HOUR / 9)


def test_ends_of_a_batch_that_is_not_watched_are_not_counted():
    """Nobody knows what it ran."""
    prospects = Prospects({})
    prospects.learn(ends(10 * HOUR))
    assert seen(prospects, batch()).forecast == pytest.approx(HOUR / 9)
    assert prospects.worth_keeping() == []


def test_what_was_learnt_outlives_a_restart():
    """By what is remembered of the account; other memories of it are no durations."""
    prospects = Prospects({})
    prospects.plan([batch()], NOW)
    prospects.learn(ends(10 * HOUR))
    kept = dict(prospects.worth_keeping())
    assert list(kept) == ["durations:ica.analysis_creation/germline"]
    again = Prospects({**kept, "embedded": "live"})
    assert seen(again, batch()) == seen(prospects, batch())
    assert again.worth_keeping() == []


def test_only_news_are_worth_a_write():
    """A tenth more than was kept before; a single end more is not."""
    prospects = Prospects({})
    prospects.plan([batch()], NOW)
    prospects.learn(ends(HOUR, times=100))
    assert len(prospects.worth_keeping()) == 1
    prospects.learn(ends(HOUR, times=10))
    assert prospects.worth_keeping() == []
    prospects.learn(ends(HOUR, times=1))
    assert len(prospects.worth_keeping()) == 1


def test_the_pipelines_that_ended_last_are_kept():
    """Somebody who makes a pipeline for each run does not fill the memory."""
    prospects = Prospects({})
    batches = [batch(number, pipeline=f"p{number}") for number in range(1, 603)]
    prospects.plan(batches, NOW)
    for each in batches:
        prospects.learn(ends(HOUR, times=2, number=each.number))
    kept = {name for name, _ in prospects.worth_keeping()}
    assert len(kept) == 500
    assert "durations:ica.analysis_creation/p602" in kept


def test_a_look_matters_as_much_as_the_job_that_matters_most():
    """One page may tell of several jobs."""
    prospects = Prospects({})
    assert seen(prospects, batch(1), batch(2, priority=1), batch(3, priority=9)).priority == 1
