"""What a page of observations means for what is stored: values, made by `compare.py` and written by `reports.py`."""

from dataclasses import dataclass, field

from orchestrator.domain.model import (
    BatchId,
    BatchKey,
    BatchReport,
    Item,
    ItemReport,
    JobId,
    Learned,
    Observation,
    Stage,
)


@dataclass(frozen=True, slots=True)
class KnownBatch:
    """What has to be known of a batch; the columns that `compare.py` reads."""

    id: BatchId
    job: JobId
    number: int
    key: BatchKey
    account: str
    state: str
    open: int
    remote_id: str | None
    status: str | None
    status_final: bool
    worded: bool
    detail: str | None
    first_stage: Stage


@dataclass(slots=True)
class ItemChange:
    """An item before and after the reports about it."""

    before: Item
    after: Item
    finished_at: int | None = None
    facts: str | None = None
    said: list[ItemReport] = field(default_factory=list)
    """The observations that led to it."""


@dataclass(frozen=True, slots=True)
class Found:
    """An item that was reported below another and is new to the job."""

    batch: KnownBatch
    seen: ItemReport
    superseded: int | None = None
    """Its number, where an earlier run of its parent had found it."""

    @property
    def parent(self) -> int:
        return self.seen.parent or 0


@dataclass(slots=True)
class Comparison:
    """All changes of one page."""

    matched: list[tuple[JobId, int]] = field(default_factory=list)
    changes: dict[tuple[JobId, int], ItemChange] = field(default_factory=dict)
    found: dict[tuple[JobId, str], Found] = field(default_factory=dict)
    """By job and key."""
    contradictions: list[ItemReport] = field(default_factory=list)
    unknown_statuses: list[str] = field(default_factory=list)
    unknown_objects: list[ItemReport] = field(default_factory=list)
    touched: dict[BatchId, None] = field(default_factory=dict)
    """The batches of the items that changed."""
    batch_reports: list[tuple[KnownBatch, BatchReport]] = field(default_factory=list)
    shown_again: dict[BatchId, None] = field(default_factory=dict)
    learned: list[tuple[str, Learned]] = field(default_factory=list)
    effective: list[Observation] = field(default_factory=list)
    """The observations that change something."""
