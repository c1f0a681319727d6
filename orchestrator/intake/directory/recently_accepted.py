"""Files that were accepted a moment ago, and that prove to have been cut: they grow, or a longer table follows them.

A writer may keep a file open while it is moved, and an interrupted copy is often repeated under the same name. What was
accepted stays as it is; the report says that part of it may be missing.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.intake.directory.arrivals import Arrivals
from orchestrator.intake.directory.moves import Folders, Moving
from orchestrator.intake.directory.open_file import Signature, Source
from orchestrator.intake.reading.tables import is_table
from orchestrator.telemetry.events import Event
from orchestrator.telemetry.job_events import FileWasCut

WATCHED_FOR = 600.0
"""Seconds after the acceptance of a file."""
BETWEEN_CHECKS = 10.0
MOST = 500
"""Files that are watched at a time; the oldest are dropped."""


@dataclass(slots=True)
class _Accepted:
    file: Moving
    jobs: tuple[str, ...]
    at: float
    reported: bool = False


class RecentlyAccepted:
    """Remembers what was accepted. Times are seconds on the monotonic clock."""

    def __init__(self, folders: Folders, publish: Callable[[Event], None]) -> None:
        self._folders = folders
        self._publish = publish
        self._files: dict[str, _Accepted] = {}
        self._checked = 0.0

    def note(self, sources: Iterable[Source], jobs: Sequence[str], now: float) -> None:
        """These files were accepted together; `jobs` are the names of those that they brought."""
        for source in sources:
            self._files.pop(source.name, None)
            self._files[source.name] = _Accepted(Moving(source.name, source.signature), tuple(jobs), now)
        while len(self._files) > MOST:
            del self._files[next(iter(self._files))]

    def check(self, present: Collection[str], arrivals: Arrivals, now: float) -> None:
        """Report what grew in accepted/, and each longer table of the same name in incoming/, once."""
        for name in [name for name, each in self._files.items() if now - each.at > WATCHED_FOR]:
            del self._files[name]
        for name in [name for name in self._files if name in present and is_table(name)]:
            signature = arrivals.signature(name)
            if signature is not None and arrivals.settled(name, now):
                self._report_longer(self._files[name], signature)
        if now - self._checked >= BETWEEN_CHECKS:
            self._checked = now
            for each in self._files.values():
                self._report_growth(each)

    def _report_longer(self, before: _Accepted, after: Signature) -> None:
        if after.size > before.file.signature.size and not after.same_file(before.file.signature):
            reason = f"a longer table of this name was dropped again ({after.size} bytes)"
            self._report(before, f"{reason}: the first one may have been cut")

    def _report_growth(self, each: _Accepted) -> None:
        size = self._folders.size_in_accepted(each.file)
        if size is not None and size > each.file.signature.size:
            self._report(each, f"it has grown to {size} bytes since: it was read before it was complete")

    def _report(self, each: _Accepted, reason: str) -> None:
        if not each.reported:
            each.reported = True
            self._publish(FileWasCut(each.file.name, each.jobs, each.file.signature.size, reason))
