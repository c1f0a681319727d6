"""The result of a job as a document: `JOB.json`, `JOB.csv`, and the output of `show --json` while the job runs."""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.model import Batch, BatchState, Item, Job
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
    "submitted_at",
    "finished_at",
)

_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]+")
"""Leading characters that spreadsheets ignore or do not show."""
_FORMULA = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]")
"""The first character of a formula; with an East Asian locale, spreadsheets accept the full-width forms too."""
_SIGNED = re.compile(r"[+-](?:[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)?")
"""A number with a sign, or a sign alone (a strand): begins like a formula but is none."""


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
    """One entry of `items`, in the order of the CSV columns."""
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
    """The whole document in chunks, with one item per line, so that it can be read and streamed."""
    yield b'{"job": ' + msgspec.json.encode(describe_job(job)) + b',\n"batches": ['
    async for lines in _listed(store.batches.stream(job.id), describe_batch):
        yield lines
    yield b'],\n"items": ['
    async for lines in _listed(store.items.stream(job.id), describe_item):
        yield lines
    yield b"]}\n"


async def as_csv(store: Store, job: Job) -> AsyncIterator[bytes]:
    """The items as a CSV table in chunks: `ITEM_COLUMNS`, then the columns of the table that the job was made from."""
    columns: list[str] | None = None
    async for items in store.items.stream(job.id):
        lines: list[list[object]] = []
        for item in items:
            row = _row_of(item)
            if columns is None:
                columns = list(row)
                lines.append(_header(columns))
            cells = describe_item(item) | {"previous_ids": " ".join(item.previous_ids)}
            lines.append([*cells.values(), *(row.get(name) for name in columns)])
        yield _csv(lines)
    if columns is None:
        yield _csv([_header([])])


async def _listed(
    chunks: AsyncIterator[Sequence[T]], describe: Callable[[T], Mapping[str, Any]]
) -> AsyncIterator[bytes]:
    """The elements of a JSON list without its brackets, one part per chunk."""
    separator = b""
    async for chunk in chunks:
        if chunk:
            yield separator + b",".join(b"\n" + msgspec.json.encode(describe(each)) for each in chunk)
            separator = b","


def _row_of(item: Item) -> Mapping[str, Any]:
    return msgspec.json.decode(item.row, type=dict[str, Any]) if item.row else {}


def _header(columns: Iterable[str]) -> list[object]:
    return [*ITEM_COLUMNS, *(_table_column(column) for column in columns)]


def _table_column(column: str) -> str:
    """The name of a table's column in the result: prefixed where it equals one of `ITEM_COLUMNS`."""
    # A column `table.key` is prefixed too, as it would clash with a prefixed `key`.
    return f"table.{column}" if column.replace("table.", "") in ITEM_COLUMNS else column


def _csv(lines: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([_safe(cell) for cell in line] for line in lines)
    return text.getvalue().encode()


def _safe(cell: object) -> object:
    """Quote a cell that a spreadsheet would run as a formula; the leading quote makes it text."""
    if not isinstance(cell, str) or _SIGNED.fullmatch(cell):
        return cell
    unseen = _UNSEEN.match(cell)
    shown = unseen.end() if unseen else 0
    # A leading control character is always quoted: programs differ in how they treat it.
    runs = bool(_FORMULA.match(cell, shown)) or any(character < " " for character in cell[:shown])
    return f"'{cell}" if runs else cell
