"""The times of a selector: of the clock, or relative to when its job was accepted."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from orchestrator.domain.units import SECOND, Micros, parse_duration

_RELATIVE: Final = re.compile(r"[+-](?=[0-9])")
EXAMPLES: Final = "2026-02-01T06:00Z, or -24h or +8h from when the job was accepted"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time: microseconds UTC, or since the acceptance of the job."""

    micros: Micros
    relative: bool

    def at(self, accepted: Micros) -> Micros:
        """Microseconds UTC."""
        return accepted + self.micros if self.relative else self.micros


NOW: Final = Moment(0, relative=True)
"""When the job was accepted."""


def parse_moment(text: str) -> Moment:
    """Read `2026-02-01T06:00Z`, `-24h` or `+8h`.

    Raises:
        ValueError: it is none of these; the message says why.
    """
    if _RELATIVE.match(text):
        seconds = parse_duration(text[1:])
        return Moment(round(seconds * SECOND) * (-1 if text[0] == "-" else 1), relative=True)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be a time, such as {EXAMPLES}") from None
    if moment.tzinfo is None:
        written = moment.isoformat()
        raise ValueError(f"must say its time zone, such as {written}Z for UTC or {written}+01:00")
    return Moment(round(moment.timestamp() * SECOND), relative=False)


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when a session must have been created; both ends belong to it."""

    since: Micros | None
    until: Micros

    def __contains__(self, moment: Micros | None) -> bool:
        return moment is not None and moment <= self.until and (self.since is None or moment >= self.since)
