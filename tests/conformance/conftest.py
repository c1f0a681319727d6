"""The vendor's own client, speaking to the simulator over a real socket."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import anyio.to_thread
import libica.openapi.v3 as libica
import pytest

from orchestrator.clock import ManualClock
from orchestrator.simulator import serve
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
        return await anyio.to_thread.run_sync(partial(method, *args, _request_timeout=20.0, **kwargs))

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
