"""Steering over HTTP, and the evidence."""

import httpx
import pytest

from orchestrator.clock import SystemClock
from orchestrator.simulator import Fault, FaultKind, OffsetClock
from orchestrator.simulator.ica import Config, Simulator


async def _admin(ica, method, what, **options):
    return await ica.client.request(method, f"http://ica.example.org/_simulator/{what}", **options)


async def test_the_ledger_tells_what_was_created(ica):
    """Analyses with project, name, tags, key and true status; links with how often they were sent; aborts."""
    await ica.create(items=[ica.analysis("a", "t=1"), ica.analysis("b-fail", "t=2")], key="k")
    await ica.create(items=[ica.analysis("a", "t=1")], key="k2")
    await ica.link("fil.1")
    await ica.link("fil.1", "fil.fail")
    await ica.clock.advance(40)
    ledger = (await _admin(ica, "GET", "ledger")).json()
    assert ledger["summary"] == {
        "analyses": 3,
        "analysis_statuses": {"SUCCEEDED": 2, "FAILED": 1},
        "duplicates": [{"project": ica.project, "userReference": "a", "created": 2}],
        "duplicate_tags": [{"project": ica.project, "technicalTags": ["t=1"], "created": 2}],
        "links": 2,
        "link_statuses": {"LINKED": 1, "FAILED": 1},
        "links_sent": 3,
        "aborts": 0,
        "data": {},
        "batches": 4,
    }
    told = [(row["name"], row["tags"], row["key"], row["status"]) for row in ledger["analyses"]]
    assert told == [
        ("a", ["t=1"], "k", "SUCCEEDED"),
        ("b-fail", ["t=2"], "k", "FAILED"),
        ("a", ["t=1"], "k2", "SUCCEEDED"),
    ]
    assert {row["dataId"]: row["sent"] for row in ledger["links"]} == {"fil.1": 2, "fil.fail": 1}
    assert (await _admin(ica, "GET", "ledger?summary=true")).json() == {"summary": ledger["summary"]}


async def test_requests_are_counted_by_operation_version_and_answer(make_ica):
    """Enough to tell what a daemon spent its budget on."""
    ica = make_ica(requests=4)
    batch = f"{ica.creations}/{(await ica.create('a')).json()['id']}"
    await ica.items(batch)
    await ica.items(batch, ica.v3)
    await ica.get("/api/jobs", "wrong")
    await ica.get("/api/jobs")
    report = (await _admin(ica, "GET", "requests")).json()
    assert report["calls"] == {
        "createAnalysisCreationBatch": 1,
        "createAnalysisCreationBatch/v3": 1,
        "getAnalysisCreationBatchItems": 2,
        "getAnalysisCreationBatchItems/v3": 1,
        "getAnalysisCreationBatchItems/v4": 1,
        "getJobs": 2,
    }
    assert report["answers"]["getJobs"] == {"400": 1, "429": 1}
    assert list(report["budget"].values()) == [{"requests": 5, "refused": 1, "worst": 5}]


async def test_knobs_are_changed_while_it_runs(ica):
    """PUT changes those it names and answers all; what it does not know it refuses, changing nothing."""
    changed = await _admin(ica, "PUT", "knobs", json={"embedded": "snapshot", "requests": 5, "window": "fixed"})
    assert changed.json() == (await _admin(ica, "GET", "knobs")).json()
    assert (ica.simulator.knobs.embedded, ica.simulator.knobs.limit.window) == ("snapshot", "fixed")
    for wrong in ({"embeded": "live"}, {"embedded": "sometimes"}, {"requests": "many"}, []):
        assert (await _admin(ica, "PUT", "knobs", json=wrong)).status_code == 400
    assert (await _admin(ica, "GET", "knobs")).json() == changed.json()
    assert (await ica.get("/api/jobs")).status_code == 200


async def test_faults_are_set_while_it_runs(ica):
    """PUT replaces, POST adds, GET tells how often each has struck, DELETE ends them all."""
    await _admin(ica, "PUT", "faults", json=[{"kind": "error", "operation": "getJobs", "status": 502, "count": 1}])
    await _admin(ica, "POST", "faults", json={"kind": "error", "operation": "getSystemInfo"})
    statuses = [(await ica.get(path)).status_code for path in ("/api/jobs", "/api/jobs", "/api/system/info")]
    assert statuses == [502, 200, 500]
    assert [rule["struck"] for rule in (await _admin(ica, "GET", "faults")).json()] == [1, 1]
    assert (await _admin(ica, "PUT", "faults", json=[{"kind": "earthquake"}])).status_code == 400
    assert (await _admin(ica, "DELETE", "faults")).json() == []
    assert (await ica.get("/api/system/info")).status_code == 200
    assert ica.simulator.faults.rules == []


async def test_the_clock_can_be_moved(ica):
    """Lifecycles jump ahead, on a manual clock as on the offset clock of a process."""
    await ica.create("a")
    before = (await _admin(ica, "GET", "clock")).json()
    after = (await _admin(ica, "POST", "clock", json={"advance": 60})).json()
    assert (after["monotonic"] - before["monotonic"], after["now"] - before["now"]) == (60, 60_000_000)
    assert await ica.found({"status": ["SUCCEEDED"]}) == ["a"]


@pytest.mark.parametrize(
    ("clock", "body"), [(SystemClock(), {"advance": 1}), (OffsetClock(), {"advance": -1}), (OffsetClock(), {})]
)
async def test_a_clock_that_cannot_be_moved_says_so(clock, body):
    """400, with a reason: for the machine's own clock, and for a step back."""
    simulator = Simulator(Config(), clock)
    transport = httpx.ASGITransport(simulator.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ica") as client:
        answer = await client.post("/_simulator/clock", json=body)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)


@pytest.mark.parametrize(
    ("method", "what"), [("GET", "nothing"), ("DELETE", "ledger"), ("PATCH", "faults"), ("PUT", "clock")]
)
async def test_what_the_admin_does_not_know_is_not_found(ica, method, what):
    """404 for other names and methods."""
    assert (await _admin(ica, method, what)).status_code == 404


async def test_the_admin_answers_below_the_api_too_and_meets_no_fault(make_ica):
    """Whoever knows the base URL finds it; neither credentials, nor budget, nor faults are in its way."""
    ica = make_ica(Fault(kind=FaultKind.ERROR), requests=0)
    answer = await ica.client.get("/_simulator/clock", headers={"X-API-Key": "wrong"})
    assert (answer.status_code, ica.simulator.budget.usage) == (200, {})


async def test_a_workflow_session_begins_by_an_event(ica):
    """What no request asks for; what cannot happen is refused with its reason."""
    event = {"begin_session": {"project": ica.project, "user_reference": "run-1", "analyses": ["s1"]}}
    begun = await _admin(ica, "POST", "events", json=event)
    assert ica.simulator.truth.workflow_sessions() == {begun.json()["id"]: "REQUESTED"}
    refused = await _admin(ica, "POST", "events", json={"begin_session": {"project": ica.project}})
    assert (refused.status_code, "user_reference" in refused.json()["error"]) == (400, True)
