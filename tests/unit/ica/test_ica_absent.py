"""How long an index is given, when it is worth asking again, and what is known to go unanswered."""

import pytest

from orchestrator.domain.errors import Refused, Throttled, Transient, Unauthorised
from orchestrator.domain.model import Sighting
from orchestrator.platforms.ica.absent import ASSUMED_LAG, Absent, Lag
from orchestrator.platforms.ica.questions import Route, grouped, question
from orchestrator.platforms.ica.silence import ANOTHER_TRY, LONG, Silence

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
    look = question("search", Route.OPEN, "p", [created(1), created(2)])
    return look, lambda count: grouped(look, [item(seq) for seq in range(count)])


def test_an_index_is_given_twice_what_it_took():
    """Never less than half a minute, and as long as anybody would think before anything was seen."""
    lag = Lag()
    assert lag.seconds == ASSUMED_LAG
    lag.shown(0.0)
    assert lag.seconds == 30.0
    lag.shown(60.0)
    assert lag.seconds == 120.0
    lag.outlived(200.0)
    assert lag.seconds == 400.0
    lag.outlived(1e6)
    assert lag.seconds == 900.0


async def test_a_batch_is_young_until_it_was_shown_or_its_time_is_up(clock, created, search):
    """And again when more of it has been created."""
    look, missing = search
    absent = Absent(clock)
    absent.plan([created(1, creating=50), created(2)])
    absent.swept(look, missing(3))
    assert [absent.young(each.key) for each in (created(1), created(2))] == [True, False]
    absent.swept(look, {})
    assert not absent.young(created(1).key)
    absent.plan([created(1), created(2)])
    assert absent.young(created(1).key)
    await clock.advance(31.0)
    assert not absent.young(created(1).key)


def test_what_is_old_when_we_meet_it_is_not_young(clock, created):
    """After a start nobody remembers that searches have shown it before."""
    absent = Absent(clock)
    ages = {1: 3601, 2: 60}
    absent.plan([created(number, submitted_at=clock.now() - age * SECOND) for number, age in ages.items()])
    assert [absent.young(created(number).key) for number in ages] == [False, True]


def test_batches_that_are_not_open_any_more_are_forgotten(clock, created):
    """What is held does not grow with what was done."""
    absent = Absent(clock)
    absent.plan([created(number) for number in range(50)])
    absent.plan([created(1)])
    assert len(absent._known) == 1


async def test_a_batch_rests_longer_each_time_until_something_ended(clock, created, item):
    """Half a minute at first, half an hour in the end."""
    absent, key, rests = Absent(clock), created().key, []
    absent.plan([created()])
    for _ in range(9):
        absent.visit(key, unsearched=False)
        absent.in_turn(key, [item(1)], 20)
        rests.append(absent.waits_since(key) - clock.monotonic())
        await clock.advance(2000.0)
    assert rests == pytest.approx([30, 60, 120, 240, 480, 960, 1800, 1800, 1800])
    absent.visit(key, unsearched=False)
    assert not absent.due(key)
    absent.ended(key)
    assert absent.due(key)


def test_a_batch_that_got_no_turn_keeps_its_place(clock, created, item):
    """Whoever used up the sweep's single questions does not come first again."""
    absent = Absent(clock)
    absent.plan([created(1), created(2)])
    for number, most in ((1, 20), (2, 0)):
        absent.visit(created(number).key, unsearched=False)
        absent.in_turn(created(number).key, [item(seq) for seq in range(50)], most)
    assert absent.waits_since(created(2).key) < absent.waits_since(created(1).key) <= clock.monotonic()


async def test_the_latest_ends_are_sought_when_more_is_missing_or_after_a_while(clock):
    """The same missing analyses cost a search ever more rarely, while they are young at least each half minute."""
    absent = Absent(clock)
    assert absent.ends_due("p", news=True, young=True)
    assert not absent.ends_due("p", news=False, young=True)
    assert absent.ends_due("p", news=True, young=True)
    waits = []
    for young in (True, True, True, False, False):
        waits.append(0)
        while not absent.ends_due("p", news=False, young=young):
            waits[-1] += 5
            await clock.advance(5.0)
    assert waits == [10, 20, 30, 30, 60]


# ---------------------------------------------------------------- silence


@pytest.mark.parametrize("route", [Route.JOBS, Route.OPEN, Route.ENDED])
def test_a_refusal_counts_until_an_answer(clock, created, route):
    """For its project alone."""
    silence, look = Silence(clock), question("x", route, "p", [created()])
    silence.failed(look, Refused("no", status=403))
    assert (silence.of(route, "p"), silence.of(route, "q")) == (True, False)
    silence.answered(look, Sighting([]))
    assert not silence.of(route, "p")


async def test_failures_count_once_they_last(clock, created):
    """One that passes does not, nor what says nothing of the question."""
    silence, look = Silence(clock), question("x", Route.OPEN, "p", [created()])
    for error in (Throttled("429"), Unauthorised("401")):
        silence.failed(look, error)
    silence.failed(look, Transient("500"))
    await clock.advance(LONG / 2)
    silence.failed(look, Transient("500"))
    assert not silence.of(Route.OPEN, "p")
    await clock.advance(LONG / 2 + 1)
    silence.failed(look, Transient("500"))
    assert silence.of(Route.OPEN, "p")


async def test_a_refused_follow_up_is_tried_again_after_a_while(clock, created):
    """It may have been a permission that somebody has given since."""
    silence, look = Silence(clock), question("x", Route.ENDED, "p", [created()])
    silence.failed(look, Refused("no", status=400))
    assert silence.lasts(Route.ENDED, "p")
    await clock.advance(ANOTHER_TRY)
    assert not silence.lasts(Route.ENDED, "p")
