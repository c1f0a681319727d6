"""Times as platforms write and read them."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from orchestrator.clock import Micros
from orchestrator.domain.units import moment_of

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment_in(text: str, *, zone: tzinfo | None) -> Micros | None:
    """A date in ISO 8601; None for what is none, or is not of our era.

    `zone` is that of a date which names none; where it is None, such a date is none.
    """
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    if parsed.tzinfo is None:
        if zone is None:
            return None
        parsed = parsed.replace(tzinfo=zone)
    return moment_of((parsed - _EPOCH).total_seconds())


def for_filter(micros: Micros) -> str:
    """A moment as the filters of lists take it: whole seconds, without a zone, which means UTC."""
    return (_EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S")
