"""Detects network file systems with the kernel's list of mounts."""

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
    | {"fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
)
"""Network file systems: SQLite's write-ahead log needs shared memory, which they do not provide."""


def network_file_system(path: Path, mounts: str) -> str | None:
    """The type of the network file system under `path`, or None on a local one.

    Args:
        path: absolute, without symbolic links; it need not exist.
        mounts: the text of `/proc/self/mountinfo`.
    """
    points = [(_mount_point(line), _type(line)) for line in mounts.splitlines()]
    # The path is on the deepest mount point above it; of several mounts on one point, the last one is visible.
    above = [
        (len(point.parts), number, kind) for number, (point, kind) in enumerate(points) if path.is_relative_to(point)
    ]
    kind = max(above)[2] if above else None
    return kind if kind in NETWORK else None


def _mount_point(line: str) -> Path:
    escaped = line.split(" ")[4]
    return Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), escaped))


def _type(line: str) -> str:
    return line.partition(" - ")[2].split(" ")[0]
