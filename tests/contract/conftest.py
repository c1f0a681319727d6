"""A simulated ICA in virtual time, and a client that speaks to it."""

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from orchestrator.clock import ManualClock
from orchestrator.simulator import Fault
from orchestrator.simulator.ica import Config, Knobs, Simulator

V3 = "application/vnd.illumina.v3+json"
V4 = "application/vnd.illumina.v4+json"


class Ica:
    """One simulated ICA without a socket: the clock stands still until a test moves it."""

    v3 = V3
    v4 = V4
    project = "11111111-1111-1111-1111-111111111111"
    pipeline = "f606f580-d476-47a8-9679-9ddb39fcb0a8"
    base_path = "/ica/rest"

    def __init__(self, config: Config) -> None:
        self.clock = ManualClock()
        self.simulator = Simulator(config, self.clock)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.simulator.app),
            base_url=f"http://ica.example.org{self.base_path}",
            headers={"X-API-Key": "simulator", "Accept": V3},
        )
        self.creations = f"/api/projects/{self.project}/analysisCreationBatch"
        self.links = f"/api/projects/{self.project}/dataLinkingBatch"
        self.analyses = f"/api/projects/{self.project}/analyses"

    def analysis(self, name: str, *tags: str, **fields: Any) -> dict[str, Any]:
        """A Nextflow item."""
        return {
            "userReference": name,
            "pipelineId": self.pipeline,
            "tags": {"technicalTags": list(tags)},
            "analysisInput": {"inputs": []},
        } | fields

    async def create(self, *names: str, key: str | None = None, items: Any = None) -> httpx.Response:
        """POST an analysis creation batch."""
        headers = {"Content-Type": V3} | ({"Idempotency-Key": key} if key is not None else {})
        body = {"nextflowItems": items if items is not None else [self.analysis(name) for name in names]}
        return await self.client.post(self.creations, content=msgspec.json.encode(body), headers=headers)

    async def link(self, *data_ids: str) -> httpx.Response:
        """POST a data linking batch."""
        body = {"items": [{"dataId": data_id} for data_id in data_ids]}
        headers = {"Content-Type": V4, "Accept": V4}
        return await self.client.post(self.links, content=msgspec.json.encode(body), headers=headers)

    async def get(self, path: str, accept: str = V3, **query: Any) -> httpx.Response:
        return await self.client.get(path, headers={"Accept": accept}, params=query)

    async def items(self, batch: str, accept: str = V4, **query: Any) -> list[dict[str, Any]]:
        """All items on the first page of a batch of either family; `batch` is its path."""
        answer = await self.get(f"{batch}/items", accept, **({"pageSize": 1000} | query))
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["items"]
        return rows

    async def search(self, body: dict[str, Any], **query: Any) -> httpx.Response:
        path = f"/api/projects/{self.project}/analysis:search"
        return await self.client.post(path, json=body, params={"pageSize": 1000} | query)

    async def found(self, body: dict[str, Any], **query: Any) -> list[str]:
        """The userReferences that a search brings, in its order."""
        answer = await self.search(body, **query)
        assert answer.status_code == 200, answer.text
        return [row["userReference"] for row in answer.json()["items"]]


@pytest.fixture
def make_ica() -> Callable[..., Ica]:
    """Makes a simulated ICA out of faults and knobs: `make_ica(Fault(…), search_lag=5.0)`."""

    def make(*faults: Fault, **knobs: Any) -> Ica:
        return Ica(Config(seed=7, faults=faults, knobs=Knobs(**({"jitter": 0.0} | knobs))))

    return make


@pytest.fixture
def ica(make_ica: Callable[..., Ica]) -> Ica:
    """A simulated ICA as it comes."""
    return make_ica()
