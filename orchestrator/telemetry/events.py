"""What happens in the daemon, told once: each is published on the bus, and the log and the metrics listen."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a person should care."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class UnexpectedKind(StrEnum):
    """What is odd about an answer."""

    UNKNOWN_STATUSES = "unknown words"
    CONTRADICTIONS = "words against an outcome"
    UNKNOWN_OBJECTS = "objects with our tag that no row knows"
    BAD_ROWS = "unreadable rows"
    NEVER_LISTED = "items never listed"


class CloseCause(StrEnum):
    """Why the HTTP server closed a connection that its caller had left open."""

    IDLE = "no request followed"
    HEAD = "the head of the request did not come"
    BODY = "the body of the request stalled"
    READER = "the answer was not read"
    LIMIT = "too many connections"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; subclasses add what it happened to."""

    @property
    def level(self) -> Level:
        return Level.INFO


@dataclass(frozen=True, slots=True)
class DaemonStarted(Event):
    version: str
    instance: str
    accounts: tuple[str, ...]
    unconfirmed: int
    """Submissions that a crash left with an unknown outcome; each is being found out."""


@dataclass(frozen=True, slots=True)
class DaemonStopping(Event):
    reason: str


@dataclass(frozen=True, slots=True)
class SecretExposed(Event):
    """A file that holds a secret can be read by everybody on the machine."""

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
    """What is odd about the file, line by line."""


@dataclass(frozen=True, slots=True)
class ControlDone(Event):
    """What a person or a program asked for was done."""

    control: str
    """The key of the queue file: `cancel`, `retry`, `pause`, `resume`, `adopt`, `give-up`."""
    target: str
    """The job's name, `account NAME`, or `everything`."""
    done: str
    """In words, with what else was said."""
    file: str
    dropped_by: str | None
    """User id."""


@dataclass(frozen=True, slots=True)
class TableUnreferenced(Event):
    """A table rests in incoming/ and no queue file names it."""

    table: str
    reason: str


@dataclass(frozen=True, slots=True)
class FileStays(Event):
    """Something stays in incoming/ that cannot be decided. It holds up nothing else."""

    file: str
    reason: str
    seconds: int
    """For how long."""

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class FileRejected(Event):
    file: str
    mistakes: int
    first: str
    error_file: str
    """Path of the file that tells every mistake."""

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class FileDeferred(Event):
    """Our own trouble, not the file's: it stays where it is and is taken up again."""

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
    """A submission that has not succeeded yet and goes on by itself."""

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
    """Refused with several items, so split; or with one, which failed."""

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
    """The platform refuses a job alike throughout: nothing more of it is submitted until `resume`."""

    account: str
    job: str
    reason: str

    @property
    def level(self) -> Level:
        return Level.ERROR


@dataclass(frozen=True, slots=True)
class StatusUpdate(Event):
    account: str
    poll: str
    changed: int
    seen: int

    @property
    def level(self) -> Level:
        return Level.INFO if self.changed else Level.DEBUG


@dataclass(frozen=True, slots=True)
class UnexpectedResponse(Event):
    """The platform said something that we keep and show, and do not act on."""

    account: str
    what: UnexpectedKind
    count: int
    example: str

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class TaskRetry(Event):
    """The platform or the store did not let one step succeed; it is tried again."""

    account: str
    step: str
    reason: str
    retry_in_s: float

    @property
    def level(self) -> Level:
        return Level.WARNING


@dataclass(frozen=True, slots=True)
class TaskBug(Event):
    """A bug of ours, met in one step: logged with its traceback, backed off, nothing else stops."""

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
    """What `retention` no longer keeps is gone."""

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
    """A part of the engine could not do its turn (a full disk, a lost database, a bug of ours); it tries again."""

    part: str
    reason: str
    retry_in_s: float

    @property
    def level(self) -> Level:
        return Level.ERROR


@dataclass(frozen=True, slots=True)
class FolderNotSynced(Event):
    """A folder whose renames a power failure may undo; published once a file system, at the start."""

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
    """The HTTP status, or the word for what went wrong."""
    lane: str
    waited: float
    """Seconds in the queue for the budget."""
    seconds: float
    """Seconds on the wire."""

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
class ConnectionsClosed(Event):
    """The HTTP server closed connections; published at most once a minute for each cause."""

    cause: CloseCause
    count: int

    @property
    def level(self) -> Level:
        return Level.DEBUG if self.cause is CloseCause.IDLE else Level.WARNING
