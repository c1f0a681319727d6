"""Jobs, batches and items to make result documents of."""

import csv
import io
import json
from types import SimpleNamespace

from stages import Stage

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
)
from orchestrator.engine.result_document import CsvTable

START = 1_700_000_000 * SECOND
JOB = JobId("j1")


class FakeStore:
    """The two questions that a document asks of the store, answered from lists."""

    def __init__(self, batches=(), portions=()):
        self.batches = SimpleNamespace(stream=self._stream_batches, counts=self._counts)
        self.items = SimpleNamespace(stream=self._stream)
        self._batches, self._portions = list(batches), portions
        self.handed_out = 0

    async def _stream_batches(self, job):
        assert job == JOB
        for batch in self._batches:
            yield [batch]

    async def _counts(self, batches):
        return {batch.number: {ItemState.SUCCEEDED: 99, ItemState.FAILED: 1} for batch in batches}

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


async def as_csv(store, found):
    """The whole table of a job, in portions."""
    writer = CsvTable()
    async for items in store.items.stream(found.id):
        yield writer.items(items)
    yield writer.tail()


async def table(*portions):
    text = (await written(as_csv(FakeStore(portions=portions), job()))).decode()
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


async def cell_of(text, column="note"):
    """How a table's cell comes out in the result."""
    rows = await table([item(row=row(**{column: text}))])
    return rows[1][0]


def all_of(portions):
    """Run an asynchronous iteration that waits for nothing to its end."""
    try:
        written(portions).send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")
