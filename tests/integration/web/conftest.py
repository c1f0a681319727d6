"""The daemon in the test's own process, with its server on a free port and a platform that nobody can reach."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from processes import free_port
from waiting import PATIENCE, patience, until

from orchestrator.app import Daemon, daemon
from orchestrator.clock import SystemClock
from orchestrator.settings import Settings, load
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event

PROJECT = "11111111-1111-1111-1111-111111111111"
API_KEY = "key-93bd10c7"
TOKEN = "token-5d2f8e11"
REAL_TIMEOUTS = (
    "api.queue_upload.ANSWER_WITHIN",
    "connections.HEAD_TIMEOUT",
    "connections.KEEP_ALIVE",
    "connections.STALL_TIMEOUT",
    "monitoring.health._PATIENCE",
    "monitoring.scrape._PATIENCE",
    "pages.queueing.ANSWER_WITHIN",
)
"""After which the server gives another answer, or none: the daemon of a house runs on the real clock."""


@dataclass
class House:
    """A folder, a daemon in it, and a caller at its door."""

    folder: Path
    template: Path
    """The database to start with."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Keys laid over the configuration."""
    bus: Bus[Event] = field(default_factory=Bus)
    events: list[Event] = field(default_factory=list)
    project = PROJECT
    api_key = API_KEY
    token = TOKEN
    settings: Settings = field(init=False)
    daemon: Daemon = field(init=False)
    client: httpx.AsyncClient = field(init=False)

    def furnish(self, **server: Any) -> None:
        """Write the configuration and read it."""
        (self.folder / "secrets").mkdir(exist_ok=True)
        for name, secret in (("ica", API_KEY), ("token", TOKEN)):
            (self.folder / f"secrets/{name}").write_text(f"{secret}\n")
            (self.folder / f"secrets/{name}").chmod(0o600)
        config = {
            "queue": {"directory": "queue", "scan_interval": "50ms", "rest": "200ms"},
            "accounts": {
                "ica": {"platform": "ica", "base_url": "http://127.0.0.1:1/rest", "api_key_file": "secrets/ica"}
            },
            "server": {"listen": f"127.0.0.1:{free_port()}", **server},
        } | self.extra
        if not (database := self.folder / "state/orchestrator.db").exists():
            database.parent.mkdir(exist_ok=True)
            shutil.copyfile(self.template, database)
        path = self.folder / "config.yaml"
        path.write_text(json.dumps(config))
        self.settings = load(path, {})

    @asynccontextmanager
    async def open(self, *, turning: bool = True, **server: Any) -> AsyncIterator["House"]:
        """The daemon with its server; without its loops and its intake unless it is `turning`."""
        self.furnish(**server)
        self.bus.subscribe(self.events.append)
        async with daemon(self.settings, bus=self.bus) as self.daemon:
            if turning:
                self.daemon.start()
            url = f"http://127.0.0.1:{self.settings.server.listen.port}"
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as self.client:
                if turning:
                    await self.until_status("/readyz", 200)
                yield self

    async def until_status(self, path: str, status: int) -> httpx.Response:
        """Ask until the answer has this status; fails the test when it never has."""
        clock = SystemClock()
        with patience():
            while (answer := await self.client.get(path)).status_code != status:
                await clock.sleep(0.05)
        return answer

    async def until(self, condition: Any) -> None:
        """Wait until `condition()` is true; fails the test when it never is."""
        await until(condition)

    def links(self, name: str, *ids: str, **more: Any) -> dict[str, Any]:
        """A linking job."""
        items = [{"dataId": each} for each in ids or ("fil.1",)]
        return {"name": name, "kind": "ica.data_linking", "account": "ica", "project": PROJECT, "items": items} | more

    async def post(self, *jobs: dict[str, Any], name: str | None = None, **more: Any) -> httpx.Response:
        """Send a queue file of these jobs."""
        document = {"version": 1, "jobs": list(jobs)} | more
        return await self.client.post(
            "/api/v1/queue", params={"name": name} if name else {}, json={k: v for k, v in document.items() if v}
        )

    def block_incoming(self) -> Path:
        """Put a file in place of incoming/ and return its path; the daemon may create the folder again in between."""
        incoming = self.folder / "queue/incoming"
        while not incoming.is_file():
            incoming.rmdir()
            with suppress(IsADirectoryError):
                incoming.write_text("in the way")
        return incoming

    def names(self, folder: str) -> list[str]:
        """What lies in one of the four folders, hidden names too; nothing where there is no such folder yet."""
        return sorted(path.name for path in (self.folder / "queue" / folder).glob("*"))


@pytest.fixture
def house(tmp_path: Path, newest_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house of one's own, where a slow machine changes no answer."""
    for name in REAL_TIMEOUTS:
        monkeypatch.setattr(f"orchestrator.web.{name}", PATIENCE)
    return House(tmp_path, newest_sqlite)
