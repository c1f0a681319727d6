"""What changes of the store return to their caller, for logs and metrics."""

from dataclasses import dataclass, fields

from orchestrator.domain.model import Batch, BatchKey, BatchState, ItemReport, JobId, JobState, Needs

Place = tuple[JobId, int]
"""Identifies an item: its job and its number."""


@dataclass(frozen=True, slots=True)
class JobChanged:
    """A job whose state or needs changed, as it is now."""

    id: JobId
    name: str
    account: str
    state: JobState
    needs: Needs | None
    detail: str | None
    needed: Needs | None = None
    """Its needs before."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a step did to a batch, and what followed from it."""

    batch: Batch
    """As it is now, with the submission that is stored for it."""
    before: BatchState
    jobs: tuple[JobChanged, ...] = ()


@dataclass(frozen=True, slots=True)
class Ended:
    """An item whose end the platform reported."""

    job: JobId
    batch: int
    """The number of its batch."""
    seconds: float
    """How long it was on the platform."""


@dataclass(frozen=True, slots=True)
class Broken:
    """The reports about one batch could not be written: a row of it is damaged, or the program has a bug."""

    batch: BatchKey | None
    error: Exception


@dataclass(frozen=True, slots=True)
class Observed:
    """What applying a page of observations did."""

    matched: tuple[tuple[JobId, int], ...] = ()
    """The items that it reported, (job, seq), changed or not."""
    changed: int = 0
    """Items that were written."""
    contradictions: tuple[ItemReport, ...] = ()
    """Statuses that contradict an earlier outcome: not applied."""
    unknown_statuses: tuple[str, ...] = ()
    """Statuses that are in no table, of items that changed to them."""
    unknown_objects: tuple[ItemReport, ...] = ()
    """Reports of a batch that is in no row, or of an item that the row contradicts."""
    ended: tuple[Ended, ...] = ()
    broken: tuple[Broken, ...] = ()
    jobs: tuple[JobChanged, ...] = ()

    def plus(self, more: "Observed") -> "Observed":
        """Both together."""
        return Observed(*(getattr(self, each.name) + getattr(more, each.name) for each in fields(self)))


@dataclass(frozen=True, slots=True)
class Controlled:
    """What a control did to jobs; nothing when it was carried out before, or had nothing to do."""

    repeated: bool = False
    """True when this very control was carried out before."""
    items: int = 0
    """Items that it ended, or sent back to be done again."""
    batches: int = 0
    """Batches that it ended, renewed or adopted."""
    outcome: str = ""
    """What it did, with numbers, or why nothing changed."""
    jobs: tuple[JobChanged, ...] = ()
