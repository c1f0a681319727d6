"""Faults, over real sockets: what a client of the platform meets on a bad day."""

from contextlib import asynccontextmanager

import anyio
import httpx
import msgspec
import pytest
from waiting import PATIENCE

from orchestrator.clock import ManualClock
from orchestrator.simulator import Fault, FaultKind, OffsetClock, serve
from orchestrator.simulator.delivery import NO_ANSWER
from orchestrator.simulator.ica import Config, Simulator

_V3 = "application/vnd.illumina.v3+json"
_PROJECT = "11111111-1111-1111-1111-111111111111"
_BODY = msgspec.json.encode(
    {
        "nextflowItems": [
            {
                "userReference": "s1",
                "pipelineId": "f606f580-d476-47a8-9679-9ddb39fcb0a8",
                "analysisInput": {"inputs": []},
            }
        ]
    }
)


@asynccontextmanager
async def _served(*faults, clock=None):
    simulator = Simulator(Config(faults=faults), clock or ManualClock())
    async with (
        serve(simulator) as base_url,
        httpx.AsyncClient(
            base_url=base_url, headers={"X-API-Key": "simulator", "Accept": _V3}, timeout=PATIENCE
        ) as client,
    ):
        yield simulator, client


async def _create(client, key="k"):
    headers = {"Content-Type": _V3, "Idempotency-Key": key}
    return await client.post(f"/api/projects/{_PROJECT}/analysisCreationBatch", content=_BODY, headers=headers)


def _created(simulator):
    return len(simulator.truth.analyses())


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_an_error_before_the_effect(status, html):
    """The status comes as a problem or as a gateway's page, and nothing was done."""
    async with _served(Fault(kind=FaultKind.ERROR, status=status, html=html, count=1)) as (simulator, client):
        answer = await _create(client)
        assert (answer.status_code, _created(simulator)) == (status, 0)
        assert answer.headers["content-type"].startswith("text/html" if html else "application/problem+json")
        assert (await _create(client)).status_code == 201


async def test_a_reset_before_the_effect():
    """The connection is reset; the next one is fine."""
    async with _served(Fault(kind=FaultKind.RESET, count=1)) as (simulator, client):
        with pytest.raises(httpx.ReadError):
            await _create(client)
        assert _created(simulator) == 0
        assert (await _create(client)).status_code == 201


async def test_a_reset_after_the_effect():
    """The connection is reset though the analysis exists; the same key finds the batch."""
    async with _served(Fault(kind=FaultKind.RESET_AFTER, nth=1)) as (simulator, client):
        with pytest.raises(httpx.ReadError):
            await _create(client)
        assert _created(simulator) == 1
        assert (await _create(client)).status_code == 201
        assert _created(simulator) == 1
        assert simulator.ledger.answers["createAnalysisCreationBatch", NO_ANSWER] == 1


@pytest.mark.parametrize(("kind", "created"), [(FaultKind.HANG, 0), (FaultKind.HANG_AFTER, 1)])
async def test_a_hang_ends_when_the_client_leaves(kind, created):
    """No answer, before or after the effect; a call that hangs after its effect counts as running until then."""
    async with _served(Fault(kind=kind, nth=1)) as (simulator, client):
        async with anyio.create_task_group() as calls:
            calls.start_soon(_create, client)
            while not simulator.ledger.calls["createAnalysisCreationBatch"]:
                await anyio.wait_all_tasks_blocked()
            during = (await _create(client)).status_code if created else None
            calls.cancel_scope.cancel()
        while not simulator.ledger.answers["createAnalysisCreationBatch", NO_ANSWER]:
            await anyio.wait_all_tasks_blocked()
        assert during == (409 if created else None)
        assert _created(simulator) == created
        assert (await _create(client)).status_code == 201
        assert _created(simulator) == 1


async def test_the_server_stops_while_calls_hang():
    """Leaving the block breaks hanging connections off instead of waiting for them."""
    raised = []
    simulator = Simulator(Config(faults=(Fault(kind=FaultKind.HANG),)), ManualClock())
    async with anyio.create_task_group() as calls, httpx.AsyncClient(timeout=PATIENCE) as client:

        async def ask(base_url):
            try:
                await client.get(f"{base_url}/api/jobs")
            except httpx.TransportError as error:
                raised.append(error)

        async with serve(simulator) as base_url:
            calls.start_soon(ask, base_url)
            while not simulator.ledger.calls["getJobs"]:
                await anyio.wait_all_tasks_blocked()
        while not raised:
            await anyio.wait_all_tasks_blocked()
    assert len(raised) == 1


async def test_a_slow_answer_comes_by_the_clock():
    """The answer is held back until the clock has moved by `seconds`."""
    clock = OffsetClock(ManualClock())
    async with _served(Fault(kind=FaultKind.SLOW, seconds=3600, nth=1), clock=clock) as (simulator, client):
        answers = []

        async def ask():
            answers.append(await _create(client))

        async with anyio.create_task_group() as calls:
            calls.start_soon(ask)
            while not _created(simulator):
                await anyio.wait_all_tasks_blocked()
            await clock.advance(3599)
            await anyio.wait_all_tasks_blocked()
            assert answers == []
            await clock.advance(1)
        assert answers[0].status_code == 201


async def test_a_truncated_answer_ends_the_connection():
    """Half of the announced body arrives: the client cannot take it for the whole; the effect stands."""
    async with _served(Fault(kind=FaultKind.TRUNCATED, nth=1)) as (simulator, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await _create(client)
        assert _created(simulator) == 1
        assert (await _create(client)).status_code == 201


async def test_malformed_and_mistyped_answers():
    """Whole HTTP answers whose JSON is broken, or that are HTML under a good status."""
    faults = (Fault(kind=FaultKind.MALFORMED, nth=1), Fault(kind=FaultKind.WRONG_MEDIA, nth=1))
    async with _served(*faults) as (simulator, client):
        broken, page = await _create(client), await _create(client)
        assert (broken.status_code, page.status_code) == (201, 201)
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(broken.content)
        assert page.headers["content-type"].startswith("text/html")
        assert _created(simulator) == 1


@pytest.mark.parametrize(
    ("fault", "title", "header"),
    [
        (Fault(kind=FaultKind.ERROR, status=401), "ICA_SEC_002", None),
        (Fault(kind=FaultKind.ERROR, status=429), "ICA_API_429", None),
        (Fault(kind=FaultKind.ERROR, status=429, retry_after=7), "ICA_API_429", "7"),
        (Fault(kind=FaultKind.ERROR, status=404, operation="createAnalysis*"), "ICA_API_404", None),
        (Fault(kind=FaultKind.ERROR, status=409, operation="createAnalysisCreationBatch"), "ICA_API_409", None),
    ],
)
async def test_any_refusal_can_be_had(fault, title, header):
    """A credential refused, a budget that another client has used up, a batch that is gone, an endless 409."""
    async with _served(fault) as (simulator, client):
        answers = [await _create(client) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [fault.status] * 2
        assert (answers[0].json()["title"], answers[0].headers.get("retry-after")) == (title, header)
        assert _created(simulator) == 0


async def test_a_maintenance_window_passes():
    """All routes answer a 503 page for as long as the rule lasts."""
    clock = ManualClock()
    window = Fault(kind=FaultKind.ERROR, status=503, html=True, lasts=60)
    async with _served(window, clock=clock) as (_, client):
        assert [(await client.get(path)).status_code for path in ("/api/jobs", "/api/system/info")] == [503, 503]
        await clock.advance(60)
        assert (await client.get("/api/jobs")).status_code == 200


async def test_random_faults_repeat_themselves():
    """The same seed strikes the same calls; another one strikes others."""

    async def struck(seed):
        faults = (Fault(kind=FaultKind.ERROR, probability=0.5, count=8),)
        simulator = Simulator(Config(seed=seed, faults=faults), ManualClock())
        transport = httpx.ASGITransport(simulator.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ica/ica/rest") as client:
            headers = {"X-API-Key": "simulator", "Accept": _V3}
            return [(await client.get("/api/jobs", headers=headers)).status_code for _ in range(40)]

    first, again, other = await struck(1), await struck(1), await struck(2)
    assert first == again != other
    assert first.count(500) == 8


async def test_the_first_rule_that_strikes_wins():
    """A rule counts only the calls that reach it and that its operation matches."""
    faults = (
        Fault(kind=FaultKind.ERROR, operation="getJobs", status=500, nth=2),
        Fault(kind=FaultKind.ERROR, operation="get*", status=502, nth=2),
    )
    async with _served(*faults) as (_, client):
        paths = ("/api/jobs", "/api/system/info", "/api/jobs")
        assert [(await client.get(path)).status_code for path in paths] == [200, 502, 500]
