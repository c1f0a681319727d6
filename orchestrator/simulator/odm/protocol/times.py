"""Times as ODM writes and reads them."""

from datetime import UTC, datetime, timedelta

from orchestrator.clock import Micros
from orchestrator.simulator.odm.protocol.errors import BAD_REQUEST, Refusal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Micros = 1_000
_SECOND: Micros = 1_000_000


def of_job(micros: Micros | None, written: str) -> str | None:
    """`createTime` or `endTime`, as the knob `job_times` says."""
    if micros is None:
        return None
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.strftime("%d-%m-%Y %H:%M:%S") if written == "day_first" else moment.isoformat(timespec="seconds")


def of_task(micros: Micros | None, written: str) -> int | str | None:
    """`startedAt` or `endedAt`, as the knob `task_times` says."""
    if micros is None:
        return None
    match written:
        case "text":
            return of_job(micros, "iso")
        case "s":
            return micros // _SECOND
        case _:
            return micros // _MILLISECOND


def of_event(micros: Micros) -> str:
    """`createTime` of an audit event."""
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="milliseconds")


def parsed(text: str) -> Micros:
    """`yyyy-MM-ddTHH:mm:ss`, with or without a fraction and without a zone, which is UTC; raises Refusal 400."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(BAD_REQUEST, f"Invalid date: {text}") from None
    if moment.tzinfo is not None:
        raise Refusal(BAD_REQUEST, f"Invalid date: {text}")
    return (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
