"""When each look is due: never twice at a time, never forgotten, no more often than the budget grants."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from polls import AIMS, budget_state, names, poll, want

from orchestrator.domain.polling.targets import POLLING_SHARE, BudgetState
from orchestrator.engine.polling.schedule import Schedule


@pytest.fixture
def schedule():
    return Schedule(AIMS, budget_state())


# ---------------------------------------------------------------- how old the oldest answer is


def test_the_oldest_answer_is_that_of_the_look_answered_least_recently(schedule):
    """Before its first answer a look counts from when it was wanted; a failure is no answer."""
    assert schedule.oldest is None
    want(schedule, [(poll("a"), 3600)], now=100)
    want(schedule, [(poll("a"), 3600), (poll("b"), 3600)], now=150)
    assert schedule.oldest == 100
    schedule.start(poll("a"))
    schedule.failed(poll("a"), now=160, pause=5)
    assert schedule.oldest == 100
    schedule.start(poll("a"))
    schedule.done(poll("a"), began=170, now=170)
    assert schedule.oldest == 150
    want(schedule, [], now=180)
    assert schedule.oldest is None


# ---------------------------------------------------------------- new looks


@pytest.mark.parametrize(("age", "due"), [(0, 110), (4, 106), (10, 100), (3600, 100)])
def test_a_new_look_is_due_one_minimal_interval_after_what_it_covers_began(schedule, age, due):
    """What has just been submitted is left alone for ten seconds; after a start, everything old is due at once."""
    want(schedule, [(poll("a"), age)], now=100)
    assert due == schedule.next_due()


def test_nothing_wanted_is_never_due(schedule):
    """An empty schedule has nothing to ask and no next time."""
    assert ([], math.inf, 0) == (schedule.due(now=1e9), schedule.next_due(), schedule.cost_within(1e9, now=0))


def test_wanting_again_changes_no_time(schedule):
    """A look that is still wanted keeps its turn while its age grows."""
    want(schedule, [(poll("a"), 0)], now=0)
    want(schedule, [(poll("a"), 9)], now=9)
    assert schedule.next_due() == 10


def test_wanting_again_asks_the_newest_question(schedule):
    """Of two looks with one name the later one, which knows the batches of now, is asked."""
    want(schedule, [(poll("a", cost=1), 60)], now=0)
    newest = poll("a", cost=7)
    want(schedule, [(newest, 60)], now=0)
    assert schedule.due(now=0) == [newest]


# ---------------------------------------------------------------- asking


def test_a_look_that_is_being_asked_is_not_due(schedule):
    """It is started once, however often it is wanted meanwhile."""
    wanted = [(poll("a"), 60)]
    want(schedule, wanted, now=0)
    schedule.start(wanted[0][0])
    want(schedule, wanted, now=500)
    assert ([], math.inf) == (schedule.due(now=1000), schedule.next_due())


@pytest.mark.parametrize(("age", "rest"), [(0, 10), (600, 10), (7200, 36), (86_400, 300)])
def test_a_look_that_was_answered_rests_according_to_its_age(schedule, age, rest):
    """Ten seconds for the young, half a hundredth of its age later on, five minutes at most."""
    want(schedule, [(poll("a"), age)], now=0)
    schedule.start(poll("a"))
    schedule.done(poll("a"), began=50, now=50)
    assert 50 + rest == schedule.next_due()


@pytest.mark.parametrize(("age", "rest"), [(0, 10), (600, 60), (86_400, 300)])
def test_where_no_request_is_to_spare_a_look_rests_until_a_tenth_is_likely_to_have_ended(age, rest):
    """Of work of unknown duration that is a tenth of its age: a hundred such looks take all there is."""
    schedule = Schedule(AIMS, budget_state(requests=100, per=10 * max(age, 100)))
    want(schedule, [(poll(f"l{number}"), age) for number in range(100)], now=0)
    for number in range(100):
        schedule.start(poll(f"l{number}"))
        schedule.done(poll(f"l{number}"), began=50, now=50)
    assert 50 + rest == schedule.next_due()


@pytest.mark.parametrize(("used", "rest"), [(0.0, 10), (1.0, 400 * 60 / (100 * POLLING_SHARE))])
def test_the_rest_follows_the_budget(used, rest):
    """Looks of 400 requests on a budget of 100 a minute: all that lapses otherwise, or no more than their share."""
    schedule = Schedule(AIMS, budget_state(used, requests=100, per=60))
    want(schedule, [(poll("dear", cost=300), 0), (poll("cheap", cost=100), 0)], now=0)
    for name, now in (("cheap", 50), ("dear", 70)):
        schedule.start(poll(name))
        schedule.done(poll(name), began=now, now=now)
    assert 50 + rest == pytest.approx(schedule.next_due())


def test_the_budget_is_asked_at_each_answer():
    """A window that fills up makes the next rests longer, one that empties makes them short again."""
    share = 0.0
    schedule = Schedule(AIMS, lambda: BudgetState(100, 60, share))
    want(schedule, [(poll("dear", cost=400), 0)], now=0)
    rests = []
    for share in (0.0, 1.0, 0.0):  # noqa: B007 - read by the schedule
        schedule.start(poll("dear"))
        schedule.done(poll("dear"), began=100, now=100)
        rests.append(schedule.next_due() - 100)
    assert [10, pytest.approx(400 * 60 / (100 * POLLING_SHARE)), 10] == rests


@pytest.mark.parametrize(("ended", "due"), [(3, 10), (30, 30)])
def test_an_interval_counts_from_the_beginning_of_a_look(schedule, ended, due):
    """A long look leaves less of its interval to rest, and one that took all of it comes again at once."""
    want(schedule, [(poll("a"), 60)], now=0)
    schedule.start(poll("a"))
    schedule.done(poll("a"), began=0, now=ended)
    assert schedule.next_due() == due


def test_a_look_that_failed_comes_again_after_the_pause(schedule):
    """Neither sooner nor at its usual interval."""
    want(schedule, [(poll("a"), 60)], now=0)
    schedule.start(poll("a"))
    schedule.failed(poll("a"), now=5, pause=42)
    assert schedule.next_due() == 47
    assert names(schedule.due(now=47)) == ["a"]


# ---------------------------------------------------------------- something younger joins


def test_a_resting_look_that_covers_something_younger_rests_no_longer_than_that_needs(schedule):
    """A search that was asked for old analyses does not let new ones wait for five minutes."""
    want(schedule, [(poll("search"), 86_400)], now=0)
    schedule.start(poll("search"))
    schedule.done(poll("search"), began=0, now=0)
    assert schedule.next_due() == 300
    want(schedule, [(poll("search"), 0)], now=20)
    assert schedule.next_due() == 30


def test_something_younger_never_postpones_a_look(schedule):
    """A look that is due soon stays due soon."""
    want(schedule, [(poll("search"), 86_400)], now=0)
    want(schedule, [(poll("search"), 0)], now=5)
    assert schedule.next_due() == 0


def test_something_younger_does_not_shorten_the_pause_of_a_failed_look(schedule):
    """A refused question is not put again before its time because there is more to ask."""
    want(schedule, [(poll("search"), 86_400)], now=0)
    schedule.start(poll("search"))
    schedule.failed(poll("search"), now=0, pause=300)
    want(schedule, [(poll("search"), 0)], now=20)
    assert schedule.next_due() == 300


def test_a_look_rests_no_longer_once_requests_are_left_over():
    """What rested for minutes because others took the budget is asked soon after those have ended."""
    schedule = Schedule(AIMS, budget_state(requests=100, per=300))
    many = [(poll(f"l{number}"), 3600) for number in range(100)]
    want(schedule, many, now=0)
    schedule.start(poll("l0"))
    schedule.done(poll("l0"), began=0, now=0)
    for each, _ in many[1:]:
        schedule.start(each)
    assert schedule.next_due() == 300
    want(schedule, many[:1], now=20)
    assert schedule.next_due() == 20 + 18


# ---------------------------------------------------------------- the platform's word changes


def test_a_resting_look_is_due_at_once_when_the_word_for_its_batch_changes(schedule):
    """A batch whose job moved has something to show; its own interval may be minutes."""
    want(schedule, [(poll("items", word="RUNNING"), 86_400)], now=0)
    schedule.start(poll("items"))
    schedule.done(poll("items"), began=0, now=0)
    want(schedule, [(poll("items", word="RUNNING"), 86_400)], now=20)
    assert schedule.next_due() == 300
    want(schedule, [(poll("items", word="SUCCEEDED"), 86_400)], now=30)
    assert names(schedule.due(now=30)) == ["items"]


def test_a_look_whose_word_changes_while_it_is_asked_comes_again_at_once(schedule):
    """The pages that were read before may have been those that changed."""
    want(schedule, [(poll("items", word="RUNNING"), 86_400)], now=0)
    schedule.start(poll("items"))
    want(schedule, [(poll("items", word="SUCCEEDED"), 86_400)], now=5)
    schedule.done(poll("items"), began=0, now=9)
    assert schedule.next_due() == 9
    schedule.start(poll("items"))
    schedule.done(poll("items"), began=9, now=9)
    assert schedule.next_due() == 309


def test_a_changed_word_does_not_shorten_the_pause_of_a_failed_look(schedule):
    """What was refused is not asked before its time, whatever is new."""
    want(schedule, [(poll("items", word="RUNNING"), 86_400)], now=0)
    schedule.start(poll("items"))
    schedule.failed(poll("items"), now=0, pause=300)
    want(schedule, [(poll("items", word="SUCCEEDED"), 86_400)], now=20)
    assert schedule.next_due() == 300


# ---------------------------------------------------------------- vanishing


def test_a_look_that_is_wanted_no_more_is_dropped(schedule):
    """What was settled is not asked about, and costs nothing."""
    want(schedule, [(poll("a"), 60), (poll("b"), 60)], now=0)
    want(schedule, [(poll("b"), 60)], now=0)
    assert names(schedule.due(now=1000)) == ["b"]
    assert schedule.cost_within(5, now=0) == 1


def test_a_look_that_vanishes_while_it_is_asked_is_dropped_afterwards(schedule):
    """Its answer may come; then it is gone with the next wish."""
    want(schedule, [(poll("a"), 60)], now=0)
    schedule.start(poll("a"))
    want(schedule, [], now=1)
    schedule.done(poll("a"), began=2, now=2)
    want(schedule, [], now=3)
    assert ([], math.inf) == (schedule.due(now=1e9), schedule.next_due())


def test_a_look_that_vanishes_and_comes_back_is_still_asked_only_once(schedule):
    """Being wanted again while the first asking goes on starts no second one."""
    wanted = [(poll("a"), 60)]
    want(schedule, wanted, now=0)
    schedule.start(poll("a"))
    want(schedule, [], now=1)
    want(schedule, wanted, now=2)
    assert schedule.due(now=1e9) == []
    schedule.done(poll("a"), began=3, now=3)
    assert schedule.next_due() == 13


# ---------------------------------------------------------------- declaring the backlog


def test_the_backlog_is_what_falls_due_in_the_window(schedule):
    """The requests of all looks due by then are counted, with what each is expected to take, as often as it comes."""
    want(schedule, [(poll("now", cost=3), 60), (poll("soon", cost=5), 2), (poll("later", cost=7), 0)], now=0)
    assert [schedule.cost_within(seconds, now=0) for seconds in (0, 8, 9, 10, 20)] == [3, 8, 8, 18, 33]


# ---------------------------------------------------------------- whatever happens


class AnyOrder(RuleBasedStateMachine):
    """Wishes, starts, answers and failures in any order: what must hold all the same."""

    NAMES = "abcde"

    def __init__(self):
        super().__init__()
        self.schedule = Schedule(AIMS, budget_state())
        self.now = 0.0
        self.wanted = set()
        self.asked = {}

    @rule(wanted=st.dictionaries(st.sampled_from(NAMES), st.floats(-100, 1e5)))
    def want(self, wanted):
        want(self.schedule, [(poll(name), age) for name, age in wanted.items()], now=self.now)
        self.wanted = set(wanted)

    @rule(seconds=st.floats(0, 400))
    def wait(self, seconds):
        self.now += seconds

    @precondition(lambda self: self.schedule.due(now=self.now))
    @rule(data=st.data())
    def start(self, data):
        chosen = data.draw(st.sampled_from(self.schedule.due(now=self.now)))
        assert chosen.name not in self.asked, "started while it is being asked"
        self.schedule.start(chosen)
        self.asked[chosen.name] = chosen

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), pause=st.none() | st.floats(0.5, 60))
    def answer(self, data, pause):
        asked = self.asked.pop(data.draw(st.sampled_from(sorted(self.asked))))
        if pause is None:
            self.schedule.done(asked, began=self.now, now=self.now)
        else:
            self.schedule.failed(asked, now=self.now, pause=pause)
        rest = AIMS.min_interval if pause is None else pause
        assert asked.name not in names(self.schedule.due(now=self.now + rest * 0.999)), "asked again without a rest"

    @invariant()
    def nothing_wanted_is_forgotten(self):
        everything = set(names(self.schedule.due(now=math.inf)))
        assert self.wanted - self.asked.keys() <= everything

    @invariant()
    def nothing_is_due_while_it_is_asked(self):
        assert not self.asked.keys() & set(names(self.schedule.due(now=math.inf)))

    @invariant()
    def the_next_time_is_the_time_of_the_first_due(self):
        due = self.schedule.next_due()
        assert math.isinf(due) or self.schedule.due(now=due)
        assert not self.schedule.due(now=math.nextafter(due, -math.inf))

    @invariant()
    def everything_resting_is_due_within_the_longest_interval(self):
        assert math.isinf(self.schedule.next_due()) or self.schedule.next_due() <= self.now + AIMS.max_interval


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
