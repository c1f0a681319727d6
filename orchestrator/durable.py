"""Files and renames that survive a power failure, in folders where other users may write too.

Content is first written to a new file under a hidden, unpredictable name: a link that another user placed there is
never followed.
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
"""Names of drafts; an old file with such a name was left behind by a crash."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_RIGHTS = 0o666
"""Reduced by the umask."""
_AT_FDCWD = -100
_NO_REPLACE = 1
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
_NO_FOLDERS = (*_UNSUPPORTED, errno.EBADF, errno.EISDIR, errno.EACCES, errno.EPERM)
"""What the sync of a folder, open for reading, fails with where its file system has no such thing."""
_LIBC = ctypes.CDLL(None, use_errno=True)
_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700


def open_draft(target: Path, *, private: bool = False) -> tuple[Path, IO[bytes]]:
    """Create a hidden file beside `target`, to be renamed to it. Raises OSError.

    A `private` draft is accessible to its owner only, whatever the umask.
    """
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    descriptor = os.open(path, _NEW, _PRIVATE_FILE if private else _RIGHTS)
    if private:
        os.fchmod(descriptor, _PRIVATE_FILE)
    return path, os.fdopen(descriptor, "wb")


def write_whole(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write or replace a file atomically and durably: after a power failure it is complete or unchanged."""
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
    """Sync the content of a file to disk. Raises OSError. Returns False where the file system does not support it."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def sync_folder(folder: Path) -> bool:
    """Sync the renames in a folder to disk. Raises OSError, which names the folder.

    Returns False where its file system cannot sync folders (CIFS and some FUSE file systems).
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDERS:
            raise OSError(error.errno, error.strerror, str(folder)) from error
        return False
    finally:
        os.close(descriptor)
    return True


def private_folder(path: Path) -> None:
    """Create a folder if it is missing, accessible to its owner only. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir(_PRIVATE_FOLDER)
        path.chmod(_PRIVATE_FOLDER)


def private_file(path: Path, *, make: bool = False) -> None:
    """Restrict a file to its owner; with `make`, create it if it is missing. Raises OSError.

    A file of another user is left unchanged, as only its owner can change its mode. An existing file is not opened:
    closing it would release the locks that SQLite holds on it in this process.
    """
    if make:
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, _NEW, _PRIVATE_FILE))
    with contextlib.suppress(FileNotFoundError):
        status = path.stat()
        if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) != _PRIVATE_FILE:
            path.chmod(_PRIVATE_FILE)


def rename_exclusively(source: Path, target: Path) -> None:
    """Rename without overwriting; raises FileExistsError. Symbolic links are not followed."""
    if hasattr(_LIBC, "renameat2"):
        result = _LIBC.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _NO_REPLACE)
        if result == 0:
            return
        code = ctypes.get_errno()
        if code not in _UNSUPPORTED:
            raise OSError(code, os.strerror(code), str(source), None, str(target))
    # Without the system call this is not atomic; no other program creates names in the target folders.
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)
