"""Parses and formats durations, sizes and times.

A number without a unit is rejected: `300` could be seconds or milliseconds.
"""

import re
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

Micros = int
"""Microseconds since 1970-01-01 UTC."""

SECOND: Micros = 1_000_000
HOUR: Micros = 3600 * SECOND
DAY: Micros = 24 * HOUR

DURATIONS = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0})
"""Seconds in each unit of a duration."""

SIZES = MappingProxyType(
    {
        "B": 1,
        "kB": 1000,
        "MB": 1000**2,
        "GB": 1000**3,
        "TB": 1000**4,
        "KiB": 1024,
        "MiB": 1024**2,
        "GiB": 1024**3,
        "TiB": 1024**4,
    }
)
"""Bytes in each unit of a size."""

_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,12})(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Micros = 253_370_764_800 * SECOND
"""The year 9999: later times can be neither shown nor computed with."""


def parse_duration(text: str) -> float:
    """Seconds in `500ms`, `2s`, `5m`, `12h` or `90d`.

    Raises:
        ValueError: the text is no number followed by one of these units.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("must be a duration: a number and ms, s, m, h or d, such as 500ms, 2s, 5m, 12h or 90d")
    number, unit = match.groups()
    return float(number) / 1000 if unit == "ms" else float(number) * DURATIONS[unit]


def format_duration(seconds: float) -> str:
    """The shortest text that `parse_duration` reads back as the same whole number of milliseconds."""
    milliseconds = round(seconds * 1000)
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(milliseconds, round(DURATIONS[unit] * 1000))
        if count and not rest:
            return f"{count}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def parse_size(text: str) -> int:
    """Bytes in `512B`, `10KiB`, `256MiB` or `1GiB`; `kB`, `MB`, `GB` and `TB` are powers of 1000.

    Raises:
        ValueError: the text is no whole number followed by one of these units.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            "must be a size: a whole number and B, KiB, MiB, GiB or TiB (or kB, MB, GB, TB), such as 256MiB"
        )
    number, unit = match.groups()
    return int(number) * SIZES[unit]


def moment_of(seconds: float) -> Micros | None:
    """A Unix time of a platform in microseconds; None before 1970 and from the year 9999 on, so that it can be shown.

    `seconds` may be any number, infinite ones too.
    """
    return round(seconds * SECOND) if 0 <= seconds < LATEST / SECOND else None


def rfc3339(micros: int) -> str:
    """Format microseconds UTC as RFC 3339 with all six digits, so that the texts sort like the times."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
