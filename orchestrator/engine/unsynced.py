"""Reports folders whose renames a power failure may undo: CIFS and some FUSE file systems cannot sync a folder."""

from collections.abc import Iterable
from pathlib import Path

import anyio.to_thread

from orchestrator.durable import sync_folder
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event, FolderNotSynced

CONSEQUENCE = (
    "after a power failure a file may be back in incoming/, where it is processed as before, or a result may be missing"
)


async def report_unsynced(folders: Iterable[Path], bus: Bus[Event]) -> None:
    """Publish one event for each file system under these folders that cannot sync a folder."""
    seen: set[int] = set()
    for folder in folders:
        try:
            # Abandoned on cancel, because a network mount may hang.
            device, reason = await anyio.to_thread.run_sync(_probe, folder, abandon_on_cancel=True)
        except OSError:
            continue  # the folder cannot be reached; the intake reports that
        if reason is not None and device not in seen:
            seen.add(device)
            bus.publish(FolderNotSynced(str(folder), f"{reason}: {CONSEQUENCE}"))


def not_synced(folder: Path) -> str | None:
    """Why an existing folder cannot be synced; None when it can."""
    try:
        return None if sync_folder(folder) else "its file system cannot sync folders"
    except OSError as error:
        return f"it cannot be synced ({error.strerror or error})"


def _probe(folder: Path) -> tuple[int, str | None]:
    while not folder.exists():
        folder = folder.parent
    return folder.stat().st_dev, not_synced(folder)
