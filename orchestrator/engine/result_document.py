"""The result of a job as a document: `JOB.json`, `JOB.csv`, and the output of `show --json` while the job runs."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import Batch, BatchState, Item, ItemState, Job
from orchestrator.domain.printable import printable, printable_json
from orchestrator.domain.result_columns import OUR_COLUMNS, guarded
from orchestrator.store.store import Store

T = TypeVar("T")


def when(micros: Micros | None) -> str | None:
    """Format a time as RFC 3339 in UTC, to the millisecond; None stays None."""
    if micros is None:
        return None
    stamp = datetime.fromtimestamp(micros / SECOND, tz=UTC)
    return stamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def describe_job(job: Job) -> dict[str, Any]:
    """The `job` object of the document; also a row of `jobs --json`."""
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
        "parents": job.parents,
    }


def describe_batch(batch: Batch) -> dict[str, Any]:
    """One entry of `batches`. Until the batch is accepted, `detail` is the error of the last of `sends` attempts."""
    last_error = None if batch.state is BatchState.SETTLED else batch.last_error
    return {
        "number": batch.number,
        "remote_id": batch.remote_id,
        "state": batch.state,
        "status": batch.status,
        "submitted_at": when(batch.submitted_at),
        "items": batch.items,
        "sends": batch.sends,
        "detail": batch.detail or last_error,
    }


async def describe_standstill(store: Store, job: Job, open_items: int | None) -> dict[str, Any]:
    """Since when a job has made no progress and what it waits for; `open_items` is its account's limit, if known."""
    return {
        "unchanged_since": when(await store.standstill.unchanged_since(job)),
        "waits_for": await store.standstill.waits_for(job, open_items) if open_items is not None else None,
    }


def describe_item(item: Item) -> dict[str, Any]:
    """One entry of `items`."""
    return {
        "key": item.key,
        "batch": item.batch,
        "stage": item.stage,
        "state": item.state,
        "status": item.status,
        "remote_id": item.remote_id,
        "detail": item.detail,
        "attempts": 0 if _never_submitted(item) else item.attempts,
        "previous_ids": list(item.previous_ids),
        "parent": item.parent_key,
        "facts": msgspec.json.decode(item.facts) if item.facts else None,
        "submitted_at": when(item.submitted_at),
        "finished_at": when(item.finished_at),
    }


def _never_submitted(item: Item) -> bool:
    """Whether it is or was planned, and nothing more: its first attempt did not begin."""
    unsent = item.state in {ItemState.PENDING, ItemState.CANCELLED}
    return unsent and item.submitted_at is None and item.attempts == 1 and not item.previous_ids


async def as_json(store: Store, job: Job) -> AsyncIterator[bytes]:
    """The whole document, in portions; one item a line, so that people can read it and tools can stream it."""
    yield b'{"job": ' + printable_json(msgspec.json.encode(describe_job(job))) + b',\n"batches": ['
    async for lines in _listed(store.batches.stream(job.id), describe_batch):
        yield lines
    yield b'],\n"items": ['
    async for lines in _listed(store.items.stream(job.id), describe_item):
        yield lines
    yield b"]}\n"


async def as_csv(store: Store, job: Job) -> AsyncIterator[bytes]:
    """The items as a table: the columns of the table that the job was made from, then ours."""
    columns: list[str] | None = None
    async for items in store.items.stream(job.id):
        lines: list[list[object]] = []
        for item in items:
            row = _row_of(item)
            if columns is None:
                columns = list(row)
                lines.append(_header(columns))
            fields = describe_item(item) | _verdict(item)
            fields |= {"previous_ids": " ".join(item.previous_ids), "facts": item.facts}
            lines.append([*(row.get(name) for name in columns), *(fields[name] for name in OUR_COLUMNS)])
        yield _csv(lines)
    if columns is None:
        yield _csv([_header([])])


def _verdict(item: Item) -> dict[str, Any]:
    """What became of an item, for people: why it did not succeed, and how many seconds it took."""
    both = item.submitted_at is not None and item.finished_at is not None
    seconds = ((item.finished_at or 0) - (item.submitted_at or 0)) / SECOND if both else None
    succeeded = item.state is ItemState.SUCCEEDED
    return {
        "reason": None if succeeded else item.detail or item.status,
        "duration_s": None if seconds is None else round(max(0.0, seconds), 3),
        "link": None,
    }


async def _listed(
    chunks: AsyncIterator[Sequence[T]], describe: Callable[[T], Mapping[str, Any]]
) -> AsyncIterator[bytes]:
    """The elements of a JSON list without its brackets, one part per chunk."""
    separator = b""
    async for chunk in chunks:
        if chunk:
            yield separator + b",".join(b"\n" + printable_json(msgspec.json.encode(describe(each))) for each in chunk)
            separator = b","


def _row_of(item: Item) -> Mapping[str, Any]:
    return msgspec.json.decode(item.row, type=dict[str, Any]) if item.row else {}


def _header(columns: Iterable[str]) -> list[object]:
    return [*(_own(column) for column in columns), *OUR_COLUMNS]


def _own(column: str) -> str:
    """A table may have a column named like one of ours; the reader must be able to distinguish them."""
    # Also `table.key` itself, lest it clash with what becomes of `key`.
    return f"table.{column}" if column.replace("table.", "") in OUR_COLUMNS else column


def _csv(lines: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_safe(cell) for cell in line] for line in lines)
    return text.getvalue().encode()


def _safe(cell: object) -> object:
    """Safe to open in a spreadsheet, and to print."""
    return printable(guarded(cell), keep="\t\r\n") if isinstance(cell, str) else cell
