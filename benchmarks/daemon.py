"""A real daemon process in a folder of its own, and the simulated platform that it speaks to."""

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.abc

from benchmarks import report
from orchestrator.clock import SystemClock
from orchestrator.simulator import ica, serve, sevenbridges

_POLL = 0.002


@dataclass
class Site:
    """A folder with configuration and queue."""

    folder: Path
    simulator: ica.Simulator | sevenbridges.Simulator

    @asynccontextmanager
    async def served(self, **account: Any) -> AsyncIterator["Site"]:  # noqa: ANN401 - JSON
        """Serve the platform; keywords are laid over the account's configuration."""
        async with serve(self.simulator) as base_url:
            for name in ("secrets", "queue/incoming", "state"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            (self.folder / "secrets/ica").write_text("simulator\n")
            (self.folder / "secrets/ica").chmod(0o600)
            ica = {"platform": "ica", "base_url": base_url, "api_key_file": "secrets/ica", **account}
            config = {"accounts": {"ica": ica}, "server": None, "log": {"level": "warning", "format": "json"}}
            (self.folder / "config.yaml").write_text(json.dumps(config))
            yield self

    @property
    def queue(self) -> Path:
        return self.folder / "queue"

    @asynccontextmanager
    async def daemon(self, *options: str) -> AsyncIterator[anyio.abc.Process]:
        """A running daemon, killed at the end."""
        command = [sys.executable, "-m", "orchestrator", "run", "--config", str(self.folder / "config.yaml"), *options]
        with (self.folder / "daemon.log").open("ab") as log:
            process = await anyio.open_process(command, stdin=None, stdout=log, stderr=log)
        async with process:
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()

    def drop(self, name: str, text: str) -> None:
        """Drop a file as programs should: hidden, then renamed."""
        draft = self.queue / "incoming" / f".{name}.tmp"
        draft.write_text(text)
        draft.rename(self.queue / "incoming" / name)

    async def until(self, condition: Callable[[], bool], *, at_most: float) -> float:
        """Wait for a condition; returns the seconds that it took."""
        clock, begin = SystemClock(), report.real_seconds()
        with anyio.fail_after(at_most):
            while not condition():
                await clock.sleep(_POLL)
        return report.real_seconds() - begin

    def cpu_seconds(self, process: anyio.abc.Process) -> float:
        """CPU time that the daemon has used so far."""
        fields = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def called(self, *operations: str) -> int:
        """How often the platform was asked for these operations."""
        return sum(self.simulator.ledger.calls[name] for name in operations)
