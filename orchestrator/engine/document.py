"""What a job came to, as a document: `JOB.json`, `JOB.csv`, and what `show --json` prints while it still runs."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import Batch, Item, Job
from orchestrator.store.store import Store

ITEM_COLUMNS = (
    "key",
    "batch",
    "stage",
    "state",
    "status",
    "remote_id",
    "detail",
    "attempts",
    "previous_ids",
    "submitted_at",
    "finished_at",
)

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def when(micros: Micros | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond; None stays None."""
    if micros is None:
        return None
    stamp = datetime.fromtimestamp(micros / SECOND, tz=UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def describe_job(job: Job) -> dict[str, Any]:
    """The `job` part of the document; also a row of `jobs --json`."""
    spec = job.spec
    return {
        "name": spec.name,
        "kind": spec.kind,
        "account": spec.account,
        "project": spec.project,
        "state": job.state,
        "needs": job.needs,
        "detail": job.detail,
        "round": job.round,
        "file": spec.file,
        "dropped_by": spec.dropped_by,
        "created_at": when(job.created_at),
        "started_at": when(job.started_at),
        "settled_at": when(job.settled_at),
        "counts": {state.value: count for state, count in job.counts.items() if count},
    }


def describe_batch(batch: Batch) -> dict[str, Any]:
    """One entry of `batches`."""
    return {
        "number": batch.number,
        "remote_id": batch.remote_id,
        "state": batch.state,
        "status": batch.status,
        "submitted_at": when(batch.submitted_at),
        "items": batch.items,
        "detail": batch.detail,
    }


def describe_item(item: Item) -> dict[str, Any]:
    """One entry of `items`, in the order of the columns of the CSV."""
    return {
        "key": item.key,
        "batch": item.batch,
        "stage": item.stage,
        "state": item.state,
        "status": item.status,
        "remote_id": item.remote_id,
        "detail": item.detail,
        "attempts": item.attempts,
        "previous_ids": list(item.previous_ids),
        "submitted_at": when(item.submitted_at),
        "finished_at": when(item.finished_at),
    }


async def as_json(store: Store, job: Job) -> AsyncIterator[bytes]:
    """The whole document, in portions; one item a line, so that people can read it and tools can stream it."""
    encode = msgspec.json.encode
    batches = [encode(describe_batch(batch)) for batch in await store.batches.of_job(job.id)]
    yield b'{"job": ' + encode(describe_job(job)) + b',\n"batches": [' + _lines(batches) + b'],\n"items": ['
    first = True
    async for items in store.items.stream(job.id):
        lines = _lines(encode(describe_item(item)) for item in items)
        yield lines if first else b"," + lines
        first = False
    yield b"]}\n"


async def as_csv(store: Store, job: Job) -> AsyncIterator[bytes]:
    """The items as a table: our columns, then those of the table that the job was made from."""
    columns: list[str] | None = None
    async for items in store.items.stream(job.id):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\r\n")
        for item in items:
            row = _row_of(item)
            if columns is None:
                columns = list(row)
                writer.writerow([*ITEM_COLUMNS, *(_own(name) for name in columns)])
            told = describe_item(item) | {"previous_ids": " ".join(item.previous_ids)}
            cells = [*told.values(), *(row.get(name) for name in columns)]
            writer.writerow([_safe(cell) for cell in cells])
        yield text.getvalue().encode()


def _lines(objects: Iterable[bytes]) -> bytes:
    return b",".join(b"\n" + each for each in objects)


def _row_of(item: Item) -> Mapping[str, Any]:
    return msgspec.json.decode(item.row, type=dict[str, Any]) if item.row else {}


def _own(column: str) -> str:
    """A table may have a column named like one of ours; the reader must be able to tell them apart."""
    return f"table.{column}" if column in ITEM_COLUMNS else column


def _safe(cell: object) -> object:
    """Spreadsheets run a cell that begins like a formula; a leading quote keeps it text."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell
