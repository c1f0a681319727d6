"""Files and renames that survive a power cut, in folders where others may write too.

What is written lies first under a hidden name that nobody can foresee, and is made anew: a link that somebody planted
is neither followed nor written through.
"""

import contextlib
import ctypes
import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO

OWN_DRAFT = re.compile(r"\.[A-Za-z0-9._-]{1,230}\.[0-9a-f]{8}\.tmp")
"""Names of drafts: one that still has such a name long after it was written was left behind by a crash."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_RIGHTS = 0o666
"""Less what the umask takes, as for any file."""
_AT_FDCWD = -100
_NO_REPLACE = 1
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700


def open_draft(target: Path, *, private: bool = False) -> tuple[Path, IO[bytes]]:
    """Begin what is to become `target`: a new file beside it, under a hidden name. Raises OSError.

    A `private` one is for its owner alone, whatever the umask is.
    """
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(path, _NEW, _PRIVATE_FILE if private else _RIGHTS)
    if private:
        os.fchmod(descriptor, _PRIVATE_FILE)
    return path, os.fdopen(descriptor, "wb")


def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write a file that is there whole or not at all, also after a power cut; what stood there is replaced."""
    draft, file = open_draft(path, private=private)
    try:
        with file:
            file.write(content)
            file.flush()
            sync_file(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    sync_folder(path.parent)


def begin_sync(descriptors: Iterable[int]) -> None:
    """Start writing these files to the disk and return at once; an `fsync` of each then takes a tenth of the time.

    Synced one after the other without this, each file waits for a commit of the file system's journal of its own. This
    is a hint: it raises nothing, and does not replace the `fsync`.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def sync_file(descriptor: int) -> bool:
    """Make what was written to a file, or the names in a folder, durable. Raises OSError.

    Returns False where the file system cannot do that (CIFS and some FUSE file systems, for folders): then all was done
    that can be done.
    """
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def sync_folder(folder: Path) -> bool:
    """Make renames in a folder durable. Returns False where its file system cannot sync folders. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return sync_file(descriptor)
    finally:
        os.close(descriptor)


def private_folder(path: Path) -> None:
    """Make a folder that is missing, for its owner alone whatever the umask is. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(_PRIVATE_FOLDER)
        path.chmod(_PRIVATE_FOLDER)


def private_file(path: Path, *, make: bool = False) -> None:
    """Take a file's rights from all but its owner; with `make`, create it where it is missing. Raises OSError.

    A file of somebody else is left as it is: only its owner can change that. One that exists is not opened: closing a
    database would give up the locks that SQLite has on it in this process.
    """
    if make:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, _NEW, _PRIVATE_FILE))
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != _PRIVATE_FILE:
            path.chmod(_PRIVATE_FILE)


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
