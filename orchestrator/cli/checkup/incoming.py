"""Checks for files that remain in incoming/, independently of the daemon."""

from collections.abc import Iterator

from orchestrator.cli.checkup.finding import Finding, ok, warning
from orchestrator.clock import SECOND, Clock
from orchestrator.intake.directory.arrivals import Entry, list_folder
from orchestrator.intake.directory.stale_files import FOREIGN, LISTED, REPORTED_AFTER, UNDATED, is_foreign
from orchestrator.settings import Settings

_WAITS = 600.0
"""Seconds after which a running daemon should have processed a queue file."""


def incoming(settings: Settings, clock: Clock) -> Iterator[Finding]:
    """Report files that no daemon will process, after a minute, and files that have waited too long for one."""
    folder = settings.queue.directory / "incoming"
    try:
        entries = list_folder(folder).entries
    except OSError:
        return  # reported by the check of the folders
    found = [(entry, *reason) for entry in entries if (reason := _reason(entry, clock)) is not None]
    for entry, why, remedy in found[:LISTED]:
        yield warning("incoming", folder / entry.name, why, remedy)
    if (more := len(found) - LISTED) > 0:
        yield warning("incoming", folder, f"{more} more files remain there", "list the folder")
    if not found:
        yield ok("incoming", folder, "no files remain there")


def _reason(entry: Entry, clock: Clock) -> tuple[str, str] | None:
    age = clock.now() / SECOND - entry.signature.ctime_ns / 1e9
    if age < REPORTED_AFTER[0]:
        return None
    if is_foreign(entry.name):
        reason, _, remedy = FOREIGN.partition("; ")
        return reason, remedy
    if entry.signature.undated:
        reason, _, remedy = UNDATED.partition(": ")
        return reason, remedy
    if age >= _WAITS:
        return f"has waited for {age / 60:.0f} minutes", "check that the daemon runs, and search its log for the file"
    return None
