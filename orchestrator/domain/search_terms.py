"""What jobs are searched by, as users write it."""

from collections.abc import Iterable
from datetime import UTC, datetime

from orchestrator.domain.units import LATEST, SECOND, Micros, parse_duration


def parse_since(text: str, now: Micros) -> Micros:
    """A time, given as a duration before `now`, a date, or a time in RFC 3339; without a zone it is UTC.

    One outside of what times can be here, such as 1,000,000 days ago, becomes the nearest that can.

    Raises:
        ValueError: it is none of these.
    """
    try:
        return _possible(now - round(parse_duration(text) * SECOND))
    except ValueError:
        pass  # then it is a date or a time
    try:
        moment = datetime.fromisoformat(text.strip())
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return _possible(round(zoned.timestamp() * SECOND))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no duration (7d), date (2026-01-31) or time (2026-01-31T12:00Z)") from None


def _possible(moment: int) -> Micros:
    return max(0, min(moment, LATEST))


def labels_in(texts: Iterable[str]) -> dict[str, str]:
    """Labels written as `NAME=VALUE`.

    Raises:
        ValueError: one has no name or no `=`.
    """
    labels: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not name or not sign:
            raise ValueError(f"{text!r} is no label: write NAME=VALUE")
        labels[name] = value
    return labels
