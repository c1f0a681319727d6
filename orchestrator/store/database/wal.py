"""SQLite's write-ahead log: how large it is, and who keeps it from being emptied.

Pages of the log go back into the database only up to the oldest transaction that still reads: a reader that stays open
for hours, such as a forgotten `sqlite3` or a backup that copies slowly, lets it grow without bound.
"""

from collections.abc import Iterator
from pathlib import Path

from orchestrator.store.database.engine import parse, sqlite_path

LARGE = 64 * 1024 * 1024
"""Bytes to which the log is cut when it was emptied: it is larger only while something keeps it from that."""
_PROCESSES = Path("/proc")


def wal_bytes(url: str) -> int | None:
    """The size of the log; None for a database on a server."""
    path = sqlite_path(parse(url))
    if path is None:
        return None
    try:
        return _log(path).stat().st_size
    except FileNotFoundError:
        return 0


def processes_with(url: str) -> list[str]:
    """Processes that have the database open, as far as we may see: `4711 (sqlite3)`."""
    path = sqlite_path(parse(url))
    return [] if path is None else sorted(_having_open({str(path.resolve()), str(_log(path.resolve()))}))


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _having_open(files: set[str]) -> Iterator[str]:
    for process in _PROCESSES.glob("[0-9]*"):
        try:
            if any(str(descriptor.readlink()) in files for descriptor in (process / "fd").iterdir()):
                yield f"{process.name} ({(process / 'comm').read_text(encoding='utf-8', errors='replace').strip()})"
        except OSError:
            continue  # it ended meanwhile, or belongs to another user
