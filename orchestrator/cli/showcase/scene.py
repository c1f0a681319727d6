"""Runs the demonstration: the simulated platform in this process, the daemon in another."""

import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.abc
import yaml

from orchestrator.cli.showcase.demonstration import Demonstration, Sample
from orchestrator.clock import Clock, SystemClock
from orchestrator.domain.model import Job
from orchestrator.simulator import FaultKind, serve
from orchestrator.store.errors import StoreError
from orchestrator.store.store import Store

KILLS = 5
"""How often the daemon is killed (SIGKILL) and restarted with `--chaos`."""
_REFRESH = 0.25


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress that is displayed, four times a second."""

    jobs: list[Job]
    requests: int
    kills: int


class Scene:
    """One run of the demonstration in a folder."""

    def __init__(
        self,
        demonstration: Demonstration,
        folder: Path,
        samples: list[Sample],
        *,
        chaos: bool,
        clock: Clock | None = None,
    ) -> None:
        self.demonstration = demonstration
        self.folder = folder
        self.simulator = demonstration.simulate(demonstration.faults if chaos else ())
        self._samples = samples
        self.chaos = chaos
        self._clock = clock or SystemClock()
        self.kills = 0
        self._random = random.Random(1)  # noqa: S311 - not a secret

    @property
    def faults(self) -> Counter[FaultKind]:
        """How often each kind of fault was injected."""
        struck = Counter[FaultKind]()
        for fault, times in self.simulator.faults.struck:
            struck[fault.kind] += times
        return struck

    async def play(self, show: Callable[[Progress], None]) -> int:
        """Run the demonstration and return the daemon's exit code."""
        async with serve(self.simulator) as base_url:
            self._prepare(base_url)
            async with anyio.create_task_group() as group:
                group.start_soon(self._report, show)
                code = await self._run_daemon()
                group.cancel_scope.cancel()
        return code

    def _prepare(self, base_url: str) -> None:
        for name in ("secrets", "queue/incoming"):
            (self.folder / name).mkdir(parents=True)
        name = self.demonstration.platform
        secret = self.folder / "secrets" / name
        secret.write_text("simulator\n")
        secret.chmod(0o600)
        account = {
            "platform": name,
            "base_url": base_url,
            "api_key_file": f"secrets/{name}",
            "poll": {"min_interval": "500ms", "max_interval": "2s"},
        }
        config = {
            "database": "sqlite:///state/orchestrator.db",
            "queue": {"directory": "queue", "scan_interval": "500ms", "rest": "1s"},
            "accounts": {name: {**account, **self.demonstration.account}},
            "server": None,
        }
        (self.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
        for files in (*(sample.files for sample in self._samples), {"broken.yaml": self.demonstration.broken}):
            _drop(files, self.folder / "queue/incoming")

    # ------------------------------------------------------------ the daemon

    async def _run_daemon(self) -> int:
        while self.chaos and self.kills < KILLS:
            code = await self._run_once(kill_after=self._random.uniform(1.0, 3.0))
            if code != -signal.SIGKILL:
                return code
            self.kills += 1
        return await self._run_once()

    async def _run_once(self, kill_after: float | None = None) -> int:
        command = [sys.executable, "-m", "orchestrator", "run", "--until-idle"]
        with (self.folder / "daemon.log").open("ab") as log:
            process = await anyio.open_process(
                [*command, "--config", str(self.folder / "config.yaml")], stdin=None, stdout=log, stderr=log
            )
        async with process, anyio.create_task_group() as group:
            if kill_after is not None:
                group.start_soon(self._kill, process, kill_after)
            code = await process.wait()
            group.cancel_scope.cancel()
        return code

    async def _kill(self, process: anyio.abc.Process, after: float) -> None:
        await self._clock.sleep(after)
        process.kill()

    # ------------------------------------------------------------ progress

    async def _report(self, show: Callable[[Progress], None]) -> None:
        database = self.folder / "state/orchestrator.db"
        while True:
            jobs: list[Job] = []
            if database.exists():
                jobs = await _jobs(database)
            show(Progress(jobs, sum(user.requests for user in self.simulator.budget.usage.values()), self.kills))
            await self._clock.sleep(_REFRESH)


async def _jobs(database: Path) -> list[Job]:
    try:
        async with Store.opened(f"sqlite:///{database}", state_directory=database.parent, read_only=True) as store:
            return await store.jobs.list()
    except StoreError:
        return []  # not created yet: the next read will find it


def _drop(files: Mapping[str, str], incoming: Path) -> None:
    """Write each file under a name that begins with a dot, then rename it; the queue file last."""
    for name, text in sorted(files.items(), key=lambda file: file[0].endswith((".yaml", ".json"))):
        draft = incoming / f".{name}.tmp"
        draft.write_text(text)
        draft.rename(incoming / name)
