"""The vendors' own clients, speaking to the simulators over a real socket."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import ModuleType
from typing import Any

import anyio.from_thread
import anyio.to_thread
import odm_clients
import pytest
import sevenbridges
from libica_client import libica
from sevenbridges.http import error_handlers
from waiting import PATIENCE

from orchestrator.clock import ManualClock
from orchestrator.simulator import Fault, odm, serve
from orchestrator.simulator import sevenbridges as simulated
from orchestrator.simulator.ica import Config, Knobs, Simulator


class Vendor:
    """libica 3.3 against one simulator. It is synchronous: its calls run in a thread."""

    v4 = "application/vnd.illumina.v4+json"
    v3 = "application/vnd.illumina.v3+json"
    project = "11111111-1111-1111-1111-111111111111"
    pipeline = "f606f580-d476-47a8-9679-9ddb39fcb0a8"

    def __init__(self, simulator: Simulator, clock: ManualClock, base_url: str) -> None:
        self.simulator = simulator
        self.clock = clock
        self.configuration = libica.Configuration(host=base_url, retries=0)
        self.client = libica.ApiClient(self.configuration)

    async def call(self, method: Callable[..., Any], *args: Any, accept: str = v3, **kwargs: Any) -> Any:
        """Run one call of the client, asking for the version `accept`.

        The client's default headers win over those of a call, and its default is V3 even where it then parses V4.
        """
        self.client.set_default_header("Accept", accept)
        return await anyio.to_thread.run_sync(partial(method, *args, _request_timeout=PATIENCE, **kwargs))

    async def sign_in(self) -> str:
        """Exchange the API key for a token and use that from now on."""
        self.client.set_default_header("X-API-Key", "simulator")
        token: str = (await self.call(libica.TokenApi(self.client).create_jwt_token)).token
        del self.client.default_headers["X-API-Key"]
        self.configuration.access_token = token
        return token


@pytest.fixture
def vendor() -> Callable[..., AbstractAsyncContextManager[Vendor]]:
    """Serves a simulator and signs in to it; the arguments are knobs, the block has the client."""

    @asynccontextmanager
    async def served(**knobs: Any) -> AsyncIterator[Vendor]:
        clock = ManualClock()
        simulator = Simulator(Config(seed=3, knobs=Knobs(**knobs)), clock)
        async with serve(simulator) as base_url:
            ica = Vendor(simulator, clock, base_url)
            await ica.sign_in()
            yield ica

    return served


class SevenBridges:
    """sevenbridges-python 2.11.2 against one simulator. It is synchronous: its calls run in a thread."""

    project = "lab/cohort"
    app = "lab/cohort/germline/4"
    volume = "lab/bucket"

    def __init__(self, simulator: simulated.Simulator, clock: ManualClock, base_url: str) -> None:
        self.simulator = simulator
        self.clock = clock
        self.base_url = base_url
        self.api = self.connect()

    def connect(self, *handlers: Callable[..., Any]) -> Any:
        """A client with these error handlers."""
        return sevenbridges.Api(
            url=self.base_url, token="simulator", debug=True, error_handlers=list(handlers), timeout=PATIENCE
        )

    async def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run one call of the client, or any function that makes some."""
        return await anyio.to_thread.run_sync(partial(method, *args, **kwargs))

    def file(self, file_id: str) -> Any:
        """A file as an input of a task."""
        return sevenbridges.File(id=file_id, api=self.api)


class VirtualTime:
    """What the client's sleepers take for the time module: sleeping moves the simulator's clock."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.slept: list[float] = []

    def time(self) -> float:
        return self._clock.now() / 1_000_000

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        anyio.from_thread.run(self._clock.advance, seconds)


@pytest.fixture
def seven_bridges() -> Callable[..., AbstractAsyncContextManager[SevenBridges]]:
    """Serves a simulator and connects to it; the arguments are faults and knobs, the block has the client."""

    @asynccontextmanager
    async def served(*faults: Fault, **knobs: Any) -> AsyncIterator[SevenBridges]:
        clock = ManualClock()
        config = simulated.Config(seed=3, faults=faults, knobs=simulated.Knobs(**({"jitter": 0.0} | knobs)))
        simulator = simulated.Simulator(config, clock)
        async with serve(simulator) as base_url:
            yield SevenBridges(simulator, clock, base_url)

    return served


@pytest.fixture
def virtual_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[ManualClock], VirtualTime]:
    """Puts the simulator's clock in the place of the time that the client's sleepers sleep in."""

    def patch(clock: ManualClock) -> VirtualTime:
        time = VirtualTime(clock)
        monkeypatch.setattr(error_handlers, "time", time)
        return time

    return patch


class Odm:
    """odm-api of one version against one simulator. It is synchronous: its calls run in a thread."""

    def __init__(self, client: ModuleType, simulator: odm.Simulator, clock: ManualClock, base_url: str) -> None:
        self.client = client
        self.simulator = simulator
        self.clock = clock
        self.base_url = base_url
        self.api = self.connect({"Genestack-API-Token": "simulator"})

    def connect(self, api_key: dict[str, str], **prefixes: str) -> Any:
        """A client that signs its requests with these keys."""
        configuration = self.client.Configuration(host=self.base_url, api_key=api_key, api_key_prefix=prefixes)
        configuration.retries = False
        return self.client.ApiClient(configuration)

    async def call(self, api: str, method: str, *args: Any, through: Any = None, **kwargs: Any) -> Any:
        """Run one call of one of the client's many APIs."""
        bound = getattr(getattr(self.client, api)(through or self.api), method)
        return await anyio.to_thread.run_sync(partial(bound, *args, _request_timeout=PATIENCE, **kwargs))

    async def start(self, what: str, *, allow_dups: bool = False, **body: Any) -> Any:
        """Start an import job of this type."""
        model = {
            "expression": "ImportExpressionSignalRunRequest",
            "variant": "StartImportVariantRequest",
            "flow-cytometry": "StartImportVariantRequest",
            "cells": "ImportCellsRequest",
            "file": "ImportAFileRequest",
        }.get(what, "ImportMetadataRequest")
        name = {"file": "a_file"}.get(what, what.replace("-", "_"))
        flags = {"allow_dups": True} if allow_dups else {}
        asked = getattr(self.client, model)(**body)
        return await self.call("DataImportJobsApi", f"start_import_{name}", body=asked, **flags)


@pytest.fixture(scope="session")
def odm_client() -> Callable[[str], ModuleType]:
    """Loads the vendor's client in some version, once each."""
    loaded: dict[str, ModuleType] = {}

    def load(version: str) -> ModuleType:
        if version not in loaded:
            loaded[version] = odm_clients.load(version)
        return loaded[version]

    return load


@pytest.fixture
def genestack(
    odm_client: Callable[[str], ModuleType],
) -> Callable[..., AbstractAsyncContextManager[Odm]]:
    """Serves a simulator and connects to it; the arguments are the client's version and knobs."""

    @asynccontextmanager
    async def served(version: str = "1.64.1", **knobs: Any) -> AsyncIterator[Odm]:
        clock = ManualClock()
        simulator = odm.Simulator(odm.Config(seed=3, knobs=odm.Knobs(**({"jitter": 0.0} | knobs))), clock)
        async with serve(simulator) as base_url:
            yield Odm(odm_client(version), simulator, clock, base_url)

    return served
