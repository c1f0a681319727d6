"""Where a round is played: a folder, simulated platforms, and daemon processes on one fast time."""

import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from chance import Kill, Plan, Side, Work
from fasttime import FastClock, Pace
from forkserver import Forked, ForkServer

from orchestrator.crash_points import VARIABLE
from orchestrator.engine.result_document import as_json
from orchestrator.settings import load
from orchestrator.settings.state import state_directory
from orchestrator.simulator import OffsetClock, serve
from orchestrator.simulator.simulated import Simulated
from orchestrator.store.store import Store

LAUNCHER = Path(__file__).with_name("daemon.py")

CHAOS_SPEED = 60.0
"""While faults strike and daemons die: a minute passes in a second."""
CALM_SPEED = 600.0
"""Once they are over: the hours that some unknown outcomes take are not waited for."""


@dataclass
class Site:
    """One platform of a round."""

    side: Side
    work: list[Work]
    simulator: Simulated[Any, Any, Any]
    clock: FastClock
    queue: Path

    @property
    def knobs(self) -> Any:
        return self.side.knobs

    def retries(self, job: str) -> int:
        """How often an operator had a job tried again."""
        return sum(name.startswith("retry-") and name.endswith(f"-{job}.json") for name in self.names("accepted"))

    def names(self, folder: str) -> set[str]:
        """What lies in a folder of the queue; nothing where the daemon has not made it yet."""
        path = self.queue / folder
        return {each.name for each in path.iterdir()} if path.is_dir() else set()

    def happen(self) -> None:
        """Let happen what the work of this platform is about; an item whose `id` is a number names that event."""
        for work in self.work:
            ids = [self.simulator.happen(dict(event))["id"] for event in work.events]
            for number, item in enumerate(work.document.get("items", ())):
                if isinstance(item.get("id"), int):
                    item["id"] = ids[item["id"]]
                    work.keys = (*work.keys[:number], item["id"], *work.keys[number + 1 :])


@dataclass
class Ground:
    """One folder with its configuration, its queue and its platforms."""

    folder: Path
    plan: Plan
    struck: Counter[str] = field(default_factory=Counter)
    """Faults that have struck, by kind or by quirk."""
    clock: FastClock = field(init=False)
    sites: dict[str, Site] = field(init=False)
    """By the name of the platform."""
    _forks: ForkServer = field(init=False)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Ground"]:
        """Serve the platforms and furnish the folder."""
        self.clock = FastClock(Pace.from_now(CHAOS_SPEED))
        self.sites, accounts = {}, {}
        async with AsyncExitStack() as stack:
            for side in self.plan.sides:
                name = side.platform.name
                simulator = side.platform.simulate(self.plan.seed, side.knobs, _key(name), OffsetClock(self.clock))
                work = [each for each in self.plan.work if each.platform == name]
                self.sites[name] = Site(side, work, simulator, self.clock, self.queue)
                self.sites[name].happen()
                base_url = await stack.enter_async_context(serve(simulator))
                accounts[name] = {"platform": name, "base_url": base_url, "api_key_file": f"secrets/{name}"}
                accounts[name] |= side.account
            self._furnish(accounts)
            self._forks = stack.enter_context(ForkServer.running(self.folder / "forks", LAUNCHER))
            yield self

    def _furnish(self, accounts: Mapping[str, Mapping[str, Any]]) -> None:
        for name in ("secrets", "queue/incoming"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for name in accounts:
            secret = self.folder / "secrets" / name
            secret.write_text(f"{_key(name)}\n")
            secret.chmod(0o600)
        config: dict[str, Any] = {
            "queue": {"directory": "queue", "scan_interval": "6s", "rest": "18s"},
            "accounts": accounts,
            "server": None,
            "log": {"level": "debug", "format": "json"},
        }
        self.config.write_text(json.dumps(config))
        self.log.touch()

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def queue(self) -> Path:
        return self.folder / "queue"

    @property
    def log(self) -> Path:
        return self.folder / "daemon.log"

    # ------------------------------------------------------------ files

    def drop(self, name: str, text: str) -> None:
        """As a well-behaved program drops: hidden first, then renamed."""
        draft = self.queue / "incoming" / f".{name}.tmp"
        draft.write_text(text)
        draft.rename(self.queue / "incoming" / name)

    def drop_work(self, work: Work) -> None:
        """A queue file of one job, its table before it."""
        if work.table is not None:
            self.drop(work.document["table"], work.table)
        self.drop(f"{work.name}.json", json.dumps({"version": 1, "jobs": [work.document]}) + "\n")

    def drop_control(self, name: str, verb: str, what: object) -> None:
        """`what` is the name of a job, or what the control takes in its place."""
        self.drop(f"{name}.json", json.dumps({"version": 1, "controls": [{verb: what}]}) + "\n")

    def names(self, folder: str) -> set[str]:
        """What lies in a folder of the queue."""
        return next(iter(self.sites.values())).names(folder)

    # ------------------------------------------------------------ faults

    def set_faults(self, number: int | None) -> None:
        """Count what the rules so far have done, and put those of the n-th kill in their place; None: none."""
        for site in self.sites.values():
            faults = site.simulator.faults
            for fault, times in faults.struck:
                self.struck[fault.quirk or fault.kind.value] += times
            faults.set(site.side.faults[number] if number is not None else (), site.simulator.clock.monotonic())

    # ------------------------------------------------------------ processes

    async def run_until(self, kill: Kill) -> bool:
        """Run a daemon until it is killed; False when it had nothing more to do before that."""
        before = self._log_size()
        async with self._daemon(kill.point) as process:
            if not kill.early:
                await self._begun(process, before)
            with anyio.move_on_after(kill.after):
                await process.wait()
            if process.returncode is None:
                process.kill()
            code = await process.wait()
        if code not in (0, -9):
            raise RuntimeError(f"the daemon ended with code {code}; see {self.log}")
        return code != 0

    async def _begun(self, process: Forked, log_size: int) -> None:
        """Wait until the process says that it works, in the part of the log beyond a size; or until it has ended."""
        while process.returncode is None:
            with self.log.open("rb") as log:
                log.seek(log_size)
                if b'"daemon_started"' in log.read():
                    return
            with anyio.move_on_after(0.02):
                await process.wait()

    def _log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    async def run_to_rest(self, at_most: float) -> None:
        """Run a daemon until nothing moves without a person; raises TimeoutError after `at_most` real seconds."""
        with anyio.fail_after(at_most):
            async with self._daemon(None) as process:
                code = await process.wait()
        if code != 0:
            raise RuntimeError(f"the daemon ended with code {code}; see {self.log}")

    async def run_for(self, seconds: float) -> None:
        """Run a daemon as it runs every day, for so many real seconds and until it has taken in all files.

        It is stopped with SIGTERM.
        """
        before = self._log_size()
        async with self._daemon(None, until_idle=False) as process:
            await self._begun(process, before)
            with anyio.move_on_after(seconds):
                await process.wait()
            while process.returncode is None and self.names("incoming"):
                with anyio.move_on_after(0.1):
                    await process.wait()
            if process.returncode is None:
                process.terminate()
            code = await process.wait()
        if code != 0:
            raise RuntimeError(f"the daemon ended with code {code} at SIGTERM; see {self.log}")

    @asynccontextmanager
    async def _daemon(self, point: str | None, *, until_idle: bool = True) -> AsyncIterator[Forked]:
        arguments = ["--config", str(self.config), "--pace", str(self.clock.pace)]
        arguments += ["--until-idle"] if until_idle else []
        async with self._forks.start(arguments, log=self.log, environ={**os.environ, VARIABLE: point or ""}) as process:
            yield process

    # ------------------------------------------------------------ what the database says

    async def documents(self) -> dict[str, dict[str, Any]]:
        """Each job that the database knows, as the result that it has or would have now."""
        settings = load(self.config, {}, for_daemon=False)
        documents = {}
        async with Store.opened(
            settings.database.url, state_directory=state_directory(settings), read_only=True
        ) as store:
            for job in await store.jobs.list():
                text = b"".join([portion async for portion in as_json(store, job)])
                documents[job.spec.name] = json.loads(text)
        return documents


def _key(platform: str) -> str:
    """The API key of its account."""
    return f"key-torture-5b1f-{platform}"
