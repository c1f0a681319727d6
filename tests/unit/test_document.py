"""The result documents: one JSON document, one table, in portions, safe to open."""

import csv
import io
import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.clock import SECOND
from orchestrator.domain.model import (
    Batch,
    BatchId,
    BatchKey,
    BatchState,
    Item,
    ItemState,
    Job,
    JobId,
    JobSpec,
    JobState,
    Needs,
    Stage,
)
from orchestrator.engine.document import ITEM_COLUMNS, as_csv, as_json, describe_item, describe_job, when

START = 1_700_000_000 * SECOND
JOB = JobId("j1")


class FakeStore:
    """The two questions that a document asks of the store, answered from lists."""

    def __init__(self, batches=(), portions=()):
        self.batches = SimpleNamespace(of_job=self._of_job)
        self.items = SimpleNamespace(stream=self._stream)
        self._batches, self._portions = list(batches), portions
        self.handed_out = 0

    async def _of_job(self, job):
        assert job == JOB
        return self._batches

    async def _stream(self, job):
        assert job == JOB
        for portion in self._portions:
            self.handed_out += 1
            yield list(portion)


def job(**fields):
    spec = JobSpec(
        name="germline-run-0172",
        kind="ica.analysis_creation",
        account="ica",
        project="11111111-1111-1111-1111-111111111111",
        digest="d",
        file="run-0172.yaml",
        dropped_by="1000",
    )
    told = {
        "id": JOB,
        "spec": spec,
        "state": JobState.PARTIAL,
        "needs": None,
        "detail": None,
        "round": 1,
        "counts": {ItemState.SUCCEEDED: 99, ItemState.FAILED: 1, ItemState.RUNNING: 0},
        "created_at": START,
        "started_at": START + SECOND,
        "settled_at": START + 2 * SECOND,
        "cancelled_at": None,
        "sent_at": START + SECOND,
    }
    return Job(**(told | fields))


def batch(number=1, **fields):
    told = {
        "id": BatchId(f"b{number}"),
        "job": JOB,
        "job_name": "germline-run-0172",
        "account": "ica",
        "project": "p",
        "kind": "ica.analysis_creation",
        "engine": "nextflow",
        "number": number,
        "lineage": str(number),
        "attempt": 0,
        "key": BatchKey(f"k{number}"),
        "state": BatchState.SETTLED,
        "items": 100,
        "open": 0,
        "creating": 0,
        "remote_id": f"remote-{number}",
        "status": "PARTIALLY_SUCCEEDED",
        "status_final": True,
        "detail": None,
        "sends": 1,
        "first_sent_at": START,
        "sent_at": START,
        "submitted_at": START + SECOND,
        "settled_at": START + 2 * SECOND,
        "user": "u",
        "searched_at": None,
    }
    return Batch(**(told | fields))


def item(seq=1, **fields):
    told = {
        "job": JOB,
        "seq": seq,
        "key": f"run-0172/s{seq}",
        "batch": 1,
        "stage": Stage.ANALYSIS,
        "state": ItemState.SUCCEEDED,
        "status": "SUCCEEDED",
        "remote_id": f"analysis-{seq}",
        "detail": None,
        "submitted_at": START,
        "finished_at": START + 90 * SECOND + 123_456,
    }
    return Item(**(told | fields))


def row(**cells):
    return json.dumps(cells, ensure_ascii=False).encode()


async def written(portions):
    return b"".join([portion async for portion in portions])


async def table(*portions):
    text = (await written(as_csv(FakeStore(portions=portions), job()))).decode()
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


async def cell_of(text, column="note"):
    """How a table's cell comes out in the result."""
    rows = await table([item(row=row(**{column: text}))])
    return rows[1][-1]


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
        "settled_at": "2023-11-14T22:13:22.000Z",
        "counts": {"succeeded": 99, "failed": 1},
    }
    promised = {"number": 1, "remote_id": "remote-1", "state": "settled", "status": "PARTIALLY_SUCCEEDED"}
    assert told_batch == told_batch | promised | {"submitted_at": "2023-11-14T22:13:21.000Z", "items": 100}
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
    document = json.loads(_all_of(as_json(FakeStore([], [[told]]), job(detail=detail))))
    assert (status, detail, key) == tuple(document["items"][0][name] for name in ("status", "detail", "key"))
    assert detail == document["job"]["detail"]


def _all_of(portions):
    """Run an asynchronous iteration that waits for nothing to its end."""
    try:
        written(portions).send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


def test_what_a_job_needs_is_told_in_our_word():
    """A blocked job says so, with the reason beside."""
    told = describe_job(job(state=JobState.RUNNING, needs=Needs.BLOCKED, detail="batch 1: no right", settled_at=None))
    assert (told["needs"], told["detail"], told["settled_at"]) == ("blocked", "batch 1: no right", None)


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


# ---------------------------------------------------------------- CSV


async def test_the_table_has_our_columns_and_then_the_tables():
    """Each item is a row: what became of it, then the row that it was made from."""
    rows = await table([item(1, row=row(sample="s1", r1="fil.1"))], [item(2, row=row(sample="s2", r1="fil.2"))])
    assert rows[0] == [*ITEM_COLUMNS, "sample", "r1"]
    assert rows[1][:3] == ["run-0172/s1", "1", "analysis"]
    assert [each[-2:] for each in rows[1:]] == [["s1", "fil.1"], ["s2", "fil.2"]]


def test_the_columns_are_the_fields():
    """The header names what stands below it."""
    assert list(ITEM_COLUMNS) == list(describe_item(item()))


async def test_items_without_a_table_have_our_columns_alone():
    """Native items make a table too, empty where nothing is known."""
    rows = await table([item(status=None, remote_id=None, batch=None, finished_at=None)])
    assert rows[0] == list(ITEM_COLUMNS)
    told = dict(zip(*rows, strict=True))
    assert {told[name] for name in ("status", "remote_id", "batch", "finished_at")} == {""}


async def test_earlier_objects_stand_in_one_cell():
    """The ids of earlier attempts are separated by spaces."""
    rows = await table([item(previous_ids=("a-1", "a-2"), attempts=3)])
    told = dict(zip(*rows, strict=True))
    assert (told["previous_ids"], told["attempts"]) == ("a-1 a-2", "3")


@pytest.mark.parametrize("portions", [(), ([],), ([], [])])
async def test_a_table_without_items_has_its_header(portions):
    """A reader finds the columns even where nothing was to be done."""
    assert [list(ITEM_COLUMNS)] == await table(*portions)


async def test_the_header_stands_once_whatever_the_portions():
    """Empty portions before and between the items add no line."""
    rows = await table([], [item(1)], [], [item(2)])
    assert [row[0] for row in rows] == ["key", "run-0172/s1", "run-0172/s2"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_any_cell_reads_back(text):
    """Commas, quotes and line breaks are quoted; nothing but a formula is changed."""
    told = _all_of(as_csv(FakeStore(portions=[[item(row=row(note=text))]]), job())).decode()
    cell = list(csv.reader(io.StringIO(told, newline=""), strict=True))[1][-1]
    assert text in {cell, cell.removeprefix("'")}


async def test_lines_end_as_rfc_4180_says():
    """Each record ends in CR LF."""
    text = await written(as_csv(FakeStore(portions=[[item(1), item(2)]]), job()))
    assert text.count(b"\r\n") == text.count(b"\n") == 3


# ---------------------------------------------------------------- formulas


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        '=HYPERLINK("http://evil.example","open")',
        "+1+cmd|' /C calc'!A0",
        "-2+3",
        "-sum(a1)",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "+-1",
        "-1e5x",
        "+٣",
    ],
)
async def test_a_cell_that_a_spreadsheet_would_run_is_text(formula):
    """A leading quote keeps a formula from being run when somebody opens the result."""
    assert await cell_of(formula) == f"'{formula}"


@pytest.mark.parametrize("plain", ["-", "+", "-1", "+1", "-1.5", "-0.3e-7", "-12.", "a=b", "s1", "", "'quoted", "1-2"])
async def test_what_is_no_formula_stays_as_it_is(plain):
    """A strand, a signed number, a text with a sign inside: programs read back what was in the table."""
    assert plain == await cell_of(plain)


async def test_formulas_are_defused_wherever_they_come_from():
    """The platform's detail, an item's key and the name of a column are as little to be trusted as a cell."""
    rows = await table([item(key="=key", detail="@detail", remote_id="=id", row=row(**{"=column": "x"}))])
    told = dict(zip(*rows, strict=True))
    assert (told["key"], told["detail"], told["remote_id"]) == ("'=key", "'@detail", "'=id")
    assert rows[0][-1] == "'=column"


# ---------------------------------------------------------------- columns that clash


async def test_a_column_named_like_one_of_ours_is_told_apart():
    """`state` of the table does not pass for the state of the item."""
    rows = await table([item(row=row(state="Bavaria", sample="s1", status="married"))])
    assert rows[0][-3:] == ["table.state", "sample", "table.status"]
    assert dict(zip(*rows, strict=True))["state"] == "succeeded"


@given(st.lists(st.sampled_from(["key", "table.key", "table.table.key", "table.x", "x", "tablekey"]), unique=True))
def test_no_two_columns_have_one_name(columns):
    """Not even where a table foresaw the name that we give to a column."""
    told = _all_of(as_csv(FakeStore(portions=[[item(row=row(**dict.fromkeys(columns, "1")))]]), job())).decode()
    header = next(csv.reader(io.StringIO(told, newline="")))
    assert len(set(header)) == len(header) == len(ITEM_COLUMNS) + len(columns)


async def test_a_column_that_clashes_with_nothing_keeps_its_name():
    """Only what could be mistaken is renamed."""
    rows = await table([item(row=row(**{"table.x": "1", "Key": "2", "sample": "3"}))])
    assert rows[0][-3:] == ["table.x", "Key", "sample"]
