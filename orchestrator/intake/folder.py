"""The four folders of the queue directory, and moves between them that lose and overwrite nothing.

A file and its table move together: what is to be moved is written down first (`.moving.json`, beside the files), and
`finish_moves` completes at the next start what a crash cut short.
"""

import contextlib
import ctypes
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

from orchestrator.crashpoints import Point, reach
from orchestrator.intake.source import Signature

GOOD_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")
_INTENT = ".moving.json"
_LONGEST_NAME = 200
_AT_FDCWD = -100
_NO_REPLACE = 1
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


@dataclass(frozen=True, slots=True)
class Moving:
    """A file in incoming/ that was decided upon."""

    name: str
    signature: Signature


class Folders:
    """The queue directory."""

    def __init__(self, directory: Path) -> None:
        self.incoming = directory / "incoming"
        self.accepted = directory / "accepted"
        self.rejected = directory / "rejected"
        self.results = directory / "results"

    def create(self) -> None:
        """Make what is missing."""
        for folder in (self.incoming, self.accepted, self.rejected, self.results):
            folder.mkdir(parents=True, exist_ok=True)

    def accept(self, files: Sequence[Moving]) -> None:
        """Move files into accepted/, the last one (the queue file) last."""
        self._move_all(files, self.accepted)

    def reject(self, files: Sequence[Moving], error: bytes) -> Path:
        """Write `error` as the queue file's NAME.error.json, then move; returns where the file lies.

        The queue file is the last of `files`. Written for the same file before (and then came a crash), the error file
        is written again; anyone else's is left alone.
        """
        name = self._free_name(files[-1])
        write_whole(self.rejected / f"{name}.error.json", error)
        reach(Point.ERRORS_WRITTEN)
        self._move_all(files, self.rejected, name)
        return self.rejected / name

    def finish_moves(self) -> None:
        """Complete what a crash cut short."""
        intent = self.incoming / _INTENT
        try:
            moves = json.loads(intent.read_bytes())
        except FileNotFoundError:
            return
        except ValueError:
            moves = []  # no intent of ours: those are written whole
        for move in moves:
            signature = Signature(move["device"], move["inode"], 0, 0, 0)
            self._move(Moving(move["from"], signature), Path(move["to"]).parent, Path(move["to"]).name)
        intent.unlink()
        sync_folder(self.incoming)

    # ------------------------------------------------------------ moving

    def _move_all(self, files: Sequence[Moving], folder: Path, name: str | None = None) -> None:
        names = [*(safe_name(file.name) for file in files[:-1]), name or safe_name(files[-1].name)]
        if len(files) > 1:
            self._intend(files, folder, names)
        for file, target in zip(files[:-1], names[:-1], strict=True):
            self._move(file, folder, target)
            reach(Point.TABLE_MOVED)
        self._move(files[-1], folder, names[-1])
        sync_folder(folder)
        sync_folder(self.incoming)
        if len(files) > 1:
            (self.incoming / _INTENT).unlink()

    def _intend(self, files: Sequence[Moving], folder: Path, names: Sequence[str]) -> None:
        moves = [
            {
                "from": file.name,
                "to": str(folder / name),
                "device": file.signature.device,
                "inode": file.signature.inode,
            }
            for file, name in zip(files, names, strict=True)
        ]
        write_whole(self.incoming / _INTENT, json.dumps(moves).encode())

    def _move(self, file: Moving, folder: Path, name: str) -> None:
        """Move that very file. Another one that has its name by now is left where it is, for the next scan."""
        source = self.incoming / file.name
        if not _is(source, file.signature):
            return
        for target in _numbered(folder / name):
            with contextlib.suppress(FileExistsError):
                rename_exclusively(source, target)
                break
        if not _is(target, file.signature):  # taken between the look and the move: give it back
            for place in _numbered(source):
                with contextlib.suppress(FileExistsError):
                    rename_exclusively(target, place)
                    break

    def _free_name(self, file: Moving) -> str:
        """A name that neither a file nor someone else's error file has in rejected/."""
        for candidate in _numbered(self.rejected / safe_name(file.name)):
            if os.path.lexists(candidate):
                continue
            error = candidate.with_name(f"{candidate.name}.error.json")
            if not os.path.lexists(error) or error_token(error) == token_of(file):
                return candidate.name
        raise AssertionError("the numbers do not end")


def token_of(file: Moving) -> str:
    """What tells, in an error file, which file it speaks of."""
    signature = file.signature
    text = f"{signature.device}:{signature.inode}:{signature.size}:{signature.mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def error_token(path: Path) -> str | None:
    """The token in an error file, None when there is none to read."""
    try:
        token = json.loads(path.read_bytes())["token"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return token if isinstance(token, str) else None


def _numbered(path: Path) -> "itertools.chain[Path]":
    """NAME, NAME-2, NAME-3 and so on."""
    return itertools.chain([path], (path.with_name(f"{path.name}-{number}") for number in itertools.count(2)))


def _is(path: Path, signature: Signature) -> bool:
    try:
        return Signature.of(os.lstat(path)).same_file(signature)
    except FileNotFoundError:
        return False


def safe_name(name: str) -> str:
    """The name itself where it is a good one, else one spelt with %XX that tells it, shortened if need be."""
    if GOOD_NAME.fullmatch(name):
        return name
    raw = os.fsencode(name)
    spelt = urllib.parse.quote(raw, safe="").replace("~", "%7E")
    if len(spelt) <= _LONGEST_NAME:
        return spelt
    return f"{spelt[:150]}~{hashlib.sha256(raw).hexdigest()[:16]}"


# ---------------------------------------------------------------- durable


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, also after a power cut."""
    draft = path.with_name(f".{path.name}.tmp")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename_exclusively(source: Path, target: Path) -> None:
    """Rename without overwriting; raises FileExistsError. Links and folders are renamed as they are."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        result = libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _NO_REPLACE)
        if result == 0:
            return
        code = ctypes.get_errno()
        if code not in _UNSUPPORTED:
            raise OSError(code, os.strerror(code), str(source), None, str(target))
    # Without the system call: nobody but us makes names in the folders that we move to.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)
