"""The four folders of the queue directory, and moves between them that lose and overwrite nothing.

A file and its table move together: what is to be moved is written down first (`moving.json`, in the daemon's own
folder, where droppers cannot write), and `finish_moves` completes at the next start what a crash cut short.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from orchestrator.crash_points import CrashPoint, crash_point
from orchestrator.domain.messages.mistake import Mistake
from orchestrator.domain.webhook import NO_WEBHOOKS, WebhookTerms
from orchestrator.durable import open_draft, rename_exclusively, sync_folder, write_whole
from orchestrator.intake.directory.open_file import NotReadableError, Signature, open_source
from orchestrator.intake.directory.pending_moves import NoPendingMoveError, PendingMoves, Step
from orchestrator.settings import Problem, SettingsError

GOOD_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
"""Names of the files that are taken."""
_LONGEST_NAME = 200
_LARGEST_ERROR_FILE = 16 * 1024 * 1024

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """How the queue directory is kept in order."""

    directory: Path
    scan_interval: float = 2.0
    """Seconds between two listings, besides file events."""
    rest: float = 5.0
    """Seconds after which a file written in place counts as complete."""
    max_bytes: int = 256 * 1024 * 1024
    scratch: Path | None = None
    """The daemon's own folder, for scratch files and for moves that are under way.

    None: the system's temporary folder, and moves that a crash cuts short are not completed.
    """
    webhooks: WebhookTerms = NO_WEBHOOKS
    """Which webhooks jobs may name."""


@dataclass(frozen=True, slots=True)
class Moving:
    """A file in incoming/ that was decided upon."""

    name: str
    signature: Signature


class Folders:
    """The queue directory."""

    def __init__(self, directory: Path, own: Path | None = None) -> None:
        """`own` is a folder that only the daemon may write to; None: interrupted moves are not completed."""
        self.incoming = directory / "incoming"
        self.accepted = directory / "accepted"
        self.rejected = directory / "rejected"
        self.results = directory / "results"
        self._intent = own / "moving.json" if own else None

    @property
    def all(self) -> tuple[Path, ...]:
        """The four of them."""
        return (self.incoming, self.accepted, self.rejected, self.results)

    def create(self) -> None:
        """Make what is missing."""
        for folder in self.all:
            folder.mkdir(parents=True, exist_ok=True)

    def accept(self, files: Sequence[Moving], *, sync: bool = True) -> None:
        """Move files into accepted/, the last one (the queue file) last. Without `sync`, call `sync_accepted` later."""
        self._move_all(files, self.accepted, sync=sync)

    def sync_accepted(self) -> None:
        """Make moves into accepted/ durable."""
        self._synced(self.accepted, ())

    def reject(self, files: Sequence[Moving], error: bytes) -> Path:
        """Write `error` as the queue file's NAME.error.json, then move; returns where the file lies.

        The queue file is the last of `files`. Written for the same file before (and then came a crash), the error file
        is written again; anyone else's is left alone.
        """
        name = self._free_name(files[-1])
        write_whole(self.rejected / f"{name}.error.json", error)
        crash_point(CrashPoint.ERRORS_WRITTEN)
        self._move_all(files, self.rejected, name)
        return self.rejected / name

    def finish_moves(self) -> None:
        """Complete what a crash cut short. An intent that is none is set aside: it keeps nothing back."""
        if self._intent is None:
            return
        try:
            intent = PendingMoves.read(self._intent)
        except FileNotFoundError:
            return
        except NoPendingMoveError as error:
            aside = self._intent.with_suffix(".spoilt")
            self._intent.replace(aside)
            log.warning("move_journal_corrupt", reason=str(error), saved_as=str(aside))
            return
        folder = self.accepted if intent.folder == "accepted" else self.rejected
        for step in intent.steps:
            self._move(Moving(step.name, Signature(step.device, step.inode, 0, 0, 0)), folder, step.target)
        sync_folder(folder)
        sync_folder(self.incoming)
        self._intent.unlink()

    # ------------------------------------------------------------ what became of a file

    def waits(self, file: Moving) -> bool:
        """Whether that very file still lies in incoming/. Raises OSError."""
        return _is(self.incoming / file.name, file.signature)

    def size_in_accepted(self, file: Moving) -> int | None:
        """How many bytes that very file has in accepted/; None where it is not there any more. Raises OSError."""
        for place in _numbered(self.accepted / _safe_name(file.name)):
            try:
                status = os.lstat(place)
            except FileNotFoundError:
                return None
            if Signature.of(status).same_file(file.signature):
                return status.st_size
        return None

    def error_of(self, file: Moving) -> Path | None:
        """The error file that speaks of that very file, under whatever number. Raises OSError."""
        name = Path(_safe_name(file.name))
        names = re.compile(rf"{re.escape(name.stem)}(-[0-9]+)?{re.escape(name.suffix)}\.error\.json")
        token = token_of(file)
        try:
            with os.scandir(self.rejected) as found:
                paths = [Path(each.path) for each in found if names.fullmatch(each.name)]
        except FileNotFoundError:
            return None
        return next((path for path in paths if _error_token(path) == token), None)

    # ------------------------------------------------------------ moving

    def _move_all(self, files: Sequence[Moving], folder: Path, name: str | None = None, *, sync: bool = True) -> None:
        names = [*(_safe_name(file.name) for file in files[:-1]), name or _safe_name(files[-1].name)]
        intent = self._intent if len(files) > 1 else None
        steps = [
            Step(file.name, target, file.signature.device, file.signature.inode)
            for file, target in zip(files, names, strict=True)
        ]
        try:
            if intent is not None:
                PendingMoves("accepted" if folder == self.accepted else "rejected", tuple(steps)).write(intent)
            for file, target in zip(files[:-1], names[:-1], strict=True):
                self._move(file, folder, target)
                crash_point(CrashPoint.TABLE_MOVED)
            self._move(files[-1], folder, names[-1])
        except OSError:
            if intent is not None and all(map(self.waits, files)):
                intent.unlink(missing_ok=True)  # none has moved: they are decided upon anew, and hold up no other file
            raise
        if sync and not self._synced(folder, names):
            return  # an intent stays, so that the next scan syncs once more
        if intent is not None:
            intent.unlink()

    def _synced(self, folder: Path, names: Sequence[str]) -> bool:
        """Make moves into `folder` durable; returns whether that succeeded.

        The files were moved, and that is what counts: after a power failure they would lie in incoming/ again and be
        decided upon as before.
        """
        try:
            sync_folder(folder)
            sync_folder(self.incoming)
        except OSError as error:
            log.warning("move_not_synced", files=list(names), folder=str(folder), reason=str(error))
            return False
        return True

    def _move(self, file: Moving, folder: Path, name: str) -> None:
        """Move that very file. Another one that has its name by now is left where it is, for the next scan."""
        source = self.incoming / file.name
        if not _is(source, file.signature):
            return
        for target in _numbered(folder / name):
            with contextlib.suppress(FileExistsError):
                rename_exclusively(source, target)
                break
        if not _is(target, file.signature):  # taken between the check and the move: give it back
            for place in _numbered(source):
                with contextlib.suppress(FileExistsError):
                    rename_exclusively(target, place)
                    break

    def _free_name(self, file: Moving) -> str:
        """A name that neither a file nor someone else's error file has in rejected/."""
        for candidate in _numbered(self.rejected / _safe_name(file.name)):
            if os.path.lexists(candidate):
                continue
            error = candidate.with_name(f"{candidate.name}.error.json")
            if not os.path.lexists(error) or _error_token(error) == token_of(file):
                return candidate.name
        raise AssertionError("the numbers do not end")


def prove_moves(directory: Path) -> None:
    """See that files can be renamed from incoming/ to accepted/ and rejected/, as every decision needs.

    Bind mounts of one device count as different file systems, so this renames a file and does not compare devices. Any
    other error is left to the daemon, which tries again: it may pass.

    Raises:
        SettingsError: the folders lie on different file systems, so that no file could ever be moved.
    """
    for name in ("incoming", "accepted", "rejected"):  # what a start that was killed here left behind
        for left in (directory / name).glob(".start.*.tmp"):
            left.unlink(missing_ok=True)
    for name in ("accepted", "rejected"):
        target = directory / name
        try:
            draft, file = open_draft(directory / "incoming" / "start")
            file.close()
        except OSError:
            return
        try:
            draft.rename(target / draft.name)
        except OSError as error:
            if error.errno == errno.EXDEV:
                message = (
                    f"{directory / 'incoming'} and {target} lie on different file systems, and no file can be moved"
                )
                remedy = "mount the queue directory as one, not its folders one by one"
                raise SettingsError([Problem("queue.directory", f"{message}: {remedy}")]) from error
        else:
            (target / draft.name).unlink()
        finally:
            draft.unlink(missing_ok=True)


def token_of(file: Moving) -> str:
    """Identifies, in an error file, the file that it is about.

    Device and inode are none of it: another mount, or the same one after a restart, may number files anew.
    """
    signature = file.signature
    text = f"{signature.size}:{signature.mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _error_token(path: Path) -> str | None:
    """The token in an error file, None when there is none to read: links and pipes of such a name lie there too."""
    try:
        source = open_source(path, max_bytes=_LARGEST_ERROR_FILE)
    except (OSError, NotReadableError):
        return None
    try:
        token = json.loads(source.file.read(_LARGEST_ERROR_FILE))["token"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    finally:
        source.close()
    return token if isinstance(token, str) else None


def _numbered(path: Path) -> "itertools.chain[Path]":
    """NAME, then with a number before its ending: a.yaml, a-2.yaml, a-3.yaml and so on."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return itertools.chain([path], numbered)


def _is(path: Path, signature: Signature) -> bool:
    try:
        return Signature.of(os.lstat(path)).same_file(signature)
    except FileNotFoundError:
        return False


def mistake_of_name(name: str) -> Mistake | None:
    """Why a file of this name is not accepted; None where it is."""
    if GOOD_NAME.fullmatch(name):
        return None
    stem, _, ending = name.rpartition(".")
    plain = "-".join(re.findall(r"[A-Za-z0-9._-]+", stem)).strip("-.")[: _LONGEST_NAME // 2]
    meant = f"rename it `{plain}.{ending}`: " if plain and GOOD_NAME.fullmatch(ending) else ""
    return Mistake("has a name that is not accepted", f"{meant}1 to 200 of the characters A-Z a-z 0-9 . _ -")


def _safe_name(name: str) -> str:
    """The name itself where it is valid, else the name with invalid characters as %XX, shortened if necessary."""
    if GOOD_NAME.fullmatch(name):
        return name
    raw = os.fsencode(name)
    spelt = urllib.parse.quote(raw, safe="").replace("~", "%7E")
    if len(spelt) <= _LONGEST_NAME:
        return spelt
    return f"{spelt[:150]}~{hashlib.sha256(raw).hexdigest()[:16]}"
