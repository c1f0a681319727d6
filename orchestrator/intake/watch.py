"""File events of one folder: they only make things faster, for every folder is also looked at now and then."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import anyio
import anyio.to_thread
from watchfiles import Change, awatch

from orchestrator.clock import Clock

_GROUP_MS = 100
_STEP_MS = 20
_STOP_MS = 500
"""How long the watching thread may take to notice that nobody listens any more."""


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

    async def run(self, pause: float) -> None:
        """Watch for ever; after the watching failed or its folder was replaced, again in `pause` seconds."""
        while True:
            with anyio.CancelScope() as self._scope:
                try:
                    await self._watch()
                except (OSError, RuntimeError):  # no such folder, no inotify left: looking now and then must do
                    self._watched = None
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
