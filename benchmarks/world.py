"""One batch of analyses, tracked: a database, an account, and a page of its items whose statuses can be changed."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import sqlalchemy as sa
from sqlalchemy import event

from orchestrator.clock import ManualClock
from orchestrator.domain.model import Batch, JobId, JobSpec, NewItem, Poll
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.ica.platform import Ica
from orchestrator.platforms.ica.protocol.error_classes import classify
from orchestrator.platforms.rate_limit.limiter import Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots
from orchestrator.simulator.ica import Config, Knobs, Simulator
from orchestrator.store.database import upgrade
from orchestrator.store.database.engine import Database, parse
from orchestrator.store.store import Store

PROJECT = "11111111-1111-1111-1111-111111111111"
PIPELINE = "f606f580-d476-47a8-9679-9ddb39fcb0a8"
_STATUSES = ("IN_PROGRESS", "GENERATING_OUTPUTS")


@dataclass
class PageTransport(httpx.AsyncBaseTransport):
    """Answers a poll of items with `page`, where there is one; everything else goes to the simulator."""

    simulator: httpx.AsyncBaseTransport
    page: bytes = b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self.page or not request.url.path.endswith("/items"):
            return await self.simulator.handle_async_request(request)
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        return httpx.Response(200, headers=headers, stream=_Wire(self.page))


class _Wire(httpx.AsyncByteStream):
    """The bytes as a network delivers them: a response made of `content` would decode them once more, unasked."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


@dataclass
class Place:
    """Everything that handles a page."""

    clock: ManualClock
    transport: PageTransport
    store: Store
    ica: Ica
    poll: Poll
    rows: list[dict[str, Any]]
    """The items of the batch, as ICA writes them."""
    written: int = 0
    """Rows of items that were updated so far."""
    _flips: int = field(default=0)

    def page(self, share: float) -> bytes:
        """The page again, with the statuses of this share of its rows changed since the last time."""
        for _ in range(round(share * len(self.rows))):
            shown = self.rows[self._flips % len(self.rows)]["createdAnalysis"]
            shown["status"] = _STATUSES[_STATUSES.index(shown["status"]) - 1]
            self._flips += 1
        return json.dumps({"items": self.rows, "nextPageToken": "", "remainingRecords": 0}).encode()


async def one_batch(folder: Path, rows: int) -> Place:
    """Submit a batch of so many analyses, and bring all of them under way."""
    clock = ManualClock()
    simulator = Simulator(Config(knobs=Knobs(analysis_seconds=1000.0, jitter=0.0)), clock)
    transport = PageTransport(httpx.ASGITransport(simulator.app))
    budget = RateLimiter(Limit(1_000_000, 300.0), clock, MemorySlots(), Random(1))
    ica = Ica(
        remote=Remote("http://ica/ica/rest", budget, clock, transport=transport, classify=classify),
        api_key="simulator",
        account="ica",
        instance="benchmark",
        page_size=rows,
        strategy="items",
        memory={"embedded": "live"},
        clock=clock,
    )
    url = f"sqlite:///{folder / 'orchestrator.db'}"
    await upgrade.upgrade(url)
    database = Database.connect(parse(url), read_only=False)
    store = Store(database)
    await store.memory.instance("benchmark")
    await add_job(store, "run", rows, clock.now(), batch_size=rows)
    batch = await _submit(store, ica, clock)
    await clock.advance(500.0)
    (poll,) = [poll for poll in ica.polls([batch]) if poll.route == "creation_items"]
    place = Place(clock, transport, store, ica, poll, await _listed(simulator, batch, rows))
    _count_updates(database, place)
    return place


async def add_job(store: Store, name: str, items: int, now: int, *, batch_size: int) -> JobId:
    """A committed job of analyses."""
    spec = JobSpec(
        name=name,
        kind="ica.analysis_creation",
        account="ica",
        project=PROJECT,
        engine="nextflow",
        digest=name,
        batch_size=batch_size,
    )
    return await store_job(store, spec, new_items(name, range(1, items + 1)), now)


async def store_job(store: Store, spec: JobSpec, items: Sequence[NewItem], now: int) -> JobId:
    """Store a job with its items as intake does, and commit it."""
    job = await store.jobs.load(spec, now)
    for first in range(0, len(items), 1000):
        await store.jobs.add_items(job, items[first : first + 1000])
    await store.jobs.commit([job], now)
    return job


def new_items(name: str, seqs: Sequence[int]) -> list[NewItem]:
    """Analyses as intake stores them."""
    request = (
        b'{"userReference":"%b/s%d","pipelineId":"%b","analysisInput":{"inputs":'
        b'[{"parameterCode":"fastqs","dataIds":["fil.%032x","fil.%032x"]}]}}'
    )
    return [
        NewItem(seq, f"{name}/s{seq}", request % (name.encode(), seq, PIPELINE.encode(), seq, seq + 1)) for seq in seqs
    ]


async def _submit(store: Store, ica: Ica, clock: ManualClock) -> Batch:
    batch = await store.batches.next("ica", room=1_000_000, now=clock.now())
    assert batch is not None
    submission = ica.compose(batch, await store.items.of_batch(batch))
    assert submission is not None
    moved = await store.advance.begin(batch, submission, user=await ica.user(), now=clock.now())
    return (await store.advance.confirm(moved, await ica.submit(moved), now=clock.now())).batch


async def _listed(simulator: Simulator, batch: Batch, rows: int) -> list[dict[str, Any]]:
    path = f"/api/projects/{PROJECT}/analysisCreationBatch/{batch.remote_id}/items"
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(simulator.app), base_url="http://ica/ica/rest", headers={"X-API-Key": "simulator"}
    ) as client:
        answer = await client.get(
            path, params={"pageSize": str(rows)}, headers={"Accept": "application/vnd.illumina.v4+json"}
        )
    listed: list[dict[str, Any]] = answer.raise_for_status().json()["items"]
    return listed


def _count_updates(database: Database, place: Place) -> None:
    """Hear of each statement that updates items, and of how many rows."""

    def heard(*arguments: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own signature
        statement, parameters, many = arguments[2], arguments[3], arguments[5]
        if statement.startswith("UPDATE items"):
            place.written += len(parameters) if many else 1

    engine = database._writer  # noqa: SLF001 - it has no public door for eavesdroppers
    assert engine is not None
    event.listen(engine.sync_engine, "before_cursor_execute", heard)


def sqlite_url(folder: Path) -> sa.URL:
    """The database in a folder."""
    return parse(f"sqlite:///{folder / 'orchestrator.db'}")
