"""File events of one folder: they only make things faster, for every folder is also looked at now and then."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import anyio
import anyio.to_thread
import structlog
from watchfiles import Change, awatch

from orchestrator.clock import Clock
from orchestrator.domain.errors import leaves

_GROUP_MS = 100
_STEP_MS = 20
_STOP_MS = 500
"""How long the watching thread may take to notice that nobody listens any more."""

log = structlog.get_logger(__name__)


class Watch:
    """Wakes whoever waits when something happens in a folder, which may come and go."""

    def __init__(self, folder: Path, clock: Clock, announce: Callable[[Collection[str], Iterable[str]], None]) -> None:
        """`announce` is called with the names that came and the names that went."""
        self._folder = folder
        self._clock = clock
        self._announce = announce
        self._happened = anyio.Event()
        self._watched: int | None = None
        self._scope = anyio.CancelScope()
        self._reported: set[type[BaseException]] = set()

    async def run(self, pause: float) -> None:
        """Watch for ever; after the watching failed or its folder was replaced, again in `pause` seconds."""
        while True:
            with anyio.CancelScope() as self._scope:
                try:
                    await self._watch()
                except Exception as error:  # noqa: BLE001 - whatever it is, scans alone find every file, only later
                    self._watched = None
                    self._report(error, pause)
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

    def check(self, inode: int) -> None:
        """Notice that the folder, which has this inode, was made anew: the old one's watcher is silent for ever."""
        if self._watched is not None and self._watched != inode:
            self._watched = None
            self._scope.cancel()

    def _report(self, error: Exception, pause: float) -> None:
        """Log the first error of each type. watchfiles raises one for a name that is not UTF-8, for instance."""
        for each in leaves(error):
            if isinstance(each, FileNotFoundError) or type(each) in self._reported:
                continue  # a folder that is missing is made by the next scan
            self._reported.add(type(each))
            reason = f"{type(each).__name__}: {each}"
            log.warning("file_events_failed", folder=str(self._folder), reason=reason, again_in=pause)

    async def _watch(self) -> None:
        self._watched = await anyio.to_thread.run_sync(_inode, self._folder)
        events = awatch(
            self._folder,
            watch_filter=None,
            recursive=False,
            debounce=_GROUP_MS,
            step=_STEP_MS,
            rust_timeout=_STOP_MS,
        )
        async for changes in events:
            added = {Path(path).name for change, path in changes if change is Change.added}
            deleted = [Path(path).name for change, path in changes if change is Change.deleted]
            self._announce(added, deleted)
            self._happened.set()


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except FileNotFoundError:
        return None
