"""How long an index is given, when it is worth asking again, and what is known to go unanswered."""

import pytest

from orchestrator.domain.errors import Refused, Throttled, Transient, Unauthorised
from orchestrator.domain.model import PollResult
from orchestrator.platforms.ica.polling.index_lag import ASSUMED_LAG, Lag
from orchestrator.platforms.ica.polling.routes import Route, grouped, question
from orchestrator.platforms.ica.polling.unanswered_polls import ANOTHER_TRY, LONG, UnansweredPolls
from orchestrator.platforms.ica.polling.unlisted_analyses import UnlistedAnalyses

SECOND = 1_000_000


@pytest.fixture
def created(batch):
    """Builds a batch of a hundred analyses of which so many are still being created."""

    def build(number=1, creating=0, **changes):
        return batch(number, items=100, open=100, creating=creating, status_final=True, **changes)

    return build


@pytest.fixture
def search(created, item):
    """The search that two batches share, and what is missing from it: so many of the first."""
    poll = question("search", Route.OPEN, "p", [created(1), created(2)])
    return poll, lambda count: grouped(poll, [item(seq) for seq in range(count)])


def test_an_index_is_given_twice_what_it_took():
    """Never less than half a minute, and as long as anybody would think before anything was seen."""
    lag = Lag()
    assert lag.seconds == ASSUMED_LAG
    lag.listed(0.0)
    assert lag.seconds == 30.0
    lag.listed(60.0)
    assert lag.seconds == 120.0
    lag.not_listed(200.0)
    assert lag.seconds == 400.0
    lag.not_listed(1e6)
    assert lag.seconds == 900.0


async def test_a_batch_is_young_until_it_was_shown_or_its_time_is_up(clock, created, search):
    """And again when more of it has been created."""
    poll, missing = search
    unlisted_analyses = UnlistedAnalyses(clock)
    unlisted_analyses.plan([created(1, creating=50), created(2)])
    unlisted_analyses.open_searched(poll, missing(3))
    assert [unlisted_analyses.young(each.key) for each in (created(1), created(2))] == [True, False]
    unlisted_analyses.open_searched(poll, {})
    assert not unlisted_analyses.young(created(1).key)
    unlisted_analyses.plan([created(1), created(2)])
    assert unlisted_analyses.young(created(1).key)
    await clock.advance(31.0)
    assert not unlisted_analyses.young(created(1).key)


def test_what_is_old_when_we_meet_it_is_not_young(clock, created):
    """After a start nobody remembers that searches have shown it before."""
    unlisted_analyses = UnlistedAnalyses(clock)
    ages = {1: 3601, 2: 60}
    unlisted_analyses.plan([created(number, submitted_at=clock.now() - age * SECOND) for number, age in ages.items()])
    assert [unlisted_analyses.young(created(number).key) for number in ages] == [False, True]


def test_batches_that_are_not_open_any_more_are_forgotten(clock, created):
    """What is held does not grow with what was done."""
    unlisted_analyses = UnlistedAnalyses(clock)
    unlisted_analyses.plan([created(number) for number in range(50)])
    unlisted_analyses.plan([created(1)])
    assert len(unlisted_analyses._tracked) == 1


async def test_a_batch_rests_longer_each_time_until_something_ended(clock, created, item):
    """Half a minute at first, half an hour in the end."""
    unlisted_analyses, key, rests = UnlistedAnalyses(clock), created().key, []
    unlisted_analyses.plan([created()])
    for _ in range(9):
        unlisted_analyses.visit(key, unsearched=False)
        unlisted_analyses.in_turn(key, [item(1)], 20)
        rests.append(unlisted_analyses.waits_since(key) - clock.monotonic())
        await clock.advance(2000.0)
    assert rests == pytest.approx([30, 60, 120, 240, 480, 960, 1800, 1800, 1800])
    unlisted_analyses.visit(key, unsearched=False)
    assert not unlisted_analyses.due(key)
    unlisted_analyses.ended(key)
    assert unlisted_analyses.due(key)


def test_a_batch_that_got_no_turn_keeps_its_place(clock, created, item):
    """Whoever used up the sweep's single questions does not come first again."""
    unlisted_analyses = UnlistedAnalyses(clock)
    unlisted_analyses.plan([created(1), created(2)])
    for number, most in ((1, 20), (2, 0)):
        unlisted_analyses.visit(created(number).key, unsearched=False)
        unlisted_analyses.in_turn(created(number).key, [item(seq) for seq in range(50)], most)
    assert (
        unlisted_analyses.waits_since(created(2).key)
        < unlisted_analyses.waits_since(created(1).key)
        <= clock.monotonic()
    )


async def test_the_latest_ends_are_sought_when_more_is_missing_or_after_a_while(clock):
    """The same missing analyses cost a search ever more rarely, while they are young at least each half minute."""
    unlisted_analyses = UnlistedAnalyses(clock)
    assert unlisted_analyses.ends_due("p", more_missing=True, young=True)
    assert not unlisted_analyses.ends_due("p", more_missing=False, young=True)
    assert unlisted_analyses.ends_due("p", more_missing=True, young=True)
    waits = []
    for young in (True, True, True, False, False):
        waits.append(0)
        while not unlisted_analyses.ends_due("p", more_missing=False, young=young):
            waits[-1] += 5
            await clock.advance(5.0)
    assert waits == [10, 20, 30, 30, 60]


# ---------------------------------------------------------------- silence


@pytest.mark.parametrize("route", [Route.JOBS, Route.OPEN, Route.ENDED])
def test_a_refusal_counts_until_an_answer(clock, created, route):
    """For its project alone."""
    unanswered, poll = UnansweredPolls(clock), question("x", route, "p", [created()])
    unanswered.failed(poll, Refused("no", status=403))
    assert (unanswered.of(route, "p"), unanswered.of(route, "q")) == (True, False)
    unanswered.answered(poll, PollResult([]))
    assert not unanswered.of(route, "p")


async def test_failures_count_once_they_last(clock, created):
    """One that passes does not, nor what says nothing of the question."""
    unanswered, poll = UnansweredPolls(clock), question("x", Route.OPEN, "p", [created()])
    for error in (Throttled("429"), Unauthorised("401")):
        unanswered.failed(poll, error)
    unanswered.failed(poll, Transient("500"))
    await clock.advance(LONG / 2)
    unanswered.failed(poll, Transient("500"))
    assert not unanswered.of(Route.OPEN, "p")
    await clock.advance(LONG / 2 + 1)
    unanswered.failed(poll, Transient("500"))
    assert unanswered.of(Route.OPEN, "p")


async def test_a_refused_follow_up_is_tried_again_after_a_while(clock, created):
    """It may have been a permission that somebody has given since."""
    unanswered, poll = UnansweredPolls(clock), question("x", Route.ENDED, "p", [created()])
    unanswered.failed(poll, Refused("no", status=400))
    assert unanswered.skipped(Route.ENDED, "p")
    await clock.advance(ANOTHER_TRY)
    assert not unanswered.skipped(Route.ENDED, "p")
