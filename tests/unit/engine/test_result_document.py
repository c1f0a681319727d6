"""The result as one JSON document, in portions."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from documents import FakeStore, all_of, as_csv, batch, item, job, written
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.clock import SECOND
from orchestrator.domain.model import (
    BatchState,
    ItemState,
    JobState,
    Needs,
)
from orchestrator.engine.result_document import (
    as_json,
    describe_batch,
    describe_job,
    when,
)

# ---------------------------------------------------------------- JSON


async def test_the_document_is_as_promised():
    """The keys, their order and their values are those that other programs build on."""
    store = FakeStore([batch()], [[item()]])
    document = json.loads(await written(as_json(store, job())))
    told_batch = document["batches"][0]
    assert list(document) == ["job", "batches", "items"]
    assert document["job"] == {
        "name": "germline-run-0172",
        "kind": "ica.analysis_creation",
        "account": "ica",
        "project": "11111111-1111-1111-1111-111111111111",
        "state": "partial",
        "needs": None,
        "detail": None,
        "round": 1,
        "file": "run-0172.yaml",
        "dropped_by": "1000",
        "created_at": "2023-11-14T22:13:20.000Z",
        "started_at": "2023-11-14T22:13:21.000Z",
        "cancelled_at": None,
        "settled_at": "2023-11-14T22:13:22.000Z",
        "counts": {"succeeded": 99, "failed": 1},
        "parents": 0,
        "labels": {},
    }
    assert told_batch == {
        "number": 1,
        "remote_id": "remote-1",
        "state": "settled",
        "stage": "creation",
        "status": "PARTIALLY_SUCCEEDED",
        "submitted_at": "2023-11-14T22:13:21.000Z",
        "items": 100,
        "counts": {"succeeded": 99, "failed": 1},
        "sends": 1,
        "detail": None,
    }
    assert document["items"] == [
        {
            "key": "run-0172/s1",
            "batch": 1,
            "stage": "analysis",
            "state": "succeeded",
            "status": "SUCCEEDED",
            "remote_id": "analysis-1",
            "detail": None,
            "attempts": 1,
            "previous_ids": [],
            "parent": None,
            "facts": None,
            "submitted_at": "2023-11-14T22:13:20.000Z",
            "finished_at": "2023-11-14T22:14:50.123Z",
        }
    ]


@pytest.mark.parametrize(
    "sizes",
    [(), (0,), (1,), (3,), (1, 1, 1), (2, 0, 1), (0, 2), (0, 0, 1, 0)],
    ids=lambda sizes: "-".join(map(str, sizes)) or "none",
)
async def test_any_portions_make_one_document(sizes):
    """However the items come, also in empty portions, the pieces join to valid JSON with every item once, in order."""
    numbers = iter(range(1, 100))
    portions = [[item(next(numbers)) for _ in range(size)] for size in sizes]
    document = json.loads(await written(as_json(FakeStore([batch(1), batch(2)], portions), job())))
    assert [f"run-0172/s{number}" for number in range(1, sum(sizes) + 1)] == [each["key"] for each in document["items"]]
    assert [each["number"] for each in document["batches"]] == [1, 2]


async def test_a_job_without_batches_is_a_document_too():
    """A job that was skipped before anything was sent has its result."""
    document = json.loads(await written(as_json(FakeStore(), job(state=JobState.SKIPPED, counts={}))))
    assert (document["batches"], document["items"], document["job"]["counts"]) == ([], [], {})


async def test_an_item_that_was_never_submitted_has_no_attempts():
    """Those of a skipped job, and those that a cancelled one had not submitted."""
    items = [replace(item(1), state=state, submitted_at=None) for state in (ItemState.PENDING, ItemState.CANCELLED)]
    document = json.loads(await written(as_json(FakeStore([batch()], [items]), job(state=JobState.SKIPPED))))
    assert [each["attempts"] for each in document["items"]] == [0, 0]


async def test_every_item_has_a_line_of_its_own():
    """People and line tools can read a document of a hundred thousand items."""
    lines = (await written(as_json(FakeStore([batch()], [[item(1), item(2)], [item(3)]]), job()))).splitlines()
    assert [number for line in lines for number in (1, 2, 3) if line.startswith(b'{"key":"run-0172/s%d"' % number)] == [
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("writer", [as_json, as_csv])
async def test_documents_are_streamed(writer):
    """The first portion of items is handed on before the second is asked for: memory does not grow with the job."""
    store = FakeStore([batch()], [[item(1)], [item(2)], [item(3)]])
    async for portion in writer(store, job()):
        if b"run-0172/s1" in portion:
            assert store.handed_out == 1
            break
    else:
        pytest.fail("the first item was not written")


@given(st.text(), st.text(), st.text())
def test_any_text_of_a_platform_fits(status, detail, key):
    """Quotes, newlines and control characters in words that are not ours come out as they went in."""
    told = item(status=status, detail=detail, key=key)
    document = json.loads(all_of(as_json(FakeStore([], [[told]]), job(detail=detail))))
    assert (status, detail, key) == tuple(document["items"][0][name] for name in ("status", "detail", "key"))
    assert detail == document["job"]["detail"]


def test_what_a_job_needs_is_told_in_our_word():
    """A blocked job says so, with the reason beside."""
    told = describe_job(job(state=JobState.RUNNING, needs=Needs.BLOCKED, detail="batch 1: no right", settled_at=None))
    assert (told["needs"], told["detail"], told["settled_at"]) == ("blocked", "batch 1: no right", None)


@pytest.mark.parametrize(
    ("state", "detail", "told"),
    [
        (BatchState.UNCONFIRMED, None, "connection reset"),
        (BatchState.PLANNED, None, "connection reset"),
        (BatchState.BLOCKED, "no right", "no right"),
        (BatchState.SETTLED, None, None),
    ],
)
def test_a_batch_tells_what_its_last_attempt_met(state, detail, told):
    """While it goes on by itself; why it waits for a person comes first, and what is over is over."""
    shown = describe_batch(batch(state=state, detail=detail, last_error="connection reset"), {})
    assert shown["detail"] == told


# ---------------------------------------------------------------- times


@given(st.integers(0, 4_102_444_800 * SECOND))
def test_times_are_rfc_3339_in_utc_to_the_millisecond(micros):
    """A time reads back as the millisecond that it fell into, and texts sort as times do."""
    text = when(micros)
    assert text.endswith("Z")
    assert len(text) == len("2023-11-14T22:13:20.000Z")
    read = datetime.fromisoformat(text)
    assert read.tzinfo == UTC
    assert micros // 1000 == round(read.timestamp() * 1000)


def test_no_time_is_no_time():
    """What has not happened is null, not 1970."""
    assert when(None) is None
    assert when(0) == "1970-01-01T00:00:00.000Z"
