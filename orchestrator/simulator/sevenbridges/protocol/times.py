"""Times as Seven Bridges writes and reads them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.clock import Micros
from orchestrator.simulator.sevenbridges.protocol.errors import BAD_REQUEST, Refusal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Micros = 1_000_000
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


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another, both included; None: without end."""

    first: Micros | None
    last: Micros | None

    @classmethod
    def of(cls, since: str | None, until: str | None, precision: str) -> "Span | None":
        """The span that a filter means, as exactly as the knob `time_filter` says; None: it has no effect."""
        if precision == "ignored" or (since is None and until is None):
            return None
        first = parsed(since) if since is not None else None
        last = parsed(until) if until is not None else None
        if precision == "day":
            first = first // _DAY * _DAY if first is not None else None
            last = (last // _DAY + 1) * _DAY - 1 if last is not None else None
        elif last is not None:
            last += _SECOND - 1  # bounds name whole seconds
        return cls(first, last)

    def __contains__(self, moment: Micros | None) -> bool:
        if moment is None:
            return False
        return (self.first is None or moment >= self.first) and (self.last is None or moment <= self.last)
