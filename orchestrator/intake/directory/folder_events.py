"""File events of one folder. They only make intake faster, as the folder is also listed at intervals."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from pathlib import Path

import anyio
import anyio.to_thread
import structlog
from watchfiles import Change, awatch

from orchestrator.clock import Clock
from orchestrator.domain.errors import leaves
from orchestrator.intake.directory.arrivals import Identity

_GROUP_MS = 100
_STEP_MS = 20
_TIMEOUT_MS = 500
"""How long the watching thread runs, at most, before it returns to the event loop."""

log = structlog.get_logger(__name__)


class Watch:
    """Wakes waiting tasks when something happens in a folder, which may be removed and created again."""

    def __init__(self, folder: Path, clock: Clock, announce: Callable[[AbstractSet[str], Iterable[str]], None]) -> None:
        """`announce` is called with the names that came and the names that went."""
        self._folder = folder
        self._clock = clock
        self._announce = announce
        self._happened = anyio.Event()
        self._watched: Identity | None = None
        self._scope = anyio.CancelScope()
        self._reported: set[type[BaseException]] = set()

    async def run(self, pause: float) -> None:
        """Watch until cancelled; after the watch failed or its folder was replaced, watch again in `pause` seconds."""
        while True:
            with anyio.CancelScope() as self._scope:
                try:
                    await self._watch()
                except Exception as error:  # noqa: BLE001 - whatever it is, scans alone find every file, only later
                    self._watched = None
                    self._log_failure(error, pause)
                    self._happened.set()  # events may have been lost with it
            await self._clock.sleep(pause)

    async def wait(self, seconds: float) -> None:
        """Return when something happened since the last time, or after `seconds`."""
        async with anyio.create_task_group() as group:

            async def doze() -> None:
                await self._clock.sleep(seconds)
                group.cancel_scope.cancel()

            group.start_soon(doze)
            await self._happened.wait()
            group.cancel_scope.cancel()
        self._happened = anyio.Event()

    def check(self, folder: Identity) -> None:
        """Watch anew when the folder has another identity than the one that is watched: that one reports no more."""
        if self._watched is not None and self._watched != folder:
            self._watched = None
            self._scope.cancel()

    def _log_failure(self, error: Exception, pause: float) -> None:
        """Log the first error of each type. watchfiles raises one for a name that is not UTF-8, for instance."""
        for each in leaves(error):
            if isinstance(each, FileNotFoundError) or type(each) in self._reported:
                continue  # a folder that is missing is made by the next scan
            self._reported.add(type(each))
            reason = f"{type(each).__name__}: {each}"
            log.warning("file_events_failed", folder=str(self._folder), reason=reason, retry_in_s=pause)

    async def _watch(self) -> None:
        """Report changes until the folder itself is removed or renamed. Raises OSError, RuntimeError."""
        self._watched = await anyio.to_thread.run_sync(_identity, self._folder)
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(_set_when_cancelled, stop)
            await self._report(stop)
            group.cancel_scope.cancel()
        self._watched = None

    async def _report(self, stop: anyio.Event) -> None:
        events = awatch(
            self._folder,
            watch_filter=None,
            recursive=False,
            debounce=_GROUP_MS,
            step=_STEP_MS,
            rust_timeout=_TIMEOUT_MS,
            stop_event=stop,
        )
        async for changes in events:
            added = {_name_in(path) for change, path in changes if change is Change.added}
            deleted = [_name_in(path) for change, path in changes if change is Change.deleted]
            self._announce(added, deleted)
            self._happened.set()
            # An inode may be used again at once, so a folder made anew can have the identity of the removed one.
            gone = (path for change, path in changes if change is Change.deleted)
            if self._folder.name in deleted and any(Path(path) == self._folder for path in gone):
                return


async def _set_when_cancelled(stop: anyio.Event) -> None:
    """The watching thread cannot be cancelled, but it checks this event every few milliseconds."""
    try:
        await anyio.sleep_forever()
    finally:
        stop.set()


def _name_in(path: str) -> str:
    """The last part of a path. There may be thousands of them at a time, and `Path` takes ten times as long."""
    return path.rpartition("/")[2]


def _identity(folder: Path) -> Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino
