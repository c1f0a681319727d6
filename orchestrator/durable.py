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


def open_draft(target: Path) -> tuple[Path, IO[bytes]]:
    """Begin what is to become `target`: a new file beside it, under a hidden name. Raises OSError."""
    path = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    return path, os.fdopen(os.open(path, _NEW, _RIGHTS), "wb")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole or not at all, also after a power cut; what stood there is replaced."""
    draft, file = open_draft(path)
    try:
        with file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
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
