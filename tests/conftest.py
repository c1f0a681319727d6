"""What tests of the whole program share: a laboratory with a simulated platform and a real daemon process."""

import gc
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import anyio
import hypothesis
import pytest
import structlog
from forkserver import Forked, ForkServer
from platform_setups import ICA, PlatformSetup
from shared_statements import share
from waiting import patience, until

from orchestrator.simulator import OffsetClock, serve
from orchestrator.simulator.ica import Knobs
from orchestrator.store.database import upgrade

hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

PROJECT = "3d7a3c52-91f0-4f5e-8a53-0c6f0a4be1d7"
API_KEY = "key-7c1fe02b94"

# Compiled modules are kept: where they must not be, every daemon that a test starts compiles the whole program first.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
PIPELINE = "c2a9a2f4-6d3f-4b67-b2c8-6f1a3de0f111"

CAP_SYS_ADMIN = 21

QUICK = Knobs(
    link_seconds=0.3, creation_seconds=0.2, analysis_seconds=0.6, await_seconds=0.2, abort_seconds=0.1, requests=10_000
)
"""A platform on which an analysis takes less than a second."""


@dataclass(frozen=True)
class Ended:
    """How a daemon process ended."""

    code: int
    log: str

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


@dataclass
class Lab:
    """One folder with a configuration, a queue, a simulated platform and daemons that come and go."""

    folder: Path
    knobs: Knobs = QUICK
    seed: int = 0
    account: dict[str, Any] = field(default_factory=dict)
    """Keys laid over the account's configuration; `poll` over that of the others too."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Keys laid over the configuration."""
    program: tuple[str, ...] = ("-m", "orchestrator", "run")
    """What Python runs as the daemon."""
    forks: ForkServer | None = None
    """What starts the program where it is this one's launcher; None: every daemon is a fresh Python."""
    clock: OffsetClock | None = None
    """The platform's; None: the machine's."""
    project = PROJECT
    pipeline = PIPELINE
    setup: PlatformSetup = ICA
    """The platform; `knobs` are its knobs."""
    beside: Sequence[tuple[PlatformSetup, Any]] = ()
    """Further platforms and their knobs; each has an account of its name."""
    simulator: Any = field(init=False)
    simulators: dict[str, Any] = field(init=False)
    """Of all platforms, by name."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Lab"]:
        """Serve the platform, and those beside it, and furnish the folder."""
        self.simulators, urls = {}, {}
        async with AsyncExitStack() as stack:
            for setup, knobs in ((self.setup, self.knobs), *self.beside):
                keys = (_key(setup.name),)
                simulator = setup.simulate(self.clock, seed=self.seed, knobs=asdict(knobs), api_keys=keys)
                self.simulators[setup.name] = simulator
                urls[setup.name] = await stack.enter_async_context(serve(simulator))
            self.simulator = self.simulators[self.setup.name]
            self._furnish(urls)
            yield self

    def _furnish(self, urls: Mapping[str, str]) -> None:
        for folder in ("secrets", "queue/incoming"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        accounts = {}
        for name, base_url in urls.items():
            (self.folder / "secrets" / name).write_text(f"{_key(name)}\n")
            (self.folder / "secrets" / name).chmod(0o600)
            account = {
                "platform": name,
                "base_url": base_url,
                "api_key_file": f"secrets/{name}",
                "budget": {"requests": 10_000, "per": "300s"},
                "poll": {"min_interval": "50ms", "max_interval": "500ms"},
            }
            account |= {"page_size": 200} if name == ICA.name else {}
            laid_over = {key: value for key, value in self.account.items() if name == self.setup.name or key == "poll"}
            accounts[name] = account | laid_over
        config = {
            "queue": {"directory": "queue", "scan_interval": "100ms", "rest": "300ms"},
            "accounts": accounts,
            "server": None,
            "log": {"level": "debug", "format": "json"},
        } | self.extra
        self.config.write_text(json.dumps(config))

    # ------------------------------------------------------------ files

    @property
    def config(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def queue(self) -> Path:
        return self.folder / "queue"

    def drop(self, name: str, text: str | bytes) -> None:
        """As a well-behaved program drops: hidden first, then renamed."""
        draft = self.queue / "incoming" / f".{name}.tmp"
        draft.write_bytes(text if isinstance(text, bytes) else text.encode())
        draft.rename(self.queue / "incoming" / name)

    def drop_jobs(self, name: str, *jobs: Mapping[str, Any]) -> None:
        """Drop a queue file of these jobs."""
        self.drop(name, json.dumps({"version": 1, "jobs": list(jobs)}) + "\n")

    def links(self, name: str, ids: list[str], **more: Any) -> dict[str, Any]:
        """A linking job."""
        items = [{"dataId": each} for each in ids]
        return {"name": name, "kind": "ica.data_linking", "account": "ica", "project": PROJECT, "items": items} | more

    def analyses(self, name: str, references: list[str], **more: Any) -> dict[str, Any]:
        """A job of Nextflow analyses."""
        items = [
            {
                "userReference": each,
                "pipelineId": PIPELINE,
                "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": [f"fil.{n:06x}"]}]},
            }
            for n, each in enumerate(references, 1)
        ]
        job = {"name": name, "kind": "ica.analysis_creation", "account": "ica", "project": PROJECT}
        return job | {"engine": "nextflow", "items": items} | more

    def result(self, job: str) -> dict[str, Any]:
        """The result document of a job."""
        return json.loads((self.queue / "results" / f"{job}.json").read_text())

    def errors(self, file: str) -> dict[str, Any]:
        """What is said of a rejected file."""
        return json.loads((self.queue / "rejected" / f"{file}.error.json").read_text())

    # ------------------------------------------------------------ processes

    async def run(
        self,
        *,
        kill_after: float | None = None,
        environ: Mapping[str, str] | None = None,
        under: Sequence[str] = (),
    ) -> Ended:
        """Run the daemon until nothing moves, or until it is killed; fails the test when it takes too long."""
        with patience():
            async with self.daemon("--until-idle", environ=environ, under=under) as process:
                if kill_after is not None:
                    with anyio.move_on_after(kill_after):
                        await process.wait()
                    if process.returncode is None:
                        process.kill()
                code = await process.wait()
        return Ended(code, (self.folder / "daemon.log").read_text())

    @asynccontextmanager
    async def daemon(
        self, *options: str, environ: Mapping[str, str] | None = None, under: Sequence[str] = ()
    ) -> AsyncIterator[anyio.abc.Process | Forked]:
        """A daemon process, under another program where one is named; killed at the end if it still runs."""
        program, options = self.program, ("--config", str(self.config), *options)
        path, variables = self.folder / "daemon.log", {**os.environ, **(environ or {})}
        if self.forks is not None and not under and program[0] == str(self.forks.launcher):
            async with self.forks.start([*program[1:], *options], log=path, environ=variables) as forked:
                yield forked
            return
        command = [*under, sys.executable, *program, *options]
        with path.open("ab") as log:
            process = await anyio.open_process(command, stdin=None, stdout=log, stderr=log, env=variables)
        async with process:
            try:
                yield process
            finally:
                if process.returncode is None:
                    process.kill()

    async def until(self, condition: Any) -> None:
        """Wait until `condition()` is true, as seen from outside; fails the test when it never is."""
        await until(condition)


def pytest_configure() -> None:
    """Programs that tests start end on SIGINT, also where these run in the background.

    A shell without job control has SIGINT ignored in what it starts with `&`, and every program inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# The garbage collector need not walk through the imported modules and the collected tests again and again: not while
# they are collected, which takes a quarter longer with it, and not afterwards.


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect the tests without collecting garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Whatever there is now stays to the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """A test that configures the log leaves no other test with its stream, which is closed by then."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def shared_statements() -> Iterator[None]:
    """Stores of SQLite compile each statement once in a test process."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        share(monkeypatch)
        yield


def _key(platform: str) -> str:
    """The API key of an account: one on each platform."""
    return f"{API_KEY}-{platform}"


@pytest.fixture(scope="session")
def newest_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with the newest schema, to be copied: a copy costs a hundredth of the migrations."""
    path = tmp_path_factory.mktemp("newest") / "newest.db"
    anyio.run(upgrade.upgrade, f"sqlite:///{path}")
    return path


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """A laboratory of one's own."""
    return Lab(tmp_path)


@pytest.fixture
def new_lab(tmp_path: Path) -> type[Lab]:
    """For tests that need a laboratory with other knobs."""
    return Lab


@pytest.fixture
def needs() -> Any:
    """Requires a tool of the machine: where it is missing the test is skipped, but fails in CI, which can install it.

    `root`: also requires the rights of root, mounting included. Nothing can install these, so the test is skipped
    without them.
    """

    def require(*tools: str, root: bool = False) -> None:
        missing = [tool for tool in tools if shutil.which(tool) is None and not Path(tool).exists()]
        if missing and os.environ.get("CI") == "true":
            pytest.fail(f"CI needs {', '.join(missing)}")
        missing += ["root with the right to mount"] if root and not _is_root() else []
        if missing:
            pytest.skip(f"needs {', '.join(missing)}")

    return require


def _is_root() -> bool:
    """Whether this is root with CAP_SYS_ADMIN, which root has not in most containers."""
    status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
    return os.geteuid() == 0 and bool(int(status["CapEff"], 16) >> CAP_SYS_ADMIN & 1)
