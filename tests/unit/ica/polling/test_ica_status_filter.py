"""At the end of a large batch only those items are asked for that go on, and what that leaves out is not lost."""

import pytest
from stages import Stage

from orchestrator.domain.errors import Refused
from orchestrator.domain.model import ItemState, Learned

LINKS, CREATIONS = "dataLinkingBatch/items", "analysisCreationBatch/items"
OPEN_LINK = ["INITIALISED", "WAITING_RESOURCES", "RUNNING"]


def link(number, status):
    return {"processing": {"status": status}, "request": {"dataId": f"fil.{number}"}}


def asked_for(call):
    return [value for name, value in call.params if name == "status"]


@pytest.fixture
def links(batch):
    """Builds a batch of 25,000 links of which so many go on."""

    def build(left):
        return batch(kind="ica.data_linking", creating=0, items=25_000, open=left, status="RUNNING", status_final=True)

    return build


@pytest.mark.parametrize(
    ("left", "route", "cost"),
    [(25_000, "linking_items", 25), (6_001, "linking_items", 25), (6_000, "linking_unresolved", 6)],
)
def test_the_last_items_of_a_large_batch_are_asked_for_by_their_status(ica, links, left, route, cost):
    """Once a quarter of the pages would do: until then the whole list tells more for each request."""
    (poll,) = ica().polls([links(left)])
    assert (poll.name, poll.route, poll.cost, poll.expects) == ("items:b1", route, cost, {Stage.LINK})


def test_a_batch_of_one_page_is_read_whole(ica, batch):
    """The same request tells everything."""
    (poll,) = ica().polls([batch(kind="ica.data_linking", creating=0, items=1000, open=1, status_final=True)])
    assert poll.route == "linking_items"


def test_by_items_the_last_links_are_asked_for_by_their_status_too(ica, links):
    """These are pages of items, and one straggler is not worth 25 of them."""
    (poll,) = ica(strategy="items").polls([links(1)])
    assert (poll.route, poll.cost) == ("linking_unresolved", 1)


def test_by_items_pages_that_tell_of_analyses_are_read_whole(ica, batch):
    """What a few items wait for hides no analysis that was created."""
    sent = batch(items=25_000, open=25_000, creating=1, status_final=True)
    (poll,) = ica(strategy="items", memory={"embedded": "live"}).polls([sent])
    assert (poll.route, poll.cost) == ("creation_items", 25)


async def test_a_narrow_list_asks_for_all_open_words_and_tells_what_goes_on(ica, links, script):
    """Page by page, as the whole list."""
    account = ica()
    (poll,) = account.polls([links(2)])
    script.say(LINKS, {"items": [link(1, "RUNNING")], "nextPageToken": "t"}, {"items": [link(2, "INITIALISED")]})
    first = await account.poll(poll)
    assert asked_for(script.last()) == OPEN_LINK
    second = await account.poll(first.next)
    assert (asked_for(script.last()), second.next) == (OPEN_LINK, None)
    assert [told.state for told in (*first.observations, *second.observations)] == [
        ItemState.RUNNING,
        ItemState.SUBMITTED,
    ]


async def test_what_a_narrow_list_leaves_out_the_whole_list_tells(ica, links, script, item):
    """It was resolved; how, only its own row says."""
    account = ica()
    (poll,) = account.polls([links(2)])
    (whole,) = account.follow_up(poll, [item(1, stage=Stage.LINK)])
    assert (whole.name, whole.route, whole.cost, whole.expects) == (
        "whole:items:b1",
        "linking_items",
        25,
        {Stage.LINK},
    )
    script.say(LINKS, {"items": [link(1, "LINKED")]})
    (told,) = (await account.poll(whole)).observations
    assert (asked_for(script.last()), told.state) == ([], ItemState.SUCCEEDED)
    assert account.follow_up(whole, [item(2, stage=Stage.LINK)]) == []


def test_a_filter_that_leaves_out_what_goes_on_is_not_used_again(ica, links, item):
    """When the whole list behind it changed nothing, it is read at once the next time; a change gives another try."""
    account = ica()
    (poll,) = account.polls([links(2)])
    account.follow_up(poll, [item(1, stage=Stage.LINK)])
    assert [account.polls([links(left)])[0].route for left in (2, 1)] == ["linking_items", "linking_unresolved"]


async def test_a_filter_that_is_refused_is_asked_for_no_more(ica, links, script):
    """The whole list is read in its place at once, and the account remembers it over restarts."""
    account = ica()
    (poll,) = account.polls([links(2)])
    script.say(LINKS, Refused("unknown parameter", status=400), {"items": [link(1, "RUNNING")]})
    refused = await account.poll(poll)
    assert (refused.observations, refused.restarted) == ([Learned("item_status", "refused")], True)
    assert (refused.next.route, refused.next.cost) == ("linking_items", 25)
    await account.poll(refused.next)
    assert asked_for(script.last()) == []
    for learned in (account, ica(memory={"item_status": "refused"})):
        assert learned.polls([links(2)])[0].route == "linking_items"


async def test_another_refusal_is_told(ica, links, script):
    """Only 400 speaks of the filter."""
    account = ica()
    (poll,) = account.polls([links(2)])
    script.say(LINKS, Refused("not yours", status=403))
    with pytest.raises(Refused, match="not yours"):
        await account.poll(poll)


async def test_items_being_created_are_narrowed_too(ica, batch, script, creation_row, item):
    """A few that wait for resources do not cost the pages of all that were created."""
    account = ica(page_size=10)
    sent = batch(items=100, open=100, creating=3, status="RUNNING", status_final=True)
    (poll,) = [each for each in account.polls([sent]) if each.name == "items:b1"]
    assert (poll.route, poll.cost, poll.expects) == ("creation_unresolved", 1, {Stage.CREATION})
    script.say(CREATIONS, {"items": [creation_row(sent.key, 1, "WAITING_RESOURCES")]})
    (told,) = (await account.poll(poll)).observations
    assert (asked_for(script.last()), told.seq) == (["WAITING_RESOURCES", "RUNNING"], 1)
    (whole,) = account.follow_up(poll, [item(2, stage=Stage.CREATION)])
    assert (whole.route, whole.cost) == ("creation_items", 10)


@pytest.mark.parametrize(
    ("word", "idle"), [("INITIALIZED", True), ("WAITING_FOR_RESOURCES", True), ("RUNNING", False), (None, False)]
)
@pytest.mark.parametrize("kind", ["ica.data_linking", "ica.analysis_creation"])
def test_a_batch_whose_job_has_not_begun_promises_nothing(ica, batch, kind, word, idle):
    """One list of jobs tells which batches have moved; the others need no look of their own."""
    polls = ica().polls([batch(kind=kind, status=word)])
    (items,) = [poll for poll in polls if poll.name == "items:b1"]
    assert (items.word, items.idle) == (word, idle)
    assert not any(poll.idle for poll in polls if poll.name == "jobs")
