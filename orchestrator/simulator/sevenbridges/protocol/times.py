"""Times as Seven Bridges writes and reads them."""

from datetime import UTC, datetime, timedelta

from orchestrator.clock import Micros
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, Refusal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY: Micros = 86_400_000_000


def iso(micros: Micros) -> str:
    """UTC, whole seconds, `Z`."""
    return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: str) -> Micros:
    """`yyyy-MM-dd` or `yyyy-MM-ddTHH:mm:ss[±HH:mm]`, UTC by default; raises Refusal 400."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(BAD_REQUEST, f"Invalid date: {text}") from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def within(moment: Micros | None, since: str | None, until: str | None, precision: str) -> bool:
    """Whether a time lies between two bounds, as exactly as the knob `time_filter` says."""
    if precision == "ignored" or (since is None and until is None):
        return True
    if moment is None:
        return False
    first = parsed(since) if since is not None else None
    last = parsed(until) if until is not None else None
    if precision == "day":
        first = first // _DAY * _DAY if first is not None else None
        last = (last // _DAY + 1) * _DAY - 1 if last is not None else None
    elif last is not None:
        last += 999_999  # bounds name whole seconds
    return (first is None or moment >= first) and (last is None or moment <= last)
