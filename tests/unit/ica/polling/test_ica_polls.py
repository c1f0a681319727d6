"""Which questions are asked, and what is asked about what they did not tell."""

import json

import pytest
from stages import Stage

from orchestrator.domain.errors import Missing, Refused
from orchestrator.domain.model import BatchReport, Learned
from orchestrator.platforms.ica.polling.learning import SearchStatuses
from orchestrator.platforms.ica.polling.poll_plan import UNLISTED

ITEMS, SEARCH = "analysisCreationBatch/items", "analysis:search"


def routes(polls):
    return sorted((poll.name, poll.route) for poll in polls)


# ---------------------------------------------------------------- what is open


def test_a_batch_being_created_is_read_item_by_item(ica, batch):
    """Its job's word comes with all others; its items from its own pages."""
    polls = ica().polls([batch()])
    assert routes(polls) == [("items:b1", "creation_items"), ("jobs", "jobs")]
    (items,) = [poll for poll in polls if poll.route == "creation_items"]
    assert items.expects == {Stage.CREATION}
    assert items.subjects == {batch().key: "remote-1"}


def test_created_analyses_of_a_project_share_one_search(ica, batch):
    """However many batches there are, one question a project tells of what goes on."""
    batches = [batch(n, creating=0, status_final=True) for n in range(1, 6)]
    batches += [batch(6, creating=0, status_final=True, project="other")]
    polls = ica().polls(batches)
    assert routes(polls) == [(f"search:{batches[0].project}", "open"), ("search:other", "open")]
    assert polls[0].expects == {Stage.ANALYSIS}
    assert set(polls[0].subjects) == {each.key for each in batches[:5]}
    assert len(polls[0].batches) == 5


def test_a_batch_half_created_is_asked_both_ways(ica, batch):
    """One item that waits for long must not hide what becomes of the others."""
    polls = ica().polls([batch(creating=1, status_final=True)])
    assert routes(polls) == [("items:b1", "creation_items"), (f"search:{batch().project}", "open")]


def test_a_batch_with_nothing_open_waits_for_its_word_only(ica, batch):
    """And once that is final there is nothing to ask."""
    assert routes(ica().polls([batch(open=0, creating=0)])) == [("jobs", "jobs")]
    assert ica().polls([batch(open=0, creating=0, status_final=True)]) == []


def test_links_are_read_item_by_item(ica, batch):
    """Nothing else tells of links."""
    (poll,) = ica(page_size=100).polls([batch(kind="ica.data_linking", creating=0, items=250, status_final=True)])
    assert (poll.name, poll.route, poll.cost, poll.expects) == ("items:b1", "linking_items", 3, {Stage.LINK})


def test_a_batch_whose_id_nobody_knows_is_asked_by_its_tag(ica, batch):
    """Pages and jobs need an id; the tag does not."""
    assert routes(ica().polls([batch(remote_id=None)])) == [("tag:b1", "tagged")]
    assert routes(ica().polls([batch(remote_id=None, creating=0, status_final=True)])) == [
        (f"search:{batch().project}", "open")
    ]


def test_by_items_a_live_page_tells_all(ica, batch):
    """Strategy `items` with live pages asks no search."""
    (poll,) = ica(strategy="items", memory={"embedded": "live"}).polls([batch(creating=0, status_final=True)])
    assert (poll.route, poll.expects) == ("creation_items", {Stage.CREATION, Stage.ANALYSIS})


def test_by_items_a_snapshot_is_not_read(ica, batch):
    """Strategy `items` with frozen pages is strategy `auto`."""
    (poll,) = ica(strategy="items", memory={"embedded": "snapshot"}).polls([batch(creating=0, status_final=True)])
    assert poll.route == "open"


async def test_by_items_an_unproved_end_is_confirmed_by_the_tag(ica, batch, script, creation_row, analysis):
    """Ends that pages hint at are asked for directly, once a batch; ends that are known are not asked again."""
    sent = batch(items=3, open=3, creating=0, status_final=True)
    ended = [creation_row(sent.key, seq, "SUCCEEDED", analysis(sent.key, seq, "SUCCEEDED")) for seq in (1, 2)]
    script.say(ITEMS, {"items": ended})
    account = ica(strategy="items")
    (page,) = account.polls([sent])
    await account.poll(page)
    assert routes(account.polls([sent])) == [("items:b1", "creation_items"), ("tag:b1", "tagged")]
    known = batch(items=3, open=1, creating=0, status_final=True)
    assert routes(account.polls([known])) == [("items:b1", "creation_items")]


async def test_by_items_pages_that_stand_still_bring_in_the_search(ica, batch, script, creation_row, analysis):
    """Analyses may really take long, so a page that does not move is checked, not mistrusted."""
    sent = batch(items=1, open=1, creating=0, status_final=True)
    script.say(ITEMS, {"items": [creation_row(sent.key, 1, "SUCCEEDED", analysis(sent.key, 1, "QUEUED"))]})
    account = ica(strategy="items")
    for _ in range(4):
        (page,) = account.polls([sent])
        await account.poll(page)
    assert [poll.route for poll in account.polls([sent])] == ["creation_items", "open"]


async def test_a_creation_that_shows_no_analysis_is_asked_by_its_tag(ica, batch, script, creation_row):
    """SUCCEEDED without its analysis would otherwise stay open forever."""
    script.say(ITEMS, {"items": [creation_row(batch().key, 1, "SUCCEEDED")]})
    account = ica()
    sent = batch(status_final=True)
    (page,) = account.polls([sent])
    await account.poll(page)
    assert routes(account.polls([sent])) == [("items:b1", "creation_items"), ("tag:b1", "tagged")]


# ---------------------------------------------------------------- what is sent


async def test_an_open_search_asks_for_one_tag_and_all_open_words(ica, batch, script):
    """Filters may mean any, all or prefix: a single tag means the same under each."""
    script.say(SEARCH, {"items": []})
    account = ica(page_size=500)
    (poll,) = account.polls([batch(creating=0, status_final=True)])
    await account.poll(poll)
    call = script.last()
    asked = json.loads(call.body)
    assert asked["technicalTags"] == ["orc-instance=here"]
    assert {"AWAITING_INPUT", "ABORTING", "REQUESTED"} <= set(asked["status"])
    assert not {"SUCCEEDED", "FAILED"} & set(asked["status"])
    assert call.params == {"pageSize": "500"}
    assert (call.method, call.path) == ("POST", f"/api/projects/{batch().project}/analysis:search")
    assert call.headers["Content-Type"] == call.headers["Accept"] == "application/vnd.illumina.v3+json"


@pytest.mark.parametrize(
    ("changes", "route", "accept"),
    [
        ({}, ITEMS, "v4"),
        ({"open": 0, "creating": 0}, "jobs", "v3"),
        ({"kind": "ica.data_linking", "creating": 0}, "dataLinkingBatch/items", "v4"),
    ],
)
async def test_each_question_names_its_exact_type(*, ica, batch, script, changes, route, accept):
    """ICA answers 400 to any other Accept."""
    script.say(route, {"items": []})
    account = ica()
    for poll in account.polls([batch(**changes)]):
        if poll.route != "jobs" or route == "jobs":
            await account.poll(poll)
    assert script.last().headers["Accept"] == f"application/vnd.illumina.{accept}+json"


# ---------------------------------------------------------------- pages


async def test_pages_follow_their_token(ica, batch, script):
    """Each page carries the look for the next; an empty token ends."""
    script.say(ITEMS, {"items": [], "nextPageToken": "t1"}, {"items": [], "nextPageToken": "t2"}, {"items": []})
    account = ica()
    poll = account.polls([batch(status_final=True)])[0]
    tokens = []
    while poll is not None:
        poll = (await account.poll(poll)).next
        tokens.append(dict(script.last().params).get("pageToken"))
    assert tokens == [None, "t1", "t2"]


@pytest.mark.parametrize("tokens", [["t", "t"], ["a", "b"]])
async def test_a_cursor_that_runs_in_circles_ends(ica, batch, script, tokens):
    """A token that repeats itself costs a bounded number of requests."""
    answers = [{"items": [], "nextPageToken": token} for token in tokens * 100]
    script.say(ITEMS, *answers)
    account = ica()
    poll = account.polls([batch(status_final=True)])[0]
    while poll is not None:
        poll = (await account.poll(poll)).next
    assert len(script.routes()) <= 60


async def test_a_forgotten_cursor_begins_anew(ica, batch, script):
    """A refused page token restarts the sweep; the same refusal of a first page is a refusal."""
    script.say(ITEMS, {"items": [], "nextPageToken": "t"}, Refused("expired", status=400))
    account = ica()
    poll = account.polls([batch(status_final=True)])[0]
    second = (await account.poll(poll)).next
    result = await account.poll(second)
    assert (result.restarted, result.next.cursor, result.next.page) == (True, None, 0)
    with pytest.raises(Refused):
        await account.poll(result.next)


async def test_a_batch_that_is_gone_is_told(ica, batch, script):
    """404 for a batch is the engine's to count, page token or not."""
    script.say(ITEMS, {"items": [], "nextPageToken": "t"}, Missing("gone", status=404))
    account = ica()
    poll = account.polls([batch(status_final=True)])[0]
    second = (await account.poll(poll)).next
    with pytest.raises(Missing):
        await account.poll(second)


# ---------------------------------------------------------------- the words of batches


async def test_jobs_are_read_until_all_are_told(ica, batch, script):
    """The newest jobs come first; older pages are not read once all of ours were seen."""
    script.say(
        "jobs",
        {"items": [{"subjectId": "remote-2", "status": "RUNNING"}], "totalItemCount": 9},
        {"items": [{"subjectId": "remote-1", "status": "RUNNING"}], "totalItemCount": 9},
    )
    account = ica(page_size=1)
    poll = account.polls([batch(1, open=0, creating=0), batch(2, open=0, creating=0)])[0]
    first = await account.poll(poll)
    second = await account.poll(first.next)
    assert second.next is None
    assert [call.params["pageOffset"] for call in script.calls if call.route == "jobs"] == ["0", "1"]
    assert script.last().params["sort"] == "timeCreated desc"


async def test_batches_that_the_jobs_do_not_show_are_asked_alone(ica, batch, script, clock):
    """After a bounded number of pages, for some hours: that they answer alone does not put them on the list."""
    script.say("jobs", {"items": [{"subjectId": "foreign", "status": "RUNNING"}]})
    script.say("analysisCreationBatch/get", {"id": "remote-1", "job": None})
    account = ica()
    waiting = batch(open=0, creating=0)
    poll = account.polls([waiting])[0]
    while poll is not None:
        poll = (await account.poll(poll)).next
    assert script.routes() == ["jobs"] * 3
    (alone,) = account.polls([waiting])
    assert (alone.name, alone.route) == ("batch:b1", "creation_batch")
    result = await account.poll(alone)
    assert result.observations == [BatchReport(waiting.key, None, final=True)]
    assert [each.route for each in account.polls([waiting])] == ["creation_batch"]
    await clock.advance(UNLISTED)
    assert [each.route for each in account.polls([waiting])] == ["jobs"]


# ---------------------------------------------------------------- words


async def test_a_word_that_the_filter_refuses_is_asked_for_no_more(ica, batch, script):
    """A search must not stay refused for a word that we added."""
    account = ica(memory={"words": "HIBERNATING"})
    (poll,) = account.polls([batch(creating=0, status_final=True)])
    script.say(SEARCH, Refused("unknown status", status=400), {"items": []})
    refused = await account.poll(poll)
    assert (refused.observations, refused.restarted) == ([Learned("words", "-")], True)
    await account.poll(refused.next)
    assert "HIBERNATING" not in json.loads(script.last().body)["status"]
    assert SearchStatuses({"words": "-"}).observed("HIBERNATING") is None


async def test_a_search_refused_without_our_doing_is_a_refusal(ica, batch, script):
    """Nothing was added that could be taken away."""
    account = ica()
    (poll,) = account.polls([batch(creating=0, status_final=True)])
    script.say(SEARCH, Refused("no", status=400))
    with pytest.raises(Refused):
        await account.poll(poll)
