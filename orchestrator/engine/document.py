"""What a job came to, as a document: `JOB.json`, `JOB.csv`, and what `show --json` prints while it still runs."""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import Batch, BatchState, Item, ItemState, Job
from orchestrator.store.store import Store

T = TypeVar("T")

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
    "parent",
    "facts",
    "submitted_at",
    "finished_at",
)
"""The fields of an item."""
VERDICT_COLUMNS = ("state", "reason", "duration_s", "link")
"""What a reader looks for first: behind the table's own columns, and before the other fields of the item."""
OUR_COLUMNS = (*VERDICT_COLUMNS, *(name for name in ITEM_COLUMNS if name not in VERDICT_COLUMNS))
"""All columns of the CSV that are not the table's, in their order."""

_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
"""What a spreadsheet drops, or does not show, before it reads a cell."""
_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]")
"""How a formula begins; a spreadsheet set to an East Asian language reads the full-width forms alike."""
_SIGNED = re.compile(r"[+-](?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)?")
"""A number with a sign, or a sign alone (a strand): what begins like a formula and is none."""


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
        "parents": job.parents,
    }


def describe_batch(batch: Batch) -> dict[str, Any]:
    """One entry of `batches`. Until it is accepted, `detail` is what its last attempt met, and `sends` how often."""
    met = None if batch.state is BatchState.SETTLED else batch.last_error
    return {
        "number": batch.number,
        "remote_id": batch.remote_id,
        "state": batch.state,
        "status": batch.status,
        "submitted_at": when(batch.submitted_at),
        "items": batch.items,
        "sends": batch.sends,
        "detail": batch.detail or met,
    }


async def describe_standstill(store: Store, job: Job, open_items: int | None) -> dict[str, Any]:
    """Since when a job makes no progress and what it waits for; `open_items` is its account's limit, where known."""
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
        "attempts": item.attempts,
        "previous_ids": list(item.previous_ids),
        "parent": item.parent_key,
        "facts": msgspec.json.decode(item.facts) if item.facts else None,
        "submitted_at": when(item.submitted_at),
        "finished_at": when(item.finished_at),
    }


async def as_json(store: Store, job: Job) -> AsyncIterator[bytes]:
    """The whole document, in portions; one item a line, so that people can read it and tools can stream it."""
    yield b'{"job": ' + msgspec.json.encode(describe_job(job)) + b',\n"batches": ['
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
            told = describe_item(item) | _verdict(item)
            told |= {"previous_ids": " ".join(item.previous_ids), "facts": item.facts}
            lines.append([*(row.get(name) for name in columns), *(told[name] for name in OUR_COLUMNS)])
        yield _written(lines)
    if columns is None:
        yield _written([_header([])])


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
    """What stands between the brackets of a list, a portion for each chunk."""
    separator = b""
    async for chunk in chunks:
        if chunk:
            yield separator + b",".join(b"\n" + msgspec.json.encode(describe(each)) for each in chunk)
            separator = b","


def _row_of(item: Item) -> Mapping[str, Any]:
    return msgspec.json.decode(item.row, type=dict[str, Any]) if item.row else {}


def _header(columns: Iterable[str]) -> list[object]:
    return [*(_own(column) for column in columns), *OUR_COLUMNS]


def _own(column: str) -> str:
    """A table may have a column named like one of ours; the reader must be able to tell them apart."""
    # Also `table.key` itself, lest it clash with what becomes of `key`.
    return f"table.{column}" if column.replace("table.", "") in OUR_COLUMNS else column


def _written(lines: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_safe(cell) for cell in line] for line in lines)
    return text.getvalue().encode()


def _safe(cell: object) -> object:
    """Spreadsheets run a cell that begins like a formula; a leading quote keeps it text."""
    if not isinstance(cell, str) or _SIGNED.fullmatch(cell):
        return cell
    unseen = _UNSEEN.match(cell)
    shown = unseen.end() if unseen else 0
    # A control character at the start is quoted whatever follows: programs differ in what they make of it.
    runs = bool(_FORMULA.match(cell, shown)) or any(character < " " for character in cell[:shown])
    return f"'{cell}" if runs else cell
