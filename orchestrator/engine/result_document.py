"""The result of a job as documents for programs: `JOB.json`, `JOB.csv`, and `show --json` while the job runs."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.messages.printable import printable, printable_json
from orchestrator.domain.model import Batch, BatchState, Item, ItemState, Job
from orchestrator.domain.result_columns import OUR_COLUMNS, guarded
from orchestrator.store.reading.history import HistoryEvent
from orchestrator.store.store import Store

Link = Callable[[str | None], str | None]
"""The address of an item's page on the platform, by the item's id there."""


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
        "project": spec.project or None,
        "labels": dict(spec.labels),
        "state": job.state,
        "needs": job.needs,
        "detail": job.detail,
        "round": job.round,
        "file": spec.file,
        "dropped_by": spec.dropped_by,
        "created_at": when(job.created_at),
        "started_at": when(job.started_at),
        "cancelled_at": when(job.cancelled_at),
        "settled_at": when(job.settled_at),
        "counts": {state.value: count for state, count in job.counts.items() if count},
        "parents": job.parents,
    }


def describe_batch(batch: Batch, counts: Mapping[ItemState, int]) -> dict[str, Any]:
    """One entry of `batches`; `counts` are its items by state.

    `status` is about the `stage`: that of a batch of analyses is the status of their creation, whatever became of them.
    Until the batch is accepted, `detail` is the error of the last of `sends` attempts.
    """
    last_error = None if batch.state is BatchState.SETTLED else batch.last_error
    return {
        "number": batch.number,
        "remote_id": batch.remote_id,
        "state": batch.state,
        "stage": batch.first_stage,
        "status": batch.status,
        "submitted_at": when(batch.submitted_at),
        "items": batch.items,
        "counts": {state.value: counts[state] for state in ItemState if counts.get(state)},
        "sends": batch.sends,
        "detail": batch.detail or last_error,
    }


async def describe_batches(store: Store, batches: Sequence[Batch]) -> list[dict[str, Any]]:
    """Entries of `batches`, for neighbouring batches of one job."""
    counts = await store.batches.counts(batches)
    return [describe_batch(batch, counts[batch.number]) for batch in batches]


async def describe_standstill(store: Store, job: Job, open_items: int | None) -> dict[str, Any]:
    """Since when a job has made no progress and what it waits for; `open_items` is its account's limit, if known."""
    full = await store.standstill.waits_for(job, open_items) if open_items is not None else None
    return {
        "unchanged_since": when(await store.standstill.unchanged_since(job)),
        "waits_for": full.text if full is not None else None,
    }


def describe_item(item: Item, link: Link | None = None) -> dict[str, Any]:
    """One entry of `items`; with the address of its page on the platform where there is a `link`."""
    described = {
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
    return described if link is None else described | {"link": link(item.remote_id)}


def _never_submitted(item: Item) -> bool:
    """Whether it is or was planned, and nothing more: its first attempt did not begin."""
    unsent = item.state in {ItemState.PENDING, ItemState.CANCELLED}
    return unsent and item.submitted_at is None and item.attempts == 1 and not item.previous_ids


def describe_event(event: HistoryEvent) -> dict[str, Any]:
    """One entry of a job's history."""
    return {
        "id": event.id,
        "at": when(event.at),
        "event": event.event,
        "batch": event.batch,
        "item": event.item,
        "old": event.old,
        "new": event.new,
        "detail": event.detail,
        "actor": event.actor,
    }


def reason_of(item: Item) -> str | None:
    """Why an item did not succeed; None if it did, or if nothing is known."""
    return None if item.state is ItemState.SUCCEEDED else item.detail or item.status


# ---------------------------------------------------------------- JSON


class JsonDocument:
    """The document in portions, to be written in this order; an item a line, so that people and tools can read it."""

    def __init__(self, job: Job, link: Link | None = None) -> None:
        self._job = job
        self._link = link
        self._separator = b""

    def head(self) -> bytes:
        """The job, and the beginning of the list of batches."""
        return b'{"job": ' + printable_json(msgspec.json.encode(describe_job(self._job))) + b',\n"batches": ['

    def batches(self, described: Sequence[Mapping[str, Any]]) -> bytes:
        """Some batches, as `describe_batches` returns them."""
        return self._listed(described)

    def between(self) -> bytes:
        """The end of the list of batches, and the beginning of the list of items."""
        self._separator = b""
        return b'],\n"items": ['

    def items(self, chunk: Sequence[Item]) -> bytes:
        """Some items."""
        return self._listed([describe_item(item, self._link) for item in chunk])

    def tail(self) -> bytes:
        """The end."""
        return b"]}\n"

    def _listed(self, described: Sequence[Mapping[str, Any]]) -> bytes:
        if not described:
            return b""
        before, self._separator = self._separator, b","
        return before + b",".join(b"\n" + printable_json(msgspec.json.encode(each)) for each in described)


async def as_json(store: Store, job: Job, link: Link | None = None) -> AsyncIterator[bytes]:
    """The whole document, in portions."""
    document = JsonDocument(job, link)
    yield document.head()
    async for batches in store.batches.stream(job.id):
        yield document.batches(await describe_batches(store, batches))
    yield document.between()
    async for items in store.items.stream(job.id):
        yield document.items(items)
    yield document.tail()


# ---------------------------------------------------------------- CSV


class CsvTable:
    """The items as a table, in portions: the columns of the table that the job was made from, then ours."""

    def __init__(self, link: Link | None = None) -> None:
        self._link = link
        self._columns: Sequence[str] | None = None

    def items(self, chunk: Sequence[Item]) -> bytes:
        """Some items; before the first of them, the header."""
        lines: list[list[object]] = []
        for item in chunk:
            row = _row_of(item)
            if self._columns is None:
                self._columns = list(row)
                lines.append(_header(self._columns))
            fields = describe_item(item) | self._verdict(item)
            lines.append([*(row.get(name) for name in self._columns), *(fields[name] for name in OUR_COLUMNS)])
        return _csv(lines)

    def tail(self) -> bytes:
        """The header of a table without items; nothing otherwise."""
        return _csv([_header([])]) if self._columns is None else b""

    def _verdict(self, item: Item) -> dict[str, Any]:
        """What became of an item, for people and spreadsheets."""
        seconds = None
        if item.submitted_at is not None and item.finished_at is not None:
            seconds = max(0, round((item.finished_at - item.submitted_at) / SECOND))
        return {
            "reason": reason_of(item),
            "duration_s": seconds,
            "link": self._link(item.remote_id) if self._link is not None else None,
            "previous_ids": " ".join(item.previous_ids),
            "facts": item.facts,
            "submitted_at": _spreadsheet_time(item.submitted_at),
            "finished_at": _spreadsheet_time(item.finished_at),
        }


def _spreadsheet_time(micros: Micros | None) -> str | None:
    """Format a time so that spreadsheets of every language read a date: UTC to the second, without `T` and `Z`."""
    if micros is None:
        return None
    return datetime.fromtimestamp(micros // SECOND, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


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
