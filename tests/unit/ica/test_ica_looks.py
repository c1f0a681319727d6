"""Which questions are asked, and what is asked about what they did not tell."""

import json

import pytest
from stages import Stage

from orchestrator.domain.errors import Missing, Refused
from orchestrator.domain.model import BatchSeen, Learnt
from orchestrator.platforms.ica.learning import Words
from orchestrator.platforms.ica.plan import UNLISTED

ITEMS, SEARCH = "analysisCreationBatch/items", "analysis:search"


def routes(looks):
    return sorted((look.name, look.route) for look in looks)


# ---------------------------------------------------------------- what is open


def test_a_batch_being_created_is_read_item_by_item(ica, batch):
    """Its job's word comes with all others; its items from its own pages."""
    looks = ica().looks([batch()])
    assert routes(looks) == [("items:b1", "creation_items"), ("jobs", "jobs")]
    (items,) = [look for look in looks if look.route == "creation_items"]
    assert items.expects == {Stage.CREATION}
    assert items.subjects == {batch().key: "remote-1"}


def test_created_analyses_of_a_project_share_one_search(ica, batch):
    """However many batches there are, one question a project tells of what goes on."""
    batches = [batch(n, creating=0, status_final=True) for n in range(1, 6)]
    batches += [batch(6, creating=0, status_final=True, project="other")]
    looks = ica().looks(batches)
    assert routes(looks) == [(f"search:{batches[0].project}", "open"), ("search:other", "open")]
    assert looks[0].expects == {Stage.ANALYSIS}
    assert set(looks[0].subjects) == {each.key for each in batches[:5]}
    assert len(looks[0].batches) == 5


def test_a_batch_half_created_is_asked_both_ways(ica, batch):
    """One item that waits for long must not hide what becomes of the others."""
    looks = ica().looks([batch(creating=1, status_final=True)])
    assert routes(looks) == [("items:b1", "creation_items"), (f"search:{batch().project}", "open")]


def test_a_batch_with_nothing_open_waits_for_its_word_only(ica, batch):
    """And once that is final there is nothing to ask."""
    assert routes(ica().looks([batch(open=0, creating=0)])) == [("jobs", "jobs")]
    assert ica().looks([batch(open=0, creating=0, status_final=True)]) == []


def test_links_are_read_item_by_item(ica, batch):
    """Nothing else tells of links."""
    (look,) = ica(page_size=100).looks([batch(kind="ica.data_linking", creating=0, items=250, status_final=True)])
    assert (look.name, look.route, look.cost, look.expects) == ("items:b1", "linking_items", 3, {Stage.LINK})


def test_a_batch_whose_id_nobody_knows_is_asked_by_its_tag(ica, batch):
    """Pages and jobs need an id; the tag does not."""
    assert routes(ica().looks([batch(remote_id=None)])) == [("tag:b1", "tagged")]
    assert routes(ica().looks([batch(remote_id=None, creating=0, status_final=True)])) == [
        (f"search:{batch().project}", "open")
    ]


def test_by_items_a_live_page_tells_all(ica, batch):
    """Strategy `items` with live pages asks no search."""
    (look,) = ica(strategy="items", memory={"embedded": "live"}).looks([batch(creating=0, status_final=True)])
    assert (look.route, look.expects) == ("creation_items", {Stage.CREATION, Stage.ANALYSIS})


def test_by_items_a_snapshot_is_not_read(ica, batch):
    """Strategy `items` with frozen pages is strategy `auto`."""
    (look,) = ica(strategy="items", memory={"embedded": "snapshot"}).looks([batch(creating=0, status_final=True)])
    assert look.route == "open"


async def test_by_items_an_unproved_end_is_confirmed_by_the_tag(ica, batch, script, creation_row, analysis):
    """Ends that pages hint at are asked for directly, once a batch; ends that are known are not asked again."""
    sent = batch(items=3, open=3, creating=0, status_final=True)
    ended = [creation_row(sent.key, seq, "SUCCEEDED", analysis(sent.key, seq, "SUCCEEDED")) for seq in (1, 2)]
    script.say(ITEMS, {"items": ended})
    account = ica(strategy="items")
    (page,) = account.looks([sent])
    await account.look(page)
    assert routes(account.looks([sent])) == [("items:b1", "creation_items"), ("tag:b1", "tagged")]
    known = batch(items=3, open=1, creating=0, status_final=True)
    assert routes(account.looks([known])) == [("items:b1", "creation_items")]


async def test_by_items_pages_that_stand_still_bring_in_the_search(ica, batch, script, creation_row, analysis):
    """Analyses may really take long, so a page that does not move is checked, not mistrusted."""
    sent = batch(items=1, open=1, creating=0, status_final=True)
    script.say(ITEMS, {"items": [creation_row(sent.key, 1, "SUCCEEDED", analysis(sent.key, 1, "QUEUED"))]})
    account = ica(strategy="items")
    for _ in range(4):
        (page,) = account.looks([sent])
        await account.look(page)
    assert [look.route for look in account.looks([sent])] == ["creation_items", "open"]


async def test_a_creation_that_shows_no_analysis_is_asked_by_its_tag(ica, batch, script, creation_row):
    """SUCCEEDED without its analysis would otherwise stay open for ever."""
    script.say(ITEMS, {"items": [creation_row(batch().key, 1, "SUCCEEDED")]})
    account = ica()
    sent = batch(status_final=True)
    (page,) = account.looks([sent])
    await account.look(page)
    assert routes(account.looks([sent])) == [("items:b1", "creation_items"), ("tag:b1", "tagged")]


# ---------------------------------------------------------------- what is sent


async def test_an_open_search_asks_for_one_tag_and_all_open_words(ica, batch, script):
    """Filters may mean any, all or prefix: a single tag means the same under each."""
    script.say(SEARCH, {"items": []})
    account = ica(page_size=500)
    (look,) = account.looks([batch(creating=0, status_final=True)])
    await account.look(look)
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
    for look in account.looks([batch(**changes)]):
        if look.route != "jobs" or route == "jobs":
            await account.look(look)
    assert script.last().headers["Accept"] == f"application/vnd.illumina.{accept}+json"


# ---------------------------------------------------------------- pages


async def test_pages_follow_their_token(ica, batch, script):
    """Each page carries the look for the next; an empty token ends."""
    script.say(ITEMS, {"items": [], "nextPageToken": "t1"}, {"items": [], "nextPageToken": "t2"}, {"items": []})
    account = ica()
    look = account.looks([batch(status_final=True)])[0]
    tokens = []
    while look is not None:
        look = (await account.look(look)).next
        tokens.append(dict(script.last().params).get("pageToken"))
    assert tokens == [None, "t1", "t2"]


@pytest.mark.parametrize("tokens", [["t", "t"], ["a", "b"]])
async def test_a_cursor_that_runs_in_circles_ends(ica, batch, script, tokens):
    """A token that repeats itself costs a bounded number of requests."""
    answers = [{"items": [], "nextPageToken": token} for token in tokens * 100]
    script.say(ITEMS, *answers)
    account = ica()
    look = account.looks([batch(status_final=True)])[0]
    while look is not None:
        look = (await account.look(look)).next
    assert len(script.routes()) <= 60


async def test_a_forgotten_cursor_begins_anew(ica, batch, script):
    """A refused page token restarts the sweep; the same refusal of a first page is a refusal."""
    script.say(ITEMS, {"items": [], "nextPageToken": "t"}, Refused("expired", status=400))
    account = ica()
    look = account.looks([batch(status_final=True)])[0]
    second = (await account.look(look)).next
    sighting = await account.look(second)
    assert (sighting.restarted, sighting.next.cursor, sighting.next.page) == (True, None, 0)
    with pytest.raises(Refused):
        await account.look(sighting.next)


async def test_a_batch_that_is_gone_is_told(ica, batch, script):
    """404 for a batch is the engine's to count, page token or not."""
    script.say(ITEMS, {"items": [], "nextPageToken": "t"}, Missing("gone", status=404))
    account = ica()
    look = account.looks([batch(status_final=True)])[0]
    second = (await account.look(look)).next
    with pytest.raises(Missing):
        await account.look(second)


# ---------------------------------------------------------------- the words of batches


async def test_jobs_are_read_until_all_are_told(ica, batch, script):
    """The newest jobs come first; older pages are not read once all of ours were seen."""
    script.say(
        "jobs",
        {"items": [{"subjectId": "remote-2", "status": "RUNNING"}], "totalItemCount": 9},
        {"items": [{"subjectId": "remote-1", "status": "RUNNING"}], "totalItemCount": 9},
    )
    account = ica(page_size=1)
    look = account.looks([batch(1, open=0, creating=0), batch(2, open=0, creating=0)])[0]
    first = await account.look(look)
    second = await account.look(first.next)
    assert second.next is None
    assert [call.params["pageOffset"] for call in script.calls if call.route == "jobs"] == ["0", "1"]
    assert script.last().params["sort"] == "timeCreated desc"


async def test_batches_that_the_jobs_do_not_show_are_asked_alone(ica, batch, script, clock):
    """After a bounded number of pages, for some hours: that they answer alone does not put them on the list."""
    script.say("jobs", {"items": [{"subjectId": "foreign", "status": "RUNNING"}]})
    script.say("analysisCreationBatch/get", {"id": "remote-1", "job": None})
    account = ica()
    waiting = batch(open=0, creating=0)
    look = account.looks([waiting])[0]
    while look is not None:
        look = (await account.look(look)).next
    assert script.routes() == ["jobs"] * 3
    (alone,) = account.looks([waiting])
    assert (alone.name, alone.route) == ("batch:b1", "creation_batch")
    sighting = await account.look(alone)
    assert sighting.observations == [BatchSeen(waiting.key, None, final=True)]
    assert [each.route for each in account.looks([waiting])] == ["creation_batch"]
    await clock.advance(UNLISTED)
    assert [each.route for each in account.looks([waiting])] == ["jobs"]


# ---------------------------------------------------------------- words


async def test_a_word_that_the_filter_refuses_is_asked_for_no_more(ica, batch, script):
    """A search must not stay refused for a word that we added."""
    account = ica(memory={"words": "HIBERNATING"})
    (look,) = account.looks([batch(creating=0, status_final=True)])
    script.say(SEARCH, Refused("unknown status", status=400), {"items": []})
    refused = await account.look(look)
    assert (refused.observations, refused.restarted) == ([Learnt("words", "-")], True)
    await account.look(refused.next)
    assert "HIBERNATING" not in json.loads(script.last().body)["status"]
    assert Words({"words": "-"}).met("HIBERNATING") is None


async def test_a_search_refused_without_our_doing_is_a_refusal(ica, batch, script):
    """Nothing was added that could be taken away."""
    account = ica()
    (look,) = account.looks([batch(creating=0, status_final=True)])
    script.say(SEARCH, Refused("no", status=400))
    with pytest.raises(Refused):
        await account.look(look)
