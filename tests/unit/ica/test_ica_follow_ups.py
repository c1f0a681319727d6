"""What is asked about what a question did not tell: most of it together, the rest in turn, and nothing too early."""

import json

import pytest
from stages import Stage

from orchestrator.domain.errors import Missing, Refused
from orchestrator.domain.model import ItemState, JobId, Learned
from orchestrator.platforms.ica.polling.index_lag import ASSUMED_LAG
from orchestrator.platforms.ica.polling.routes import wanted

SEARCH = "analysis:search"


@pytest.fixture
def young(ica, batch):
    """An account, and the search that two batches of it share; their analyses have just been created."""
    account = ica(page_size=10, memory={"embedded": "snapshot"})
    batches = [batch(n, creating=0, items=100, open=100, status_final=True) for n in (1, 2)]
    (poll,) = account.polls(batches)
    return account, poll


@pytest.fixture
async def opened(young, clock):
    """The same, when any search should show what goes on."""
    await clock.advance(ASSUMED_LAG + 1)
    return young


def down(account, poll, missing):
    """The questions about `missing` when the latest ends did not tell of it."""
    polls = account.follow_up(poll, missing)
    if polls and polls[0].route == "ended":
        polls = account.follow_up(polls[0], missing)
    return polls


def test_a_few_missing_analyses_are_asked_one_by_one(opened, item, batch):
    """Up to three requests are no more than a search and its follow-ups."""
    account, poll = opened
    polls = account.follow_up(poll, [item(1), item(2, batch=2), item(3)])
    assert [(each.route, wanted(each.named)) for each in polls] == [
        ("analysis", {"a1": "run/s1"}),
        ("analysis", {"a3": "run/s3"}),
        ("analysis", {"a2": "run/s2"}),
    ]
    assert [list(each.subjects) for each in polls] == [[batch(1).key], [batch(1).key], [batch(2).key]]
    assert [each.batches for each in polls] == [("b1",), ("b1",), ("b2",)]


def test_many_missing_analyses_are_sought_among_the_latest_ends(opened, item):
    """One listing of what ended tells of all that vanished together."""
    account, poll = opened
    (ended,) = account.follow_up(poll, [item(seq, batch=1 + seq % 2) for seq in range(25)])
    assert (ended.route, ended.cost, len(wanted(ended.named)), ended.expects) == ("ended", 3, 25, {Stage.ANALYSIS})


async def test_the_listing_of_ends_stops_when_all_are_told(opened, item, batch, script, analysis):
    """Newest first, and what nobody misses is not told."""
    account, poll = opened
    (ended,) = account.follow_up(poll, [item(seq) for seq in range(1, 5)])
    key = batch().key
    script.say(
        SEARCH,
        {"items": [analysis(key, 1, "SUCCEEDED"), analysis(key, 99, "FAILED"), analysis(key, 2, "ABORTED")]},
        {"items": [analysis(key, 3, "SUCCEEDED"), analysis(key, 4, "FAILED_FINAL")]},
    )
    first = await account.poll(ended)
    assert [told.seq for told in first.observations] == [1, 2]
    second = await account.poll(first.next)
    assert [told.state for told in second.observations] == [ItemState.SUCCEEDED, ItemState.FAILED]
    assert second.next is None
    assert script.last().params == {"pageOffset": "3", "pageSize": "10", "sort": "endDate desc"}


async def test_the_listing_of_ends_is_bounded(opened, item, batch, script, analysis):
    """What did not end is not sought through years of ends."""
    account, poll = opened
    (page,) = account.follow_up(poll, [item(seq) for seq in range(1, 25)])
    script.say(SEARCH, {"items": [analysis(batch().key, 99, "SUCCEEDED")]})
    while page is not None:
        page = (await account.poll(page)).next
    assert len(script.routes()) == 5


def test_what_the_ends_do_not_tell_is_sought_by_batch_or_alone(opened, item, batch):
    """A batch that misses many is searched by its tag; one that misses a few is not."""
    account, poll = opened
    missing = [item(seq) for seq in range(1, 9)] + [item(seq, batch=2) for seq in (20, 21)]
    (ended,) = account.follow_up(poll, missing)
    polls = account.follow_up(ended, missing)
    assert [each.route for each in polls] == ["tagged", "analysis", "analysis"]
    assert list(polls[0].subjects) == [batch(1).key]
    assert len(wanted(polls[0].named)) == 8


@pytest.mark.parametrize("batches", [1, 2])
async def test_what_no_search_lists_is_asked_for_in_turn(opened, item, clock, batches):
    """A hundred deleted analyses cost twenty requests a sweep, of whichever batch, and each has its turn."""
    account, poll = opened
    missing = [item(seq, batch=1 + seq % batches) for seq in range(100)]
    asked: list[str] = []
    for _ in range(5):
        before = len(asked)
        for each in down(account, poll, missing):
            theirs = [one for one in missing if (one.job, one.batch) in each.homes]
            singles = [each] if each.route == "analysis" else account.follow_up(each, theirs) or ()
            asked += [next(iter(wanted(single.named))) for single in singles]
        assert len(asked) - before == 20
        await clock.advance(10.0)
    assert len(set(asked)) == 100


async def test_an_analysis_that_is_gone_says_nothing(opened, item, script):
    """The engine counts the miss; there is nothing more to ask."""
    account, poll = opened
    (alone,) = account.follow_up(poll, [item(1)])
    script.say("analyses/get", Missing("gone", status=404))
    assert list((await account.poll(alone)).observations) == []
    assert list(account.follow_up(alone, [item(1)])) == []


async def test_an_analysis_asked_for_is_the_items_whatever_its_tags(opened, item, batch, script, analysis):
    """We asked for it by the id that the item has."""
    account, poll = opened
    (alone,) = account.follow_up(poll, [item(1)])
    script.say("analyses/get", analysis("another-key", 9, "SUCCEEDED", instance="there", id="a1"))
    (seen,) = (await account.poll(alone)).observations
    assert (seen.batch, seen.seq, seen.key, seen.state) == (batch().key, None, "run/s1", ItemState.SUCCEEDED)


def test_unlisted_items_are_sought_by_tag_and_counted_in_turn(ica, batch, item):
    """Every other sweep asks whether the analysis exists all the same; the ones between count the miss."""
    account = ica()
    poll = account.polls([batch(status_final=True)])[0]
    missing = [item(1, stage=Stage.CREATION, remote_id=None)]
    asked = [[each.route for each in account.follow_up(poll, missing)] for _ in range(4)]
    assert asked == [["tagged"], [], ["tagged"], []]


def test_an_item_of_another_job_is_not_followed(opened, item):
    """Only what the look covers can be followed up."""
    account, poll = opened
    assert list(account.follow_up(poll, [item(1, job=JobId("j9"))])) == []


async def test_a_new_word_is_learnt_once_and_asked_for(opened, item, script, analysis, batch):
    """A word that nobody knows joins the filter, so that its analyses do not vanish again."""
    account, poll = opened
    (alone,) = account.follow_up(poll, [item(1)])
    script.say("analyses/get", analysis(batch().key, 1, "HIBERNATING"))
    first, again = await account.poll(alone), await account.poll(alone)
    assert Learned("words", "HIBERNATING") in first.observations
    assert [told for told in again.observations if isinstance(told, Learned)] == []
    script.say(SEARCH, {"items": []})
    await account.poll(poll)
    assert "HIBERNATING" in json.loads(script.last().body)["status"]


# ---------------------------------------------------------------- what is too early, or in vain


async def test_young_analyses_that_are_missing_are_given_time(young, item):
    """One search for the latest ends, and then nothing: no miss is counted either."""
    account, poll = young
    missing = [item(seq) for seq in range(100)]
    (ended,) = account.follow_up(poll, missing)
    assert (ended.route, ended.cost) == ("ended", 1)
    assert account.follow_up(ended, missing) is None
    assert account.follow_up(poll, missing) is None


async def test_nothing_missing_asks_nothing(opened):
    """It teaches that all are shown."""
    account, poll = opened
    assert list(account.follow_up(poll, [])) == []


@pytest.mark.parametrize(
    ("embedded", "routes"),
    [
        ("live", ["creation_items"] * 3),
        ("unknown", ["creation_items", "tagged", "creation_items"]),
        ("snapshot", ["tagged"] * 3),
    ],
)
async def test_the_page_of_a_batch_that_misses_most_comes_first(*, ica, batch, item, clock, embedded, routes):
    """One request tells a thousand items where the words embedded there may be believed."""
    account = ica(memory={"embedded": embedded})
    (poll,) = account.polls([batch(creating=0, items=30, open=30, status_final=True)])
    await clock.advance(ASSUMED_LAG + 1)
    missing, asked = [item(seq) for seq in range(20)], []
    for _ in range(3):
        (first,) = down(account, poll, missing)
        asked.append(str(first.route))
        for each in account.follow_up(first, missing) or ():
            account.follow_up(each, missing)
        await clock.advance(2000.0)
    assert asked == routes


async def test_what_was_asked_in_vain_is_not_asked_each_sweep(opened, item, clock):
    """Three that are never told cost a few requests, and then fewer and fewer."""
    account, poll = opened
    missing, singles = [item(1), item(2)], 0
    for _ in range(60):
        singles += sum(each.route == "analysis" for each in down(account, poll, missing) or ())
        await clock.advance(10.0)
    assert 6 <= singles <= 12


async def test_a_refused_follow_up_tells_nothing_and_is_left_alone(opened, item, script, clock):
    """The next questions are asked all the same, and for an hour without it."""
    account, poll = opened
    missing = [item(seq) for seq in range(10)]
    (ended,) = account.follow_up(poll, missing)
    script.say(SEARCH, Refused("cannot sort", status=400))
    assert list((await account.poll(ended)).observations) == []
    assert [each.route for each in account.follow_up(ended, missing)] == ["tagged"]
    await clock.advance(1800.0)
    assert [each.route for each in account.follow_up(poll, missing)] == ["tagged"]
