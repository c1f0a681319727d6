"""A file system that forgets what was not synced, as a disk does when the power goes: kill it with SIGKILL.

    python forgetful.py BACKING MOUNTPOINT [--type TYPE]

Names (files made, renamed, removed) reach the backing directory at once; what is written into a file does so when the
file is synced, and not before. So a file that was renamed without having been synced is empty afterwards.
"""

import argparse
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mfusepy

_TIMES = ("st_atime", "st_mtime", "st_ctime")


@dataclass
class _File:
    """A file that is open, or holds what was not synced."""

    data: bytearray
    changed: bool = False
    users: int = 0


class Forgetful(mfusepy.Operations):  # type: ignore[misc]  # the library has no types
    """One backing directory."""

    use_ns = True

    def __init__(self, backing: Path, *, syncs_folders: bool = True) -> None:
        self._backing = backing
        self._syncs_folders = syncs_folders
        self._files: dict[str, _File] = {}
        self._handles: dict[int, _File] = {}
        self._next = 1

    def _real(self, path: str) -> Path:
        return self._backing / path.lstrip("/")

    # ------------------------------------------------------------ names, which last at once

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        status = self._real(path).lstat()
        told: dict[str, Any] = {
            key: getattr(status, key) for key in ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino")
        }
        told |= {key: getattr(status, f"{key}_ns") for key in _TIMES}
        file = self._handles.get(fh) if fh is not None else self._files.get(path)
        return told | ({"st_size": len(file.data)} if file is not None else {})

    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *(each.name for each in self._real(path).iterdir())]

    def mkdir(self, path: str, mode: int) -> int:
        self._real(path).mkdir(mode)
        return 0

    def rmdir(self, path: str) -> int:
        self._real(path).rmdir()
        return 0

    def unlink(self, path: str) -> int:
        self._real(path).unlink()
        self._files.pop(path, None)
        return 0

    def rename(self, old: str, new: str) -> int:
        self._real(old).rename(self._real(new))
        self._files.pop(new, None)
        if old in self._files:
            self._files[new] = self._files.pop(old)
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._real(path).chmod(mode)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        os.utime(self._real(path), ns=times)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        if not self._syncs_folders:
            raise mfusepy.FuseOSError(errno.EINVAL)
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        told = os.statvfs(self._backing)
        return {key: getattr(told, key) for key in ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize")}

    # ------------------------------------------------------------ contents, which last when synced

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        os.close(os.open(self._real(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode))
        self._files[path] = _File(bytearray())
        return self._open(path)

    def open(self, path: str, flags: int) -> int:
        if path not in self._files:
            self._files[path] = _File(bytearray(self._real(path).read_bytes()))
        return self._open(path)

    def _open(self, path: str) -> int:
        self._next += 1
        self._handles[self._next] = self._files[path]
        self._files[path].users += 1
        return self._next

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self._handles[fh].data[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        file = self._handles[fh]
        if len(file.data) < offset:
            file.data.extend(bytes(offset - len(file.data)))
        file.data[offset : offset + len(data)] = data
        file.changed = True
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        if path not in self._files:
            self._files[path] = _File(bytearray(self._real(path).read_bytes()))
        file = self._handles[fh] if fh is not None else self._files[path]
        del file.data[length:]
        file.data.extend(bytes(length - len(file.data)))
        file.changed = True
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        file = self._handles[fh]
        if file.changed and self._files.get(path) is file:
            self._real(path).write_bytes(file.data)
            file.changed = False
        return 0

    def release(self, path: str, fh: int) -> int:
        file = self._handles.pop(fh)
        file.users -= 1
        if not file.users and not file.changed and self._files.get(path) is file:
            del self._files[path]
        return 0


def main() -> None:
    """Serve until unmounted."""
    parser = argparse.ArgumentParser()
    parser.add_argument("backing", type=Path)
    parser.add_argument("mountpoint", type=Path)
    parser.add_argument("--type", default="forgetful", help="the kernel will say that it is a fuse.TYPE")
    parser.add_argument("--no-folder-sync", action="store_true", help="refuse to sync folders, as CIFS does")
    asked = parser.parse_args()
    mfusepy.FUSE(
        Forgetful(asked.backing, syncs_folders=not asked.no_folder_sync),
        str(asked.mountpoint),
        foreground=True,
        nothreads=True,
        subtype=asked.type,
        fsname="test",
    )


if __name__ == "__main__":
    main()
