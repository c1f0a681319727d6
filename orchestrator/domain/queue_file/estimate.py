"""From what a queue file asks for to what the store keeps: how a job is cut into batches, and what makes two equal."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import JobSpec
from orchestrator.domain.queue_file.model import QueuedJob

PARTS = 4
"""A batch takes at most one in so many of the items that may be open at a time."""

BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of the items of a batch, where the account says nothing else."""
MOST_BATCH_BYTES = 32 * 1024 * 1024
"""Bytes that an account may set. A request of more is never composed: several copies of it are in memory at a time."""

_canonical = msgspec.json.Encoder(order="sorted", decimal_format="number").encode


def canonical(value: object) -> bytes:
    """A JSON value in its one spelling: compact, keys sorted, numbers with the digits they were written with.

    Items are stored and sent like this. So equal items are equal bytes whatever format they came in, and a file that is
    dropped again after the database was lost leads to the same submission under the same key.
    """
    return _canonical(value)


from_canonical = msgspec.json.Decoder(float_hook=Decimal).decode
"""Reads what `canonical` has written; numbers keep their digits."""


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """What intake knows of an account."""

    platform: str
    open_items: int
    """Items on the platform at a time."""
    batch_size: Mapping[str, int] = field(default_factory=dict)
    """Items a submission, by `Kind.setting`; a kind that is not there has its own."""
    batch_bytes: int = BATCH_BYTES
    """Bytes of the items of a submission, and so of one item."""
    requests: int = 1000
    """The budget: that many requests..."""
    per: float = 300.0
    """... in that many seconds."""
    page_size: int = 1000
    """Maximum rows in one answer of the platform."""


def batch_size(kind: Kind, limits: AccountLimits, max_open: int | None) -> int:
    """Items a batch: what the account sends at a time, but no more than a part of what may be open.

    A batch goes out when there is room for all of it. Were it as large as the room, it would wait for the last item of
    all others, and everything behind it would wait too.
    """
    open_at_a_time = limits.open_items if max_open is None else min(limits.open_items, max_open)
    return min(limits.batch_size.get(kind.setting, kind.batch_size), math.ceil(open_at_a_time / PARTS))


def policy_notes(job: QueuedJob, items: int | None, limits: AccountLimits) -> Iterator[str]:
    """What in a job of so many items cannot act as it was probably meant; None where their number is not known yet."""
    yield from filter(None, (stop_after_note(job, items, limits), _retry_note(job)))


def stop_after_note(job: QueuedJob, items: int | None, limits: AccountLimits) -> str | None:
    """Why `stop_after` of a job of so many items cannot act, or late; None where it can, or there is none."""
    if job.stop_after is None:
        return None
    at_once = min(limits.open_items, job.max_open or limits.open_items)
    if job.max_open is not None and (items is None or items > at_once):
        return None
    most = PARTS * job.stop_after.failed
    if items is None:
        submitted = f"up to {at_once} items"
    elif items > at_once:
        submitted = f"{at_once} of the {items} items"
    else:
        submitted, most = f"all {items} items", max(1, min(items - 1, most))
    return (
        f"`stop_after` holds back what is not submitted yet, and {submitted} are submitted at once: "
        f"add `max_open: {most}` or so, and the others wait until these have ended"
    )


def _retry_note(job: QueuedJob) -> str | None:
    """Why `retry` of a job may never act: platforms write statuses in capitals, and it compares them as they are."""
    odd = [status for status in job.retry.on if status != status.upper()] if job.retry else []
    if not odd:
        return None
    meant = ", ".join(status.upper() for status in odd)
    what = f"`retry` waits for the status {', '.join(odd)}, and platforms write statuses in capitals"
    return f"{what}: did you mean {meant}?"


class Cutter:
    """Cuts items into batches as they come: each takes so many items and so many bytes at most, and one item at least.

    The numbers follow from the items and the two limits alone, so the same file gives the same batches. Items of
    ordinary size never meet the limit of bytes.
    """

    def __init__(self, most_items: int, most_bytes: int) -> None:
        self._most_items = most_items
        self._most_bytes = most_bytes
        self._items = self._bytes = 0
        self.batches = 0
        """Batches begun so far."""

    def add(self, size: int) -> int:
        """The number of the batch, from 1, that the next item belongs to; `size` is its bytes."""
        if not self.batches or self._items == self._most_items or self._bytes + size > self._most_bytes:
            self.batches += 1
            self._items = self._bytes = 0
        self._items += 1
        self._bytes += size
        return self.batches


class Digest:
    """What a job *is*: equal for equal content, whatever the format, the spelling or the order of keys.

    In it: kind, account, project, engine, after, priority, max_open, stop_after, retry, `group_by`, `options`, `labels`
    and `notify` where there are any, every item as it will be sent, and the row it was made from (result tables show
    the row). Left out: the name, under which it is compared; the names of file and table; `count`, which only guards;
    and how template and items were spelt. A job that is made of the rows of an earlier one has no items yet: in their
    place stand that job, the template and `count`. A change of priority is a change of content, so that it is never
    accepted without a message and discarded.
    """

    def __init__(self, job: QueuedJob) -> None:
        after, retry = job.waits_for, job.retry_policy
        self._hash = hashlib.sha256(b"orchestrator job 1\n")
        self._work = hashlib.sha256(b"orchestrator work 1\n")
        work = {"kind": job.kind, "project": job.project, "engine": job.engine, "options": job.options or None}
        self._work.update(canonical(work) + b"\n")
        header: dict[str, object] = {
            "kind": job.kind,
            "account": job.account,
            "project": job.project,
            "engine": job.engine,
            "after": sorted({name.casefold() for name in after.jobs}) if after else None,
            "accept": sorted(after.accept) if after else None,
            "priority": job.priority,
            "max_open": job.max_open,
            "stop_after": job.stop_after.failed if job.stop_after else None,
            "retry": {"attempts": retry.attempts, "on": sorted(retry.on)} if retry else None,
        }
        if job.rows is not None:
            header["rows"] = {"job": job.rows.job.casefold(), "states": sorted(set(job.rows.states))}
            header["template"], header["count"] = job.template, job.count
        if job.group_by is not None:  # not in the digests of jobs from before there was such a key
            header["group_by"] = job.group_by
        if job.options:  # so that a job without any keeps the digest that it always had
            header["options"] = job.options
        if job.labels:
            header["labels"] = job.labels
        if job.notify is not None:
            header["notify"] = {"webhook": job.notify.webhook, "on": sorted(job.notify.on)}
        self._hash.update(canonical(header) + b"\n")

    def add(self, request: bytes, row: bytes | None) -> None:
        """The next item. A row that says just what the item says adds nothing: a table is then only a way to spell."""
        self._hash.update(request)
        self._work.update(request + b"\n")
        if row is not None and row != request:
            self._hash.update(b"\t" + row)
        self._hash.update(b"\n")

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def work(self) -> str:
        """A digest of what is done: the items as they will be sent, kind, project, engine and options alone.

        Two jobs of one work have it in common whatever their names, accounts, priorities and tables.
        """
        return self._work.hexdigest()


def job_spec(
    job: QueuedJob,
    kind: Kind,
    limits: AccountLimits,
    *,
    digest: str,
    file: str | None,
    dropped_by: str | None,
    work: str | None = None,
    document: bytes | None = None,
) -> JobSpec:
    """The job as the store takes it, with the digests `digest` of the job and `work` of what it does.

    `document` is the job as its file has it, where its items are still to come.
    """
    return JobSpec(
        name=job.name,
        kind=job.kind,
        account=job.account,
        project=job.project or "",
        digest=digest,
        content_digest=work,
        engine=job.engine,
        after=job.waits_for,
        priority=job.priority,
        max_open=job.max_open,
        stop_after_failed=job.stop_after.failed if job.stop_after else None,
        retry=job.retry_policy,
        file=file,
        dropped_by=dropped_by,
        batch_size=batch_size(kind, limits, job.max_open),
        first_stage=kind.first_stage,
        follow_only=kind.follow_only,
        options=canonical(job.options) if job.options else None,
        labels=job.labels or {},
        notify=job.notifies,
        rows_of=job.rows.job if job.rows else None,
        document=document,
    )


def cycle_in(after: Mapping[str, Sequence[str]]) -> tuple[str, ...] | None:
    """Jobs that wait for each other, in order, the first one again at the end; None when there are none.

    `after` maps a folded name to the folded names it waits for; names it does not map wait for nothing.
    """
    done: set[str] = set()
    for start in after:
        trail: list[str] = []
        on_trail: set[str] = set()
        pending = [(start, 0)]
        while pending:
            name, depth = pending.pop()
            for left in trail[depth:]:
                on_trail.remove(left)
                done.add(left)
            del trail[depth:]
            if name in on_trail:
                return (*trail[trail.index(name) :], name)
            if name in done:
                continue
            trail.append(name)
            on_trail.add(name)
            pending.extend((other, depth + 1) for other in reversed(after.get(name, ())))
        done.update(trail)
    return None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job will cost at least."""

    batches: int
    requests: int
    """The submissions of all batches, and one whole poll of each."""
    seconds: float
    """What the account's budget alone makes it take; what runs on the platform takes its own time."""


def estimate(items: int, size: int, limits: AccountLimits, *, cut: int | None = None, per_batch: int = 1) -> Estimate:
    """For `validate --plan`: batches, requests and time of `items` items in batches of `size`.

    `cut`: how many batches there are where their bytes make them more. `per_batch`: requests of one submission.
    """
    batches = math.ceil(items / size)
    last = items - (batches - 1) * size if batches else 0
    pages = max(0, batches - 1) * math.ceil(size / limits.page_size) + math.ceil(last / limits.page_size)
    if cut is not None and cut > batches:
        batches, pages = cut, max(pages, cut)
    requests = batches * per_batch + pages
    windows = max(0, math.ceil(requests / max(1, limits.requests)) - 1)
    return Estimate(batches, requests, windows * limits.per)
