"""The files of the queue directory that were decided of late, and those that wait."""

import heapq
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator.clock import SECOND, Micros
from orchestrator.intake.directory.open_file import NotReadableError, open_source
from orchestrator.intake.reading.tables import is_table

ERROR_SUFFIX = ".error.json"
LISTED = 50
"""Files of a folder that are listed."""
MISTAKES_LISTED = 20
"""Mistakes of a file that are listed with it; its own page has the others."""
_LARGEST_ERROR_FILE = 16 * 1024 * 1024


class _Mistake(msgspec.Struct):
    where: str
    message: str
    remedy: str | None = None


class ErrorFile(msgspec.Struct):
    """What the page shows of a `NAME.error.json`."""

    mistakes: list[_Mistake]
    more: int = 0

    @property
    def total(self) -> int:
        return len(self.mistakes) + self.more


@dataclass(frozen=True, slots=True)
class RecentFile:
    """One file."""

    name: str
    at: Micros
    """When it was moved here."""
    size: int
    is_table: bool
    errors: ErrorFile | None = None
    """Of a rejected file; None where its error file is gone or cannot be read."""


class RecentFiles:
    """Lists the folders of the queue directory. Blocking: call it in a thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._listed: dict[str, tuple[int, Sequence[RecentFile]]] = {}

    def accepted(self) -> Sequence[RecentFile]:
        """The newest files of accepted/."""
        return self._newest("accepted")

    def rejected(self) -> Sequence[RecentFile]:
        """The newest files of rejected/, with their mistakes."""
        return self._newest("rejected")

    def incoming(self) -> int:
        """How many files lie in incoming/, hidden ones not counted."""
        return sum(1 for _ in _entries(self._directory / "incoming"))

    def errors_of(self, name: str) -> ErrorFile | None:
        """The mistakes of one file in rejected/; None if there is no such file."""
        return _errors(self._directory / "rejected" / f"{name}{ERROR_SUFFIX}")

    def _newest(self, folder: str) -> Sequence[RecentFile]:
        """Lists the folder again only when something was moved into it, or out of it."""
        place = self._directory / folder
        try:
            changed = place.stat().st_mtime_ns
        except FileNotFoundError:
            return ()
        before = self._listed.get(folder)
        if before is not None and before[0] == changed:
            return before[1]
        newest = heapq.nlargest(LISTED, _dated(_entries(place)), key=lambda each: each[0])
        found = [_describe(entry, status, with_errors=folder == "rejected") for _, entry, status in newest]
        self._listed[folder] = (changed, found)
        return found


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            yield from (each for each in found if not each.name.startswith(".") and _counts(each))
    except FileNotFoundError:
        return


def _counts(entry: os.DirEntry[str]) -> bool:
    return not entry.name.endswith(ERROR_SUFFIX) and entry.is_file(follow_symlinks=False)


def _dated(entries: Iterable[os.DirEntry[str]]) -> Iterator[tuple[int, os.DirEntry[str], os.stat_result]]:
    for entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue  # removed meanwhile
        yield status.st_ctime_ns, entry, status  # a rename sets the time of change, and keeps that of writing


def _describe(entry: os.DirEntry[str], status: os.stat_result, *, with_errors: bool) -> RecentFile:
    errors = _errors(Path(f"{entry.path}{ERROR_SUFFIX}")) if with_errors else None
    at = status.st_ctime_ns * SECOND // 1_000_000_000
    return RecentFile(entry.name, at, status.st_size, is_table(entry.name), errors)


def _errors(path: Path) -> ErrorFile | None:
    """Links and pipes of such a name are not followed, and what is no error file of ours is passed over."""
    try:
        source = open_source(path, max_bytes=_LARGEST_ERROR_FILE)
    except (OSError, NotReadableError):
        return None
    try:
        return msgspec.json.decode(source.file.read(_LARGEST_ERROR_FILE), type=ErrorFile)
    except (OSError, msgspec.MsgspecError):
        return None
    finally:
        source.close()
