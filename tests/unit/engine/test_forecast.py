"""What a look is likely to find: from the age of its batches, what is open in them, and what their like took before."""

from dataclasses import replace

import pytest
from planned_batch import planned_batch

from orchestrator.domain.model import BatchId, BatchKey, BatchState, JobId, Poll
from orchestrator.engine.polling.forecast import Forecasts
from orchestrator.store.changes import Ended

HOUR = 3600
NOW = 1_000_000 * 1_000_000


def batch(number=1, *, age=HOUR, **changes):
    made = planned_batch(
        job="j",
        number=number,
        items=100,
        id=BatchId(f"b{number}"),
        job_name="run",
        account="ica",
        project="p",
        kind="ica.analysis_creation",
        engine="nextflow",
        key=BatchKey(f"k{number}"),
        state=BatchState.TRACKING,
        remote_id=f"remote-{number}",
        sends=1,
        submitted_at=NOW - age * 1_000_000,
        pipeline="germline",
    )
    return replace(made, **changes)


def poll(*batches, **changes):
    subjects = {each.key: each.remote_id for each in batches}
    ids = tuple(each.id for each in batches)
    return Poll(name="l", route="r", project="p", subjects=subjects, batches=ids, cost=1, **changes)


def seen(forecasts, *batches):
    forecasts.plan(batches, NOW)
    return forecasts.of(poll(*batches))


def ends(seconds, times=50, number=1):
    return [Ended(JobId("j"), number, seconds)] * times


def test_where_nothing_is_known_the_age_tells():
    """A tenth of an hour's work is likely to end in half the time that two hours' work takes for that."""
    young, old = (seen(Forecasts({}), batch(age=age)).forecast for age in (HOUR, 2 * HOUR))
    assert (young, old) == (pytest.approx(HOUR / 9), pytest.approx(2 * HOUR / 9))


def test_a_look_at_many_is_as_young_and_as_lively_as_the_most_promising():
    """And finds what ends in any of them."""
    batches = batch(1, age=60), batch(2, age=HOUR, open=10)
    forecast = seen(Forecasts({}), *batches)
    assert forecast.age == 60
    assert forecast.forecast == pytest.approx(60 / 9)
    assert forecast.ends == pytest.approx(0.9 * (100 / 60 + 10 / HOUR))


def test_a_look_at_many_waits_for_the_first_of_them_to_end():
    """A batch that is about to end is seen in time beside one that has hours to go, whichever is younger."""
    forecasts = Forecasts({})
    about, hours = batch(1, age=HOUR, pipeline="short"), batch(2, age=60)
    forecasts.plan([about, hours], NOW)
    forecasts.learn(ends(1.1 * HOUR, number=1) + ends(10 * HOUR, number=2))
    assert seen(forecasts, about, hours).forecast == seen(forecasts, about).forecast < 0.2 * HOUR
    assert seen(forecasts, hours).forecast > 5 * HOUR


def test_a_clock_that_was_set_back_makes_nothing_younger_than_new():
    """An age below nothing counts as nothing."""
    assert seen(Forecasts({}), batch(age=-2 * HOUR)).age == 0


def test_what_the_platform_calls_idle_is_idle():
    """The word for the batch goes before all that is likely."""
    forecasts = Forecasts({})
    forecasts.plan([batch()], NOW)
    assert forecasts.of(poll(batch(), idle=True)).idle


def test_ends_of_a_pipeline_tell_of_its_other_batches():
    """A pipeline that takes ten hours is left in peace in its first one; another pipeline is not."""
    forecasts = Forecasts({})
    forecasts.plan([batch()], NOW)
    forecasts.learn(ends(10 * HOUR))
    assert seen(forecasts, batch(2)).forecast > 5 * HOUR
    assert seen(forecasts, batch(3, pipeline="other")).forecast == pytest.approx(HOUR / 9)
    assert seen(forecasts, batch(4, pipeline=None)).forecast == pytest.approx(HOUR / 9)


def test_ends_of_a_batch_that_is_not_watched_are_not_counted():
    """Nobody knows what it ran."""
    forecasts = Forecasts({})
    forecasts.learn(ends(10 * HOUR))
    assert seen(forecasts, batch()).forecast == pytest.approx(HOUR / 9)
    assert forecasts.worth_keeping() == []


def test_what_was_learnt_outlives_a_restart():
    """By what is remembered of the account; other memories of it are no durations."""
    forecasts = Forecasts({})
    forecasts.plan([batch()], NOW)
    forecasts.learn(ends(10 * HOUR))
    kept = dict(forecasts.worth_keeping())
    assert list(kept) == ["durations:ica.analysis_creation/germline"]
    again = Forecasts({**kept, "embedded": "live"})
    assert seen(again, batch()) == seen(forecasts, batch())
    assert again.worth_keeping() == []


def test_only_news_are_worth_a_write():
    """A tenth more than was kept before; a single end more is not."""
    forecasts = Forecasts({})
    forecasts.plan([batch()], NOW)
    forecasts.learn(ends(HOUR, times=100))
    assert len(forecasts.worth_keeping()) == 1
    forecasts.learn(ends(HOUR, times=10))
    assert forecasts.worth_keeping() == []
    forecasts.learn(ends(HOUR, times=1))
    assert len(forecasts.worth_keeping()) == 1


def test_the_pipelines_that_ended_last_are_kept():
    """Somebody who makes a pipeline for each run does not fill the memory."""
    forecasts = Forecasts({})
    batches = [batch(number, pipeline=f"p{number}") for number in range(1, 603)]
    forecasts.plan(batches, NOW)
    for each in batches:
        forecasts.learn(ends(HOUR, times=2, number=each.number))
    kept = {name for name, _ in forecasts.worth_keeping()}
    assert len(kept) == 500
    assert "durations:ica.analysis_creation/p602" in kept


def test_a_look_matters_as_much_as_the_job_that_matters_most():
    """One page may tell of several jobs."""
    forecasts = Forecasts({})
    assert seen(forecasts, batch(1), batch(2, priority=1), batch(3, priority=9)).priority == 1
