"""A desk for intake: a queue directory, a real store, a clock that the test moves."""

import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from virtual_time import Point

from orchestrator.clock import Clock, ManualClock
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.spool import Spool, SpoolSettings
from orchestrator.store.store import Store
from orchestrator.telemetry.events import Event, FileAccepted, FileDeferred, FileRejected

PROJECT = "11111111-1111-1111-1111-111111111111"


@dataclass
class Desk:
    """Drops files and looks at what becomes of them."""

    queue: Path
    store: Store
    accounts: dict[str, AccountLimits]
    clock: Any = field(default_factory=ManualClock)
    events: list[Event] = field(default_factory=list)
    project = PROJECT

    def spool(self, *, jobs: Any = None, clock: Clock | None = None, **settings: Any) -> Spool:
        """A spool as a starting daemon makes it."""
        settings = {"scratch": self.queue.parent / "state"} | settings
        return Spool(
            SpoolSettings(self.queue, **settings),
            jobs=jobs or self.store.jobs,
            controls=self.store.advance,
            accounts=self.accounts,
            clock=clock or self.clock,
            publish=self.events.append,
        )

    # ------------------------------------------------------------ dropping

    @property
    def incoming(self) -> Path:
        return self.queue / "incoming"

    def write(self, name: str, content: str | bytes | dict[str, Any]) -> Path:
        """Write a file in place."""
        path = self.incoming / name
        text = json.dumps(content) if isinstance(content, dict) else content
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    async def rename_in(self, spool: Spool, name: str, content: str | bytes | dict[str, Any]) -> None:
        """Write a file under a hidden name, let the spool see that, then rename."""
        draft = self.write(f".{name}.tmp", content)
        await spool.rescan()
        draft.rename(self.incoming / name)

    def links(self, name: str, *ids: str, **more: Any) -> dict[str, Any]:
        """A linking job."""
        items = [{"dataId": each} for each in ids or ("fil.1",)]
        return {"name": name, "kind": "ica.data_linking", "account": "ica", "project": PROJECT, "items": items} | more

    def file(self, *jobs: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A queue file of these jobs."""
        return {"version": 1, "jobs": list(jobs)} | more

    async def decide(self, spool: Spool) -> bool:
        """Look often enough for everything that lies there to rest and be decided."""
        await spool.rescan()
        await self.clock.advance(5)
        return await spool.rescan()

    # ------------------------------------------------------------ looking

    def names(self, folder: str) -> list[str]:
        """What lies in one of the four folders."""
        return sorted(path.name for path in (self.queue / folder).iterdir())

    def errors(self, name: str) -> dict[str, Any]:
        """What was written beside a rejected file."""
        document: dict[str, Any] = json.loads((self.queue / "rejected" / f"{name}.error.json").read_text())
        return document

    def published(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def accepted(self) -> list[FileAccepted]:
        return self.published(FileAccepted)

    @property
    def rejected(self) -> list[FileRejected]:
        return self.published(FileRejected)

    @property
    def deferred(self) -> list[FileDeferred]:
        return self.published(FileDeferred)

    async def jobs(self) -> list[str]:
        """Names of the jobs that the database has."""
        return sorted(job.spec.name for job in await self.store.jobs.list())


@pytest.fixture
def desk(tmp_path: Path, newest_sqlite: Path) -> Callable[[], Any]:
    """What opens a desk: enter it with `async with`."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Desk]:
        state = tmp_path / "state"
        state.mkdir()
        shutil.copyfile(newest_sqlite, state / "o.db")
        (tmp_path / "queue/incoming").mkdir(parents=True)
        async with Store.opened(f"sqlite:///{state}/o.db", state_directory=state) as store:
            await store.memory.instance("test")
            yield Desk(tmp_path / "queue", store, {"ica": AccountLimits("ica", 5000)})

    return opened


@pytest.fixture
def die_at(monkeypatch):
    """Arms a point: passing it for the n-th time raises `Killed`, once."""
    return Point(monkeypatch).arm
