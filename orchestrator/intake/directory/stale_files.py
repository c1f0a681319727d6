"""Files that stay in incoming/ and cannot be decided: reported after a minute, and again after an hour."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from orchestrator.intake.directory.arrivals import Entry
from orchestrator.intake.directory.moves import GOOD_NAME
from orchestrator.intake.reading.tables import SUFFIXES
from orchestrator.intake.validation.check import JSON_SUFFIX, YAML_SUFFIXES
from orchestrator.telemetry.events import Event, FileStays

REPORTED_AFTER = (60.0, 3600.0)
"""Seconds after which a file that stays is reported."""
LISTED = 20
"""Files that are reported one by one at a time; the others are counted."""

_QUEUE_FILE_ENDINGS = (*YAML_SUFFIXES, JSON_SUFFIX)
ENDINGS = (*_QUEUE_FILE_ENDINGS, *SUFFIXES)
FOREIGN = (
    f"its name ends in none of {' '.join(ENDINGS)}: it is left as it is; rename it if it is meant for this queue "
    "(save a workbook as CSV UTF-8)"
)


UNDATED = (
    "its modification time is 0, as an interrupted rsync leaves it, and it has no `count` that proves it whole: "
    "send it again, `touch` or rename it, or use `orchestrator submit` (rsync: `--partial-dir`)"
)


def is_foreign(name: str) -> bool:
    """Whether a name ends like no file of the queue: for example an upload in progress, or a note of a user."""
    return not name.lower().endswith(ENDINGS)


def is_queue_file(entry: Entry) -> bool:
    """Whether something is to be read as a queue file."""
    readable = entry.regular and entry.name.lower().endswith(_QUEUE_FILE_ENDINGS)
    return readable and GOOD_NAME.fullmatch(entry.name) is not None


@dataclass(slots=True)
class _Stay:
    since: float
    reason: str
    reports: int = 0


class StaleFiles:
    """Remembers what stays and why. Times are seconds on the monotonic clock."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._stays: dict[str, _Stay] = {}

    def note(self, name: str, reason: str, since: float) -> None:
        """A file cannot be decided yet; `since` counts when it is noted for the first time."""
        stay = self._stays.setdefault(name, _Stay(since, reason))
        stay.reason = reason

    def drop(self, name: str) -> None:
        """It can be decided now."""
        self._stays.pop(name, None)

    def forget_gone(self, present: Collection[str]) -> None:
        """Keep only what is still there."""
        for name in self._stays.keys() - set(present):
            del self._stays[name]

    def stays(self, name: str, now: float) -> bool:
        """Whether it has stayed so long that nothing waits for it."""
        stay = self._stays.get(name)
        return stay is not None and now - stay.since >= REPORTED_AFTER[0]

    def report(self, now: float) -> None:
        """Publish what has stayed for a minute, and again for an hour."""
        due: list[tuple[str, _Stay]] = []
        for name, stay in self._stays.items():
            if (passed := sum(now - stay.since >= after for after in REPORTED_AFTER)) > stay.reports:
                stay.reports = passed
                due.append((name, stay))
        for name, stay in due[:LISTED]:
            self._publish(FileStays(name, stay.reason, round(now - stay.since)))
        if len(due) > LISTED:
            name, stay = due[LISTED]
            more = f"{stay.reason} (and {len(due) - LISTED - 1} more files stay; `/readyz?verbose=1` counts them)"
            self._publish(FileStays(name, more, round(now - stay.since)))

    def reported(self, now: float) -> Mapping[str, str]:
        """What has stayed for a minute or longer: name → reason."""
        return {name: stay.reason for name, stay in sorted(self._stays.items()) if self.stays(name, now)}
