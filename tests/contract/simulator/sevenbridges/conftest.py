"""A simulated Seven Bridges in virtual time, and a client that speaks to it."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from orchestrator.clock import ManualClock
from orchestrator.simulator import Fault
from orchestrator.simulator.sevenbridges import Config, Knobs, Simulator


class SevenBridges:
    """One simulated Seven Bridges without a socket: the clock stands still until a test moves it."""

    project = "lab/cohort"
    volume = "lab/bucket"

    def __init__(self, config: Config) -> None:
        self.clock = ManualClock()
        self.simulator = Simulator(config, self.clock)
        self.truth = self.simulator.truth
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.simulator.app),
            base_url="http://sb.example.org/v2",
            headers={"X-SBG-Auth-Token": "simulator"},
        )

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(path, params=query)

    async def post(self, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return await self.client.post(path, json=body, params=query)

    async def draft(self, name: str, **fields: Any) -> httpx.Response:
        """POST a draft of a task."""
        return await self.post("/tasks", {"name": name, "project": self.project, "app": "lab/cohort/app"} | fields)

    async def batch(self, name: str, *files: str, **fields: Any) -> httpx.Response:
        """POST a draft of a batch task over these files."""
        inputs = {"reads": [{"class": "File", "path": file} for file in files]}
        by = {"batch_input": "reads", "batch_by": {"type": "item"}}
        return await self.draft(name, **({"inputs": inputs} | by | fields))

    async def run(self, drafted: httpx.Response) -> httpx.Response:
        """Run a draft that has just been answered."""
        return await self.post(f"/tasks/{drafted.json()['id']}/actions/run")

    async def task(self, answered: httpx.Response) -> dict[str, Any]:
        """A task as it is now."""
        task: dict[str, Any] = (await self.get(f"/tasks/{answered.json()['id']}")).json()
        return task

    async def names(self, path: str = "/tasks", **query: Any) -> list[str]:
        """The names on one page of a list."""
        answer = await self.get(path, **({"fields": "name", "limit": 100} | query))
        assert answer.status_code == 200, answer.text
        return [row["name"] for row in answer.json()["items"]]

    def imports(self, *locations: str) -> list[dict[str, Any]]:
        """Items of a bulk import."""
        return [
            {"source": {"volume": self.volume, "location": each}, "destination": {"project": self.project}}
            for each in locations
        ]


@pytest.fixture
def make_sb() -> Callable[..., SevenBridges]:
    """Makes a simulated Seven Bridges out of faults and knobs: `make_sb(Fault(…), list_lag=5.0)`."""

    def make(*faults: Fault, **knobs: Any) -> SevenBridges:
        return SevenBridges(Config(seed=7, faults=faults, knobs=Knobs(**({"jitter": 0.0} | knobs))))

    return make


@pytest.fixture
def sb(make_sb: Callable[..., SevenBridges]) -> SevenBridges:
    """A simulated Seven Bridges as it comes."""
    return make_sb()
