"""Which of the waiting files is decided first: a glance into each, long before it is checked.

The glance is a hint. It changes the order in which files are decided, never what is decided: a file that mentions a
name which an older waiting file mentions too is not decided before it.
"""

import os
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.queue_file.model import DEFAULT_PRIORITY
from orchestrator.intake.directory.arrivals import Entry
from orchestrator.intake.directory.open_file import Signature

GLANCE = 64 * 1024
"""Bytes of a file that are read."""
CONTROLS, EXPECTED = -2, -1
"""Ranks of files with controls, and of files whose sender waits for the answer; then come the priorities 0 to 9."""
MOST_NAMES = 1000

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CONTROLS = re.compile(rb'(?:^|[{,])[ \t\r\n]*["\']?controls["\']?[ \t\r\n]*:', re.MULTILINE)
_PRIORITY = re.compile(rb'["\']?\bpriority["\']?[ \t\r\n]*:[ \t\r\n]*([0-9])(?![0-9])')
_NAME = re.compile(
    rb'["\']?\b(?:name|job|cancel|retry|pause|resume)["\']?[ \t\r\n]*:[ \t\r\n]*["\']?([A-Za-z0-9][A-Za-z0-9._-]{0,99})'
)


@dataclass(frozen=True, slots=True)
class Glance:
    """What a file seems to hold."""

    signature: Signature
    rank: int = DEFAULT_PRIORITY
    names: frozenset[bytes] = frozenset()
    """Names that it mentions, in lower case."""


class Urgency:
    """Ranks the queue files in incoming/; `glance` may be called from a worker thread."""

    def __init__(self, incoming: Path) -> None:
        self._incoming = incoming
        self._seen: dict[str, Glance] = {}

    def glance(self, entries: Iterable[Entry]) -> None:
        """Read the beginning of each file that is new or changed; forget those that are not among `entries`."""
        self._seen = {entry.name: self._glance_at(entry) for entry in entries}

    def in_order(self, entries: Iterable[Entry], expected: Collection[str]) -> list[Entry]:
        """The most urgent first, and of equals the first in `entries`, which begins with the oldest."""
        behind: dict[bytes, int] = {}
        ranked: list[tuple[int, Entry]] = []
        for entry in entries:
            seen = self._seen.get(entry.name) or Glance(entry.signature)
            own = min(seen.rank, EXPECTED) if entry.name in expected else seen.rank
            rank = max([own, *(behind[name] for name in seen.names if name in behind)])
            behind.update((name, rank) for name in seen.names)
            ranked.append((rank, entry))
        ranked.sort(key=lambda each: each[0])
        return [entry for _, entry in ranked]

    def is_urgent(self, entry: Entry, expected: Collection[str]) -> bool:
        """Whether it seems to hold controls, or its sender waits for the answer."""
        seen = self._seen.get(entry.name)
        return entry.name in expected or (seen is not None and seen.rank == CONTROLS)

    def _glance_at(self, entry: Entry) -> Glance:
        seen = self._seen.get(entry.name)
        if seen is not None and seen.signature == entry.signature:
            return seen
        try:
            descriptor = os.open(self._incoming / entry.name, _FLAGS)
        except OSError:  # gone, or not for us: what opens it to decide on it says so
            return Glance(entry.signature)
        try:
            text = os.read(descriptor, GLANCE)
        except OSError:
            return Glance(entry.signature)
        finally:
            os.close(descriptor)
        names = frozenset(name.lower() for name, _ in zip(_NAME.findall(text), range(MOST_NAMES), strict=False))
        if _CONTROLS.search(text):
            return Glance(entry.signature, CONTROLS, names)
        priorities = [int(digit) for digit in _PRIORITY.findall(text)]
        return Glance(entry.signature, min(priorities, default=DEFAULT_PRIORITY), names)
