"""What pages say: from bytes to observations, whatever is missing, odd or broken."""

import json
import time

import pytest
from stages import Stage

from orchestrator.domain.errors import Transient
from orchestrator.domain.model import BatchReport, ItemReport, ItemState
from orchestrator.platforms.ica.batches.analyses import moment


def pages(script, route, *rows, **rest):
    script.say(route, {"items": list(rows), "nextPageToken": ""} | rest)


@pytest.fixture
def poll(ica, batch):
    """Asks the batch's look of a route; returns the sighting."""

    async def ask(route, account=None, **changes):
        account = account or ica()
        (found,) = [each for each in account.polls([batch(**changes)]) if each.route == route]
        return await account.poll(found)

    return ask


async def one_item(result):
    (seen,) = [told for told in result.observations if isinstance(told, ItemReport)]
    return seen


@pytest.mark.parametrize(
    ("word", "state"),
    [("WAITING_RESOURCES", ItemState.SUBMITTED), ("RUNNING", ItemState.SUBMITTED), ("SUCCEEDED", ItemState.SUBMITTED)],
)
async def test_an_item_without_its_analysis_is_being_created(*, poll, script, batch, creation_row, word, state):
    """Also a creation that succeeded says nothing of an analysis until that is known."""
    pages(script, "analysisCreationBatch/items", creation_row(batch().key, 3, word))
    seen = await one_item(await poll("creation_items"))
    assert (seen.stage, seen.state, seen.status, seen.seq, seen.key) == (Stage.CREATION, state, word, 3, "run/s3")
    assert seen.remote_id is None


async def test_a_failed_creation_tells_why(poll, script, batch, creation_row):
    """The platform's own explanation becomes the detail."""
    row = creation_row(batch().key, 1, "FAILED", additionalStatusInformation="no such pipeline")
    pages(script, "analysisCreationBatch/items", row)
    seen = await one_item(await poll("creation_items"))
    assert (seen.stage, seen.state, seen.detail) == (Stage.CREATION, ItemState.FAILED, "no such pipeline")


async def test_an_embedded_analysis_is_a_hint(poll, script, batch, creation_row, analysis):
    """Until embedded words are known to move, they may be stale."""
    key = batch().key
    row = creation_row(key, 1, "SUCCEEDED", analysis(key, 1, "SUCCEEDED"))
    pages(script, "analysisCreationBatch/items", row)
    seen = await one_item(await poll("creation_items"))
    assert (seen.stage, seen.state, seen.remote_id, seen.hint) == (Stage.ANALYSIS, ItemState.SUCCEEDED, "a1", True)


@pytest.mark.parametrize(
    ("strategy", "word", "hint"),
    [("auto", "SUCCEEDED", False), ("auto", "QUEUED", True), ("items", "QUEUED", False), ("items", "FAILED", False)],
)
async def test_a_live_page_is_believed(*, ica, poll, script, batch, creation_row, analysis, strategy, word, hint):
    """Where searches tell of the same analyses, a live page is believed in ends only."""
    account = ica(memory={"embedded": "live"}, strategy=strategy)
    key = batch().key
    pages(script, "analysisCreationBatch/items", creation_row(key, 1, "SUCCEEDED", analysis(key, 1, word)))
    assert (await one_item(await poll("creation_items", account))).hint is hint


async def test_an_unknown_word_is_kept_as_it_came(poll, script, batch, creation_row):
    """It counts as running and is marked."""
    pages(script, "analysisCreationBatch/items", creation_row(batch().key, 1, "HIBERNATING"))
    seen = await one_item(await poll("creation_items"))
    assert (seen.status, seen.state, seen.known_status) == ("HIBERNATING", ItemState.RUNNING, False)


async def test_one_bad_row_costs_one_row(poll, script, batch, creation_row):
    """The other rows of a page are read, the bad ones counted."""
    key = batch().key
    nameless = {"processing": {"status": "RUNNING"}, "request": {"tags": None}}
    bad = [{"processing": None}, {"processing": {"status": 7}}, "text", None, nameless]
    pages(script, "analysisCreationBatch/items", creation_row(key, 1, "RUNNING"), *bad, creation_row(key, 2, "RUNNING"))
    result = await poll("creation_items")
    assert [told.seq for told in result.observations] == [1, 2]
    assert result.bad_rows == len(bad)


@pytest.mark.parametrize("page", [{"items": None}, {"items": []}, {}, {"items": None, "nextPageToken": None}])
async def test_an_empty_page_is_a_page(poll, script, page):
    """Lists may be null or left out."""
    script.say("analysisCreationBatch/items", page)
    result = await poll("creation_items")
    assert (list(result.observations), result.next, result.bad_rows) == ([], None, 0)


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"", b'{"items": [', b"[]", b'{"items": 3}', b"\xff\xfe"])
async def test_an_answer_that_is_no_page_is_transient(poll, script, body):
    """A gateway's page with status 200 is trouble on the way, not an empty batch."""
    script.say("analysisCreationBatch/items", body)
    with pytest.raises(Transient, match="cannot be read"):
        await poll("creation_items")


async def test_rows_of_an_adopted_batch_count_by_their_reference(poll, script, creation_row):
    """In a batch that a person named, another batch's numbers mean nothing; the reference does."""
    pages(script, "analysisCreationBatch/items", creation_row("another-key", 9, "RUNNING"))
    seen = await one_item(await poll("creation_items"))
    assert (seen.seq, seen.key) == (None, "run/s9")


async def test_tags_are_taken_from_the_analysis_when_the_request_lacks_them(
    poll, script, batch, creation_row, analysis
):
    """The echo of the request may be bare."""
    key = batch().key
    row = creation_row(key, 4, "SUCCEEDED", analysis(key, 4, "QUEUED")) | {"request": None}
    pages(script, "analysisCreationBatch/items", row)
    seen = await one_item(await poll("creation_items"))
    assert (seen.seq, seen.key) == (4, "run/s4")


@pytest.mark.parametrize(
    ("word", "state"),
    [("LINKED", "succeeded"), ("PARTIALLY_LINKED", "partial"), ("FAILED", "failed"), ("PONDERING", "running")],
)
async def test_links_are_told_by_their_data(poll, script, word, state):
    """A link item is known by its data id."""
    row = {"request": {"dataId": "fil.1"}, "processing": {"status": word, "additionalStatusInformation": "why"}}
    pages(script, "dataLinkingBatch/items", row)
    seen = await one_item(await poll("linking_items", kind="ica.data_linking", creating=0))
    assert (seen.stage, seen.key, seen.remote_id, seen.state, seen.detail) == (
        Stage.LINK,
        "fil.1",
        "fil.1",
        ItemState(state),
        "why",
    )


async def test_a_search_tells_of_ours_only(poll, script, batch, analysis):
    """Tags are compared whole: an instance whose name only begins like ours is somebody else's."""
    key = batch().key
    rows = [
        analysis(key, 1, "IN_PROGRESS"),
        analysis(key, 2, "IN_PROGRESS", instance="here2"),
        analysis(key, 3, "IN_PROGRESS") | {"tags": None},
        analysis("unknown-key", 4, "QUEUED"),
    ]
    pages(script, "analysis:search", *rows)
    result = await poll("open", creating=0)
    assert [(told.batch, told.seq) for told in result.observations] == [(key, 1), ("unknown-key", 4)]


async def test_an_end_carries_its_summary_and_time(poll, script, batch, analysis):
    """Summary and end of an analysis count once it has ended."""
    key = batch().key
    ended = analysis(key, 1, "FAILED", summary="out of memory", endDate="2023-11-14T22:13:20.5Z")
    going = analysis(key, 2, "IN_PROGRESS", summary="half way", endDate="2023-11-14T22:13:20Z")
    pages(script, "analysis:search", ended, going)
    first, second = (await poll("open", creating=0)).observations
    assert (first.detail, first.finished_at, first.hint) == ("out of memory", 1_700_000_000_500_000, False)
    assert (second.detail, second.finished_at) == (None, None)


@pytest.fixture
def in_berlin(monkeypatch):
    """This process has the local time of Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2023-11-14T22:13:20Z", 1_700_000_000_000_000),
        ("2023-11-14T23:13:20.123456+01:00", 1_700_000_000_123_456),
        ("2023-11-14T22:13:20", 1_700_000_000_000_000),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read_or_left_out(text, micros, in_berlin):
    """A time that cannot be read is no time; one without a zone is UTC, wherever this machine stands."""
    assert moment(text) == micros


async def test_jobs_tell_the_words_of_our_batches(ica, script, batch):
    """Other people's jobs are passed over; a word that no one knows ends nothing."""
    jobs = [
        {"subjectId": "foreign", "status": "RUNNING"},
        {"subjectId": "remote-1", "status": "PARTIALLY_SUCCEEDED", "additionalStatusInformation": "2 failed"},
        {"subjectId": "remote-2", "status": "PONDERING", "project": None},
    ]
    pages(script, "jobs", *jobs)
    account = ica()
    (poll, *_) = account.polls([batch(1), batch(2)])
    result = await account.poll(poll)
    assert result.observations == [
        BatchReport(batch(1).key, "PARTIALLY_SUCCEEDED", final=True, detail="2 failed"),
        BatchReport(batch(2).key, "PONDERING", final=False),
    ]
    assert result.next is None


def test_a_page_of_a_thousand_is_read_whole(ica, script, batch, creation_row, analysis):
    """The fast path and the row-by-row path read the same."""
    from orchestrator.platforms.http.calls import Answer
    from orchestrator.platforms.ica.protocol.wire import CREATION_ITEMS

    key = batch().key
    rows = [creation_row(key, seq, "SUCCEEDED", analysis(key, seq, "IN_PROGRESS")) for seq in range(1000)]
    good, spoilt = {"items": rows}, {"items": [*rows, {"processing": 1}]}
    fast = CREATION_ITEMS.read(Answer(200, {}, json.dumps(good).encode(), None))
    slow = CREATION_ITEMS.read(Answer(200, {}, json.dumps(spoilt).encode(), None))
    assert fast.rows == slow.rows
    assert (fast.bad_rows, slow.bad_rows) == (0, 1)
