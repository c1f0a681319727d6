"""What ODM sends, as far as we read it.

Everything that the platform may leave out or write as null may be missing here too. Statuses are any text, and times
any value: only those that leave no doubt are taken.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from orchestrator.clock import Micros
from orchestrator.domain.errors import PlatformError
from orchestrator.domain.units import moment_of
from orchestrator.platforms.http.calls import Answer
from orchestrator.platforms.http.json_bodies import UNREADABLE, Id, NumberId, decode, read
from orchestrator.platforms.times import moment_in

_SECONDS_FROM, _MILLISECONDS_FROM = 1_000_000_000, 100_000_000_000
"""A time above this counts seconds, or milliseconds; ODM's specification says of neither which it is."""
_JOB_NAMED: Final = re.compile(rb"jobExecId\W{1,4}([0-9]{1,18})")
NO_STATUS: Final = "?"


class TaskInfo(msgspec.Struct, rename="camel"):
    """A task."""

    id: Id | NumberId | None = None
    name: str | None = None
    status: str | None = None
    application: str | None = None
    started_at: Any = None
    ended_at: Any = None
    created_by: str | None = None


class JobInfo(msgspec.Struct, rename="camel"):
    """One run of an import job."""

    job_exec_id: NumberId | Id
    status: str | None = None
    create_time: Any = None
    end_time: Any = None

    @property
    def id(self) -> str:
        return str(self.job_exec_id)


class Output(msgspec.Struct):
    """What an import job left."""

    result: Any = None
    errors: Any = None


class Version(msgspec.Struct):
    """A published version of a study."""

    message: Any = None
    version: Any = None


class AuditEvent(msgspec.Struct, rename="camel"):
    """One record of the audit log."""

    study_accession: str | None = None


class AuditPage(msgspec.Struct):
    """One answer of the audit log."""

    cursor: str | None = None
    events: list[msgspec.Raw] | None = None


def versions_in(answer: Answer) -> Iterator[Version]:
    """The versions in a list; raises Transient where one cannot be read: it may be the one that is searched for."""
    yield from read(answer, _VERSIONS)


def job_named_by(refusal: PlatformError) -> str | None:
    """The id of the job that a conflict names; None where it names none."""
    found = _JOB_NAMED.search(refusal.body)
    return found[1].decode() if found is not None else None


def moment(value: object) -> Micros | None:
    """A time that leaves no doubt: a Unix time, or a date with its zone; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not _SECONDS_FROM <= value < _MILLISECONDS_FROM * 1_000:
            return None
        return moment_of(value / 1_000 if value >= _MILLISECONDS_FROM else value)
    return moment_in(value, zone=None) if isinstance(value, str) else None


def results_of(output: Output) -> Mapping[str, object]:
    """What an import made: its accession under one name whatever its type, and all that ODM says of it."""
    result = output.result if isinstance(output.result, Mapping) else {}
    return {"accession": None, **result} | {"accession": result.get("accession") or result.get("groupAccession")}


def errors_of(output: Output) -> str | None:
    """Why an import failed, stage by stage, in one line; None where nothing is said."""
    return "; ".join(filter(None, map(_stage, _each(output.errors)))) or None


def study_in(event: msgspec.Raw) -> str | None:
    """The study of an audit event; None where there is none, or it cannot be read."""
    try:
        return decode(_EVENT, event).study_accession
    except UNREADABLE:
        return None


def _each(value: object) -> Sequence[object]:
    """The elements of a list; anything else that holds something is taken for the only one."""
    return value if isinstance(value, list) else [value] if value else []


def _stage(error: object) -> str:
    if not isinstance(error, Mapping):
        return str(error)
    causes = [_joined(each, "type", "message") for each in (*_each(error.get("stack")), error)]
    return ": ".join(filter(None, [str(error.get("stage") or ""), ", caused by ".join(filter(None, causes))]))


def _joined(fields: object, *names: str) -> str:
    if not isinstance(fields, Mapping):
        return str(fields)
    return ": ".join(str(fields[name]) for name in names if fields.get(name) not in (None, ""))


_VERSIONS = msgspec.json.Decoder(list[Version])
_EVENT = msgspec.json.Decoder(AuditEvent)
TASK_INFO = msgspec.json.Decoder(TaskInfo)
JOB_INFO = msgspec.json.Decoder(JobInfo)
OUTPUT = msgspec.json.Decoder(Output)
AUDIT_PAGE = msgspec.json.Decoder(AuditPage)
