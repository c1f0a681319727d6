"""What Seven Bridges sends, as far as we read it.

Everything that the platform may leave out or write as null may be missing here too. A row that cannot be read is lost
alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Generic, TypeVar

import msgspec

from orchestrator.clock import Micros
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.json_bodies import UNREADABLE, Id, NumberId, decode, read
from orchestrator.platforms.times import moment_in

Resource = TypeVar("Resource")

_ANY = msgspec.json.Decoder(Any)
_RETRYABLE = frozenset({408, 425, 429})
_SERVER_ERRORS = 500


class User(msgspec.Struct):
    """Who the token stands for."""

    username: str


class Rate(msgspec.Struct):
    """The request limit of the user, in five minutes."""

    limit: int


class RateLimit(msgspec.Struct):
    """The answer to `GET /rate_limit`."""

    rate: Rate


class Problem(msgspec.Struct):
    """Why something failed: a body of its own, or the `error` of a row."""

    status: int | None = None
    code: int | None = None
    message: str | None = None

    @property
    def lasting(self) -> bool:
        """Whether the same would be refused again."""
        return self.status is None or (self.status < _SERVER_ERRORS and self.status not in _RETRYABLE)

    def __str__(self) -> str:
        return ": ".join(str(part) for part in (self.code, self.message) if part not in (None, "")) or "no reason given"


class Task(msgspec.Struct):
    """A task, a batch task or a child of one."""

    id: Id
    status: str | None = None
    name: str | None = None
    description: str | None = None
    batch: bool | None = None
    parent: str | None = None
    end_time: str | None = None
    errors: msgspec.Raw = msgspec.Raw(b"null")
    execution_status: msgspec.Raw = msgspec.Raw(b"null")
    price: msgspec.Raw = msgspec.Raw(b"null")
    outputs: msgspec.Raw = msgspec.Raw(b"null")


class File(msgspec.Struct):
    """A file of a project."""

    id: Id | None = None
    name: str | None = None
    project: str | None = None


class FileDetails(msgspec.Struct):
    """A file with what may be changed of it."""

    id: Id
    name: str | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    tags: msgspec.Raw = msgspec.Raw(b"null")


class Place(msgspec.Struct):
    """Where an import or export reads from or writes to."""

    volume: str | None = None
    location: str | None = None
    project: str | None = None
    parent: str | None = None
    name: str | None = None
    file: str | None = None


class Transfer(msgspec.Struct):
    """An import or an export."""

    id: Id
    state: str
    source: Place | None = None
    destination: Place | None = None
    error: Problem | None = None
    result: File | None = None
    started_on: str | None = None
    finished_on: str | None = None


class FileJob(msgspec.Struct):
    """A job over many files; `result` has one row for each once it has FINISHED."""

    id: Id | NumberId
    state: str
    type: str | None = None
    total_files: int | None = None
    started_on: str | None = None
    finished_on: str | None = None
    result: list[msgspec.Raw] | None = None


class Run(msgspec.Struct):
    """A run of an automation."""

    id: Id
    status: str
    name: str | None = None
    message: str | None = None
    end_time: str | None = None
    outputs: msgspec.Raw = msgspec.Raw(b"null")


class _Row(msgspec.Struct, Generic[Resource]):
    resource: Resource | None = None
    error: Problem | None = None


class _Link(msgspec.Struct):
    rel: str | None = None


class _List(msgspec.Struct):
    items: list[msgspec.Raw] | None = None
    links: list[_Link] | None = None


@dataclass(frozen=True, slots=True)
class Row(Generic[Resource]):
    """One row of a bulk answer: a resource or an error; neither where it could not be read."""

    resource: Resource | None = None
    error: Problem | None = None

    @property
    def outcome(self) -> str | None:
        """Equal for rows that say the same of whatever they are about; None for one that decides nothing."""
        if self.error is not None:
            return str(self.error) if self.error.lasting else None
        return "" if self.resource is not None else None


@dataclass(frozen=True, slots=True)
class Page(Generic[Resource]):
    """One answer of a list."""

    rows: Sequence[Resource]
    more: bool
    """Whether another page follows."""
    bad_rows: int = 0


class BulkReader(Generic[Resource]):
    """Reads the rows of bulk answers and of the results of jobs."""

    def __init__(self, resource: type[Resource]) -> None:
        self._row = msgspec.json.Decoder(_Row[resource])  # type: ignore[valid-type]

    def read(self, answer: Answer) -> Sequence[Row[Resource]]:
        """The rows of `answer`, in its order.

        Raises:
            Transient: it is no bulk answer at all.
        """
        return self.rows(read(answer, _LIST).items or ())

    def rows(self, raws: Sequence[msgspec.Raw]) -> Sequence[Row[Resource]]:
        """Each of these rows."""
        return [self._one(raw) for raw in raws]

    def _one(self, raw: msgspec.Raw) -> Row[Resource]:
        try:
            row = decode(self._row, raw)
        except UNREADABLE:
            return Row()
        return Row(row.resource, row.error)


class ListReader(Generic[Resource]):
    """Reads the pages of a list."""

    def __init__(self, resource: type[Resource]) -> None:
        self._resource = msgspec.json.Decoder(resource)

    def read(self, answer: Answer, *, limit: int) -> Page[Resource]:
        """The page in `answer`, of which `limit` rows were asked for.

        Raises:
            Transient: it is no page at all.
        """
        page = read(answer, _LIST)
        raws = page.items or ()
        rows = []
        for raw in raws:
            try:
                rows.append(decode(self._resource, raw))
            except UNREADABLE:
                continue
        if page.links is None:
            return Page(rows, len(raws) >= limit, len(raws) - len(rows))
        return Page(rows, any(link.rel == "next" for link in page.links), len(raws) - len(rows))


def moment(text: str | None) -> Micros | None:
    """A time of the platform's, UTC where it names no zone; None for what is none, or is not of our era."""
    return moment_in(text, zone=UTC) if text else None


def plain(raw: msgspec.Raw, decoder: msgspec.json.Decoder[Any] = _ANY) -> Any:  # noqa: ANN401 - whatever JSON may be
    """What a field holds that has no fixed shape; None for what cannot be read."""
    try:
        return decode(decoder, raw)
    except UNREADABLE:
        return None


def problems(raw: msgspec.Raw) -> str | None:
    """The `errors` of a task as one text; None where there are none."""
    listed = plain(raw)
    texts = [_as_text(each) for each in listed] if isinstance(listed, list) else []
    return "; ".join(filter(None, texts)) or None


def _as_text(error: object) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    parts = (error.get("code"), error.get("message") or error.get("title") or error.get("description"))
    return ": ".join(str(part) for part in parts if part not in (None, ""))


_LIST = msgspec.json.Decoder(_List)
USER = msgspec.json.Decoder(User)
RATE_LIMIT = msgspec.json.Decoder(RateLimit)
TASK = msgspec.json.Decoder(Task)
FILE_JOB = msgspec.json.Decoder(FileJob)
RUN = msgspec.json.Decoder(Run)
TASK_ROWS = BulkReader(Task)
TASKS = ListReader(Task)
TRANSFER_ROWS = BulkReader(Transfer)
TRANSFERS = ListReader(Transfer)
FILE_ROWS = BulkReader(File)
DETAIL_ROWS = BulkReader(FileDetails)
FILES = ListReader(File)
FILE_JOBS = ListReader(FileJob)
RUNS = ListReader(Run)
