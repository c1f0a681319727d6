"""The data model: jobs, batches, items, polls and their results. Values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

import msgspec

from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import HOUR, Micros
from orchestrator.domain.webhook import Notify

JobId = NewType("JobId", str)
BatchId = NewType("BatchId", str)
BatchKey = NewType("BatchKey", str)
"""The key under which a batch is sent: a UUID that follows from instance, job, batch and attempt (`identity.py`)."""


class ItemState(StrEnum):
    """The state of an item. The last five are final; only `retry` leaves them."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    RUNNING = "running"
    ATTENTION = "attention"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    ABORTED = "aborted"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in FINAL_ITEM_STATES


FINAL_ITEM_STATES = frozenset(
    {ItemState.SUCCEEDED, ItemState.PARTIAL, ItemState.FAILED, ItemState.ABORTED, ItemState.CANCELLED}
)


class BatchState(StrEnum):
    """The state of a batch."""

    PLANNED = "planned"
    SUBMITTING = "submitting"
    UNCONFIRMED = "unconfirmed"
    TRACKING = "tracking"
    BLOCKED = "blocked"
    SETTLED = "settled"


class JobState(StrEnum):
    """The state of a job. A job is `loading` until its whole queue file is stored."""

    LOADING = "loading"
    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def settled(self) -> bool:
        return self in SETTLED_JOB_STATES


SETTLED_JOB_STATES = frozenset(
    {JobState.SUCCEEDED, JobState.PARTIAL, JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED}
)


class Needs(StrEnum):
    """Why a job is on hold."""

    BLOCKED = "blocked"
    ATTENTION = "attention"
    PAUSED = "paused"
    STOPPED = "stopped"


Stage = NewType("Stage", str)
"""What an item's status speaks about, in one word: each kind of work has its own, such as `analysis` or `link`."""

CREATION = Stage("creation")
"""The one stage that is the same everywhere: the item's own object is not there yet, or has not begun."""


@dataclass(frozen=True, slots=True)
class After:
    """The jobs that another one waits for, and the final states that let it start."""

    jobs: tuple[str, ...]
    accept: frozenset[JobState] = frozenset({JobState.SUCCEEDED})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `attempts` in total for an item that ended with one of the platform's statuses in `on`."""

    attempts: int
    on: frozenset[str]


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job of a queue file, without its items."""

    name: str
    kind: str
    account: str
    project: str
    digest: str
    """Digest of the parsed job with its items; equal content has an equal digest whatever its format."""
    content_digest: str | None = None  # of its work alone; None while its items are still to be made of rows
    engine: str | None = None
    after: After | None = None
    priority: int = 5
    max_open: int | None = None
    stop_after_failed: int | None = None
    retry: RetryPolicy | None = None
    file: str | None = None
    dropped_by: str | None = None
    """Numeric user id of the file's owner."""
    batch_size: int = 1
    """Items a batch, already cut down to what the account and the job may have open."""
    first_stage: Stage = CREATION
    """What the first report about each item will speak of."""
    follow_only: bool = False
    """Nothing of it is ever sent, and it takes no room on the platform."""
    options: bytes | None = None
    """What the job says of all its items at once, as compact JSON."""
    labels: Mapping[str, str] = field(default_factory=dict)
    notify: Notify | None = None
    rows_of: str | None = None
    """The job whose items are the rows of this one, as the file spells its name; None for every other job."""
    document: bytes | None = None
    """The job as its file has it, as compact JSON: where its items are still to be made of rows."""

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The names of the jobs that it waits for, each once."""
        names = (*(self.after.jobs if self.after else ()), *((self.rows_of,) if self.rows_of else ()))
        return tuple({name.casefold(): name for name in reversed(names)}.values())[::-1]


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item as passed from the intake to the store."""

    seq: int
    """1 for the first."""
    key: str
    request: bytes
    """The platform's own object, as compact JSON."""
    row: bytes | None = None
    """The table row it was made from, as a JSON object of texts."""
    batch: int = 0
    """The batch, from 1, that it is planned for; 0: derived from the job's batch size."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as read from the store."""

    id: JobId
    spec: JobSpec
    state: JobState
    needs: Needs | None
    detail: str | None
    round: int
    counts: Mapping[ItemState, int]
    created_at: Micros
    started_at: Micros | None
    settled_at: Micros | None
    cancelled_at: Micros | None
    sent_at: Micros | None
    """When the first byte of any of its batches may have left; None while nothing was ever sent."""
    parents: int = 0
    """Items under which others were found: those are counted in their place."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One submission to the platform."""

    id: BatchId
    job: JobId
    job_name: str
    account: str
    project: str
    kind: str
    engine: str | None
    number: int
    """1 for the first batch of the job; the next free one for batches born of a split or a retry."""
    lineage: str
    """What the key is derived from: `3`, its halves `3.1` and `3.2`, a retry `r` with a digest of its items."""
    attempt: int
    """0 at first; increased whenever the same items must be sent under a new key."""
    key: BatchKey
    state: BatchState
    items: int
    open: int
    """Items that are not final."""
    creating: int
    """Open items whose object on the platform is not known yet."""
    remote_id: str | None
    status: str | None
    """The platform's status of the batch."""
    status_final: bool
    detail: str | None
    sends: int
    """Number of sends that may have had an effect; throttled ones do not count."""
    first_sent_at: Micros | None
    """The first send of this key, by the platform's clock if known."""
    sent_at: Micros | None
    """The latest send, by the local clock."""
    submitted_at: Micros | None
    settled_at: Micros | None
    user: str | None
    """The user as whom it was first sent."""
    searched_at: Micros | None
    """When it was first searched for and not found, after a lost response; by the platform's clock if known."""
    submission: Submission | None = None
    priority: int = 5
    """Of its job: 0 (first) to 9."""
    root: int = 0
    """Number of the original batch that it was split from; its own number if it was not."""
    cancelled: bool = False
    """Whether its job was cancelled, so that what it creates is aborted."""
    in_doubt: bool = False
    """Whether a send of this key may have had an effect that was not confirmed."""
    key_void: bool = False
    """Whether sending this key again may repeat the effect, as the platform has not stored the key."""
    last_error: str | None = None
    """The error of the latest attempt to send or reconcile it, while it is retried automatically."""
    planned_at: Micros | None = None
    """When its job was accepted: no key of the job is older."""
    step: int = 1
    """Which of its submissions comes next, or was the last: a platform may want a draft before the run."""
    resend: Resend | None = None
    """Of the submission of this step; None before it was composed."""
    pipeline: str | None = None
    key_life: Micros | None = None
    search_delay: Micros = HOUR
    """This and the two before it are explained at `Submission`."""
    first_stage: Stage = CREATION
    """Of its job."""
    options: bytes | None = None  # of its job
    found_open: int = 0
    """Those of its open items that were found, and not asked for."""


@dataclass(frozen=True, slots=True)
class Item:
    """One unit of work, as read from the store."""

    job: JobId
    seq: int
    key: str
    batch: int | None
    stage: Stage
    state: ItemState
    status: str | None
    remote_id: str | None
    detail: str | None
    attempts: int = 1
    previous_ids: tuple[str, ...] = ()
    submitted_at: Micros | None = None
    finished_at: Micros | None = None
    request: bytes | None = None
    row: bytes | None = None
    parent: int | None = None
    """The number of the item under which it was found; None for an item that was asked for."""
    parent_key: str | None = None  # where items are read for people
    found: int = 0
    """How many items were found under it."""
    superseded: bool = False
    """Found under an earlier run of its parent: history, counted nowhere."""
    facts: str | None = None
    """What else the platform reports of it, as a JSON object."""


@dataclass(frozen=True, slots=True)
class Poll:
    """A query for the status of many items, in memory only. The result of each page has the poll for the next page."""

    name: str
    """Identifies the poll: `items:<batch>`, `search:<project>`, `jobs`."""
    route: str
    """The kind of query; defined by the platform."""
    project: str
    subjects: Mapping[BatchKey, str | None]
    """The batches that it covers: key → remote id."""
    batches: tuple[BatchId, ...]
    """The ids of the same batches, in the same order."""
    cost: int
    """Expected number of requests for all pages."""
    expects: frozenset[Stage] = frozenset()
    """An open item in one of these stages that the complete answer does not contain is *missing* from it."""
    names: int = 0
    """So many open items are named in one request, those of `batches` in `expects`; 0: none are."""
    criteria: frozenset[Stage] = frozenset()
    """The open items in these stages say what to ask for: all of them come along in `named`, with their requests."""
    named: tuple["Item", ...] = ()
    """The items that are requested by id. Empty: everything in `subjects`."""
    homes: Mapping[tuple[JobId, int], BatchKey] = field(default_factory=dict)
    """The same batches by (job, number), to find the batch of an item in follow-ups."""
    cursor: str | None = None
    page: int = 0
    trail: frozenset[str] = frozenset()
    """The cursors of earlier pages, to detect a cycle."""
    word: str | None = None
    """The platform's status of the one batch that is polled: when it changes, the poll is due."""
    idle: bool = False
    """Whether that status means that nothing has begun yet."""


class ItemReport(msgspec.Struct, frozen=True, gc=False):
    """What the platform reported of one item. A struct, as each page creates up to a thousand of them."""

    batch: BatchKey
    stage: Stage
    state: ItemState
    status: str | None
    """The platform's own word, as it came; None where it has none for this item."""
    seq: int | None = None
    key: str | None = None
    """At least one of `seq` and `key` is given; both must match the same item."""
    remote_id: str | None = None
    detail: str | None = None
    finished_at: Micros | None = None
    hint: bool = False
    """True when the status may be stale (an embedded analysis): it neither ends nor contradicts an item."""
    known_status: bool = True
    """False for a word that our tables do not have: counted and shown, kept as it came."""
    parent: int | None = None
    """Number of the item that it belongs to: where no item has its key, it becomes one."""
    facts: str | None = None
    """A JSON object for the result, kept with a report that changes something."""
    parent_key: str | None = None
    """The key of the item that it belongs to, where its number is not known."""
    to_job: bool = False
    """Any batch of the job may have the item; where none has it, nor its parent, the report concerns nothing."""
    by_children: bool = False
    """With a final state: the item ends as those found under it did, and succeeds where there are none."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What the platform reported of a batch as a whole."""

    batch: BatchKey
    status: str | None
    """None: the platform has no status for it (`job: null`), and never will."""
    final: bool
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """Learned behaviour of an account's platform, to be stored across restarts."""

    name: str
    value: str


Observation = ItemReport | BatchReport | Learned


@dataclass(frozen=True, slots=True)
class PollResult:
    """The result of one page of a poll."""

    observations: Sequence[Observation]
    next: Poll | None = None
    """The poll for the next page; None after the last."""
    restarted: bool = False
    """The platform rejected the cursor: `next` restarts the poll, and earlier pages do not count."""
    bad_rows: int = 0
    """Rows of the page that could not be decoded and were skipped."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the platform has of a batch: from its response to the submission, or found by reconciliation."""

    remote_id: str | None = None
    status: str | None = None
    final: bool = False
    items: Sequence[ItemReport] = ()
    """What is reported of single items; empty where the answer does not distinguish them."""
    more: bool = False
    """Accepted, and only the first step: the next submission is composed from what is known now."""
    provisional: bool = False
    """The items were found, but not what reports on them: another search may show it, and other statuses."""
