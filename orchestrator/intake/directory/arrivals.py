"""When a file that is being dropped is complete. The reasons are in docs/adr/0003-when-a-file-is-complete.md."""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from orchestrator.clock import SECOND, Micros
from orchestrator.intake.directory.open_file import Signature
from orchestrator.intake.directory.uploads import Upload, Uploads

IGNORED = re.compile(r"\..*|.*\.(?:tmp|part)", re.DOTALL | re.IGNORECASE)
"""Names under which programs write what they are not done with."""
NOT_IGNORED = "no dot in front, and no .tmp or .part at the end"
"""What keeps a name from being one of these."""
SETTLE = 0.1
"""Seconds without a change before anything is believed of a file that was not seen being renamed."""
QUIET = 1.0
"""Seconds without a change, for a file whose last change was no writing."""
_NANOS = 1_000_000_000

Identity = tuple[int, int]
"""Device and inode of a file or folder; unique among those that exist, and used again for later ones."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A visible name in incoming/."""

    name: str
    signature: Signature
    regular: bool
    owner: int


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in incoming/ at one moment."""

    entries: Sequence[Entry]
    """The oldest first."""
    hidden: Mapping[str, Signature]
    """What still has an ignored name."""
    folder: Identity
    """The folder itself."""


def list_folder(folder: Path) -> Listing:
    """List a folder; follows no link. Raises OSError."""
    entries: list[Entry] = []
    hidden: dict[str, Signature] = {}
    with _opened(folder) as descriptor, os.scandir(descriptor) as found:
        itself = os.fstat(descriptor)
        for each in found:
            try:
                status = each.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone in between
            if IGNORED.fullmatch(each.name):
                hidden[each.name] = Signature.of(status)
            else:
                regular = stat.S_ISREG(status.st_mode)
                entries.append(Entry(each.name, Signature.of(status), regular, status.st_uid))
    entries.sort(key=lambda entry: (entry.signature.mtime_ns, entry.name))
    return Listing(entries, hidden, (itself.st_dev, itself.st_ino))


def _stood_for(hidden: str) -> set[str]:
    """The names that a file with a hidden name may get: `.a.csv.tmp` stands for `a.csv.tmp`, `a.csv` and `a`."""
    stem = hidden.lstrip(".")
    return {stem, *(stem[:at] for at, character in enumerate(stem) if character == ".")}


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Ready(Enum):
    """Whether a file may be taken."""

    NO = auto()
    IF_WHOLE = auto()
    """It may be complete: take it if its text proves so by itself, as JSON does."""
    YES = auto()


@dataclass(slots=True)
class _Track:
    signature: Signature
    since: float
    """When it was first seen as it is, on the monotonic clock."""
    renamed: bool
    old: bool
    """Neither written nor renamed for `rest` seconds when it was first seen."""
    appeared: float
    """When something of that name was first seen, however it has changed since."""
    was_here: bool = False
    """It had another visible name before, and was renamed."""


@dataclass(slots=True)
class Arrivals:
    """Remembers the entries of incoming/, to distinguish complete files from files that are being written."""

    rest: float
    """Seconds after which a file written in place counts as complete."""
    _tracks: dict[str, _Track] = field(default_factory=dict)
    _hidden: AbstractSet[Identity] = frozenset()
    _uploads: Uploads = field(default_factory=Uploads)
    _announced: set[str] = field(default_factory=set)

    def announce(self, added: AbstractSet[str], deleted: Iterable[str]) -> None:
        """File events: a hidden name that went while the name it stands for came was renamed to it."""
        for name in deleted:
            if IGNORED.fullmatch(name):
                self._announced.update(added & _stood_for(name))

    @property
    def announced(self) -> bool:
        """Whether a file is known to have been renamed to its name since the last listing."""
        return bool(self._announced)

    def observe(self, listing: Listing, *, monotonic: float, now: Micros) -> None:
        """Compare a listing with the one before."""
        tracks: dict[str, _Track] = {}
        visible = {(track.signature.device, track.signature.inode) for track in self._tracks.values()}
        for entry in listing.entries:
            known = track = self._tracks.get(entry.name)
            if track is None or track.signature != entry.signature:
                place = (entry.signature.device, entry.signature.inode)
                track = _Track(
                    entry.signature,
                    monotonic,
                    renamed=place in self._hidden,
                    old=self._is_old(entry.signature, now),
                    appeared=known.appeared if known else monotonic,
                    was_here=known.was_here if known else place in visible,
                )
            if entry.name in self._announced:
                track.renamed = True
            tracks[entry.name] = track
        self._tracks = tracks
        self._hidden = {(signature.device, signature.inode) for signature in listing.hidden.values()}
        self._announced.clear()
        self._uploads.observe(
            (*((entry.name, entry.signature) for entry in listing.entries), *listing.hidden.items()), monotonic
        )

    def ready(self, name: str, monotonic: float) -> Ready:
        """Whether the file of that name may be taken as it was listed last."""
        track = self._tracks[name]
        age = monotonic - track.since
        if age >= self.rest:
            return Ready.YES
        if track.signature.size == 0:
            return Ready.NO  # every file begins empty
        if track.renamed:
            return Ready.YES
        if age < SETTLE:
            return Ready.NO
        unwritten = (track.signature.ctime_ns - track.signature.mtime_ns) / _NANOS
        if track.old or unwritten >= self.rest or (unwritten > 0 and age >= QUIET):
            return Ready.YES
        return Ready.IF_WHOLE

    def settled(self, name: str, monotonic: float) -> bool:
        """Whether a file of that name is there, and complete by all that can be seen from outside."""
        return name in self._tracks and self.ready(name, monotonic) is Ready.YES

    def rested(self, name: str, monotonic: float) -> bool:
        """Whether it has not changed for `rest` seconds, however it came."""
        return self._tracks[name].old or self.age(name, monotonic) >= self.rest

    def age(self, name: str, monotonic: float) -> float:
        """Seconds for which it has not changed."""
        return monotonic - self._tracks[name].since

    def appeared(self, name: str) -> float:
        """When something of that name was first seen, on the monotonic clock."""
        return self._tracks[name].appeared

    def changed_at(self, name: str) -> float | None:
        """When it was last seen to have changed, on the monotonic clock; None where nothing of that name is there."""
        track = self._tracks.get(name)
        return track.since if track is not None else None

    def upload_of(self, table: str) -> Upload | None:
        """The file under another name that is to become this table; None where none is there."""
        return self._uploads.of(table)

    def signature(self, name: str) -> Signature | None:
        """What it was at the last listing; None where nothing of that name is there."""
        track = self._tracks.get(name)
        return track.signature if track is not None else None

    def renamed_by_hand(self, name: str) -> bool:
        """Whether it had another visible name before."""
        track = self._tracks.get(name)
        return track is not None and track.was_here

    def next_scan(self, name: str, monotonic: float) -> float:
        """Seconds until its readiness may change by itself."""
        age = self.age(name, monotonic)
        return next((moment - age for moment in sorted((SETTLE, QUIET, self.rest)) if moment > age), 0.0)

    def _is_old(self, signature: Signature, now: Micros) -> bool:
        last = max(signature.mtime_ns, signature.ctime_ns) / 1000
        return now - last >= self.rest * SECOND
