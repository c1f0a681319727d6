"""Whether a path lies on a file system of another machine, where SQLite's shared memory and locks do not work."""

from pathlib import Path

_REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "gfs2", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "smb3", "smbfs"}
    | {"fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"}
)
_MOUNTS = Path("/proc/self/mountinfo")


def remote_file_system(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the network file system that `path` is on; None on a local one, or where that cannot be told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    target = path.resolve()
    kind, depth = "", -1
    for line in lines:
        point, found = _read(line)
        # The later of two mounts on one point is the one that is seen.
        if target.is_relative_to(point) and len(point.parts) >= depth:
            kind, depth = found, len(point.parts)
    remote = kind in _REMOTE or (
        kind.startswith("fuse.") and kind.removeprefix("fuse.") in {"sshfs", "glusterfs", "s3fs"}
    )
    return kind if remote else None


def _read(line: str) -> tuple[Path, str]:
    """Mount point and type of one line: `36 35 98:0 /root /point options… - type source options`."""
    before, _, after = line.partition(" - ")
    point = before.split(" ")[4].encode("utf-8", "surrogateescape").decode("unicode_escape")
    return Path(point), after.split(" ")[0]
