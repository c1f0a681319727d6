"""The events that the daemon publishes on the bus; the log and the metrics subscribe to them."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The level of an event in the log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class UnexpectedKind(StrEnum):
    """What was unexpected about a response."""

    UNKNOWN_STATUSES = "unknown statuses"
    CONTRADICTIONS = "statuses that contradict a final outcome"
    UNKNOWN_OBJECTS = "objects with this installation's tag that are not in its database"
    BAD_ROWS = "unreadable rows"
    NEVER_LISTED = "items never listed"


class CloseCause(StrEnum):
    """Why the HTTP server closed a connection that its caller had left open."""

    IDLE = "no request followed"
    HEAD = "the head of the request did not arrive"
    BODY = "the body of the request stalled"
    READER = "the answer was not read"
    LIMIT = "too many connections"


@dataclass(frozen=True, slots=True)
class Event:
    """Base class of the events."""

    @property
    def level(self) -> Level:
        return Level.INFO


@dataclass(frozen=True, slots=True)
class DaemonStarted(Event):
    version: str
    instance: str
    accounts: tuple[str, ...]
    unconfirmed: int
    """Submissions with an unknown outcome after a crash; they are being reconciled."""


@dataclass(frozen=True, slots=True)
class DaemonStopping(Event):
    reason: str


@dataclass(frozen=True, slots=True)
class SecretExposed(Event):
    """A file that contains a secret can be read by every user of the machine."""

    warning: str

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class FileAccepted(Event):
    file: str
    jobs: tuple[str, ...]
    items: int
    note: str | None = None
    notes: tuple[str, ...] = ()
    """What may be wrong in the file, line by line."""


@dataclass(frozen=True, slots=True)
class ControlDone(Event):
    """A control was carried out."""

    control: str
    """The key of the queue file: `cancel`, `retry`, `pause`, `resume`, `adopt`, `give-up`."""
    target: str
    """The job's name, `account NAME`, or `everything`."""
    result: str
    """What was done, as text."""
    file: str
    dropped_by: str | None
    """User id."""


@dataclass(frozen=True, slots=True)
class TableUnreferenced(Event):
    """A table in incoming/ that no queue file names."""

    table: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileStays(Event):
    """A file remains in incoming/ that cannot be processed. Other files are not affected."""

    file: str
    reason: str
    seconds: int
    """How long it has been there."""

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class FileRejected(Event):
    file: str
    mistakes: int
    first_error: str
    error_file: str
    """Path of the file that lists every mistake."""

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class FileDeferred(Event):
    """A local error prevents reading a file: it remains in incoming/ and is tried again."""

    file: str
    reason: str

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class BatchSubmitted(Event):
    account: str
    job: str
    batch: int
    items: int
    remote_id: str | None
    resent: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class BatchDelayed(Event):
    """A submission is delayed; it is retried automatically."""

    account: str
    job: str
    batch: int
    state: str
    reason: str

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class BatchBlocked(Event):
    account: str
    job: str
    batch: int
    reason: str

    @property
    def level(self) -> Level:
        return Level.ERROR


@dataclass(frozen=True, slots=True)
class BatchRefused(Event):
    """The platform refused a batch: it is split or, if it has one item, failed."""

    account: str
    job: str
    batch: int
    items: int
    reason: str

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class JobStopped(Event):
    """The platform refuses every batch of a job with the same error: submission stops until `resume`."""

    account: str
    job: str
    reason: str

    @property
    def level(self) -> Level:
        return Level.ERROR


@dataclass(frozen=True, slots=True)
class StatusUpdate(Event):
    account: str
    query: str
    items_changed: int
    items_read: int

    @property
    def level(self) -> Level:
        return Level.INFO if self.items_changed else Level.DEBUG


@dataclass(frozen=True, slots=True)
class UnexpectedResponse(Event):
    """An unexpected response from the platform; it is recorded, but not acted on."""

    account: str
    what: UnexpectedKind
    count: int
    example: str

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class TaskRetry(Event):
    """A task failed because of the platform or the database; it is retried."""

    account: str
    step: str
    reason: str
    retry_in_s: float

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class TaskBug(Event):
    """A task raised an unexpected exception: it is logged with its traceback and retried after a delay."""

    account: str
    step: str
    reason: str
    retry_in_s: float

    @property
    def level(self) -> Level:
        return Level.ERROR


@dataclass(frozen=True, slots=True)
class CredentialRejected(Event):
    account: str
    reason: str
    retry_in_s: float

    @property
    def level(self) -> Level:
        return Level.ERROR


@dataclass(frozen=True, slots=True)
class CredentialAccepted(Event):
    account: str


@dataclass(frozen=True, slots=True)
class AbortsSent(Event):
    account: str
    sent: int
    refused: int


@dataclass(frozen=True, slots=True)
class JobSettled(Event):
    job: str
    state: str
    result: str


@dataclass(frozen=True, slots=True)
class RetentionPruned(Event):
    """Jobs and files older than `retention` allows were removed."""

    jobs: int
    files: int


@dataclass(frozen=True, slots=True)
class ResultDelayed(Event):
    job: str
    reason: str
    retry_in_s: float

    @property
    def level(self) -> Level:
        return Level.ERROR


@dataclass(frozen=True, slots=True)
class ComponentError(Event):
    """An iteration of a component failed (disk full, database unavailable, a bug); it is retried."""

    part: str
    reason: str
    retry_in_s: float

    @property
    def level(self) -> Level:
        return Level.ERROR


@dataclass(frozen=True, slots=True)
class FolderNotSynced(Event):
    """A power failure may undo renames in this folder; published once for each file system, at the start."""

    folder: str
    reason: str

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class RequestDone(Event):
    account: str
    route: str
    outcome: str
    """The HTTP status, or the kind of error."""
    lane: str
    waited: float
    """Seconds of waiting for the rate limiter."""
    seconds: float
    """Seconds from sending to the end of the answer."""

    @property
    def level(self) -> Level:
        return Level.DEBUG


@dataclass(frozen=True, slots=True)
class BackupMade(Event):
    """A scheduled copy of the database was written and checked."""

    file: str
    bytes: int
    seconds: float
    removed: int
    """Older copies that were removed because of `backup.keep`."""


@dataclass(frozen=True, slots=True)
class SchemaUpgrading(Event):
    """A table is copied into a newer schema; nothing of it counts before the whole upgrade is done."""

    table: str
    rows: int
    of: int


@dataclass(frozen=True, slots=True)
class ConnectionsClosed(Event):
    """The HTTP server closed connections; published at most once per minute for each cause."""

    cause: CloseCause
    count: int

    @property
    def level(self) -> Level:
        return Level.DEBUG if self.cause is CloseCause.IDLE else Level.WARNING
