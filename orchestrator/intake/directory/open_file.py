"""Files as they are opened: once, without following or waiting for anything, and read from that descriptor only."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Self

from orchestrator.domain.errors import OrchestratorError
from orchestrator.domain.messages.mistake import Mistake

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_SECOND = 1_000_000_000
"""In nanoseconds."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What changes when a file changes, or when another one takes its name."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def undated(self) -> bool:
        """Whether it was modified in the first second of 1970: an interrupted rsync sets the seconds to 0 alone."""
        return 0 <= self.mtime_ns < _SECOND

    def same_file(self, other: "Signature") -> bool:
        """Whether both are of one file, changed or not."""
        return (self.device, self.inode) == (other.device, other.inode)


class NotReadableError(OrchestratorError):
    """A thing that is no file we would read."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake

    @classmethod
    def missing(cls, name: str) -> Self:
        """For a file that was named and does not exist."""
        return cls(Mistake(f"there is no file {name}"))


@dataclass(frozen=True, slots=True)
class Source:
    """An open file."""

    name: str
    file: IO[bytes]
    signature: Signature
    owner: int
    """Numeric user id."""

    def unchanged(self) -> bool:
        """Whether it is still as it was when it was opened. Its change time is none of this: a rename sets it."""
        now = Signature.of(os.fstat(self.file.fileno()))
        return (now.size, now.mtime_ns) == (self.signature.size, self.signature.mtime_ns)

    def token(self, step: Callable[[], None]) -> str:
        """Identifies one drop of a file, also among drops of the same name and content at other times."""
        digest = sha256(f"{self.name}\n{self.signature.mtime_ns}\n".encode())
        self.file.seek(0)
        while piece := self.file.read(1024 * 1024):
            digest.update(piece)
            step()
        return digest.hexdigest()

    def close(self) -> None:
        self.file.close()


def open_source(path: Path, *, max_bytes: int | None = None, follow: bool = False) -> Source:
    """Open a regular file.

    Raises:
        NotReadableError: it is no regular file (a link counts as one with `follow`), is too large, or may not be read.
        FileNotFoundError: it is gone.
    """
    try:
        descriptor = os.open(path, _FLAGS & ~os.O_NOFOLLOW if follow else _FLAGS)
    except OSError as error:
        raise _worded(error, path) from error
    status = os.fstat(descriptor)
    if refusal := refuse(status, max_bytes):
        os.close(descriptor)
        raise NotReadableError(refusal)
    file = os.fdopen(descriptor, "rb")
    return Source(path.name, file, Signature.of(status), status.st_uid)


def refuse(status: os.stat_result, max_bytes: int | None) -> Mistake | None:
    """Why a thing of this status is not read; None when it is."""
    if not stat.S_ISREG(status.st_mode):
        return Mistake(f"is {_called(status.st_mode)}, not a file", "drop the file itself")
    if max_bytes is not None and status.st_size > max_bytes:
        message = f"has {status.st_size} bytes, and may have {max_bytes} (`queue.max_bytes`)"
        return Mistake(message, "split it into several files")
    return None


def _called(mode: int) -> str:
    names = (
        (stat.S_ISLNK, "a symbolic link"),
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
    )
    return next((name for test, name in names if test(mode)), "a device")


def _worded(error: OSError, path: Path) -> Exception:
    match error.errno:
        case errno.ELOOP:
            return NotReadableError(Mistake("is a symbolic link, not a file", "drop the file itself"))
        case errno.ENXIO:
            return NotReadableError(Mistake("is a socket or a device, not a file", "drop the file itself"))
        case errno.EACCES | errno.EPERM:
            uid = os.geteuid()
            return NotReadableError(
                Mistake(f"may not be read by user id {uid}", f"chmod a+r {path.name!r}, and drop it again")
            )
        case _:
            return error
