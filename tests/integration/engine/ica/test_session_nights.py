"""What it takes to follow a night of workflow sessions; benchmarks/ has a large one."""

import json
import math

from platform_setups import ICA

from orchestrator.domain.model import JobSpec, NewItem
from orchestrator.platforms.ica.sessions.following import KIND, PREFIX
from orchestrator.platforms.registry import KINDS

SESSIONS, ANALYSES, PAGE = 60, 4, 25
FINAL = {"SUCCEEDED", "FAILED", "FAILED_FINAL", "ABORTED"}


async def test_a_night_takes_a_page_a_thousand_and_three_requests_a_session(world, monkeypatch):
    """Per sweep 1.1 pages of what is open, with room for one more; in all three requests a session, and two views."""
    it = await world(setup=ICA, page_size=PAGE, session_seconds=300.0, jitter=0.5)
    for number in range(SESSIONS):
        it.simulator.begin_session(it.project, f"s{number}", [f"a{n}" for n in range(ANALYSES)], after=number * 1.0)
    may_be, sweeps, polled = [0.0], [0], it.platform.poll

    async def counted(poll):
        if poll.route == "workflow_session/sessions" and poll.cursor is None:
            truth = it.simulator.truth
            rows = [*truth.workflow_sessions().values(), *truth.orchestrated().values()]
            may_be[0] += 1.1 * math.ceil(sum(status not in FINAL for status in rows) / PAGE)
            sweeps[0] += 1
        return await polled(poll)

    monkeypatch.setattr(it.platform, "poll", counted)
    await follow(it, until="+90s")
    await it.until_settled("run", within=3 * 3600.0)
    assert sum((await it.job()).counts.values()) == SESSIONS * ANALYSES
    calls = sum(it.calls(name) for name in ("searchWorkflowSessions", "searchAnalyses"))
    assert calls <= may_be[0] + sweeps[0] + 2 * math.ceil(SESSIONS / PAGE)
    ends = ("searchOrchestratedAnalyses", "getWorkflowSessionInputs", "getWorkflowSessionConfigurations")
    assert [it.calls(name) for name in ends] == [SESSIONS] * 3


async def test_sessions_that_end_together_are_read_behind_one_sweep(world, monkeypatch):
    """Forty sessions that end at one moment have their ends read before the sessions are swept again."""
    it = await world(setup=ICA, session_seconds=300.0, jitter=0.0)
    for number in range(40):
        it.simulator.begin_session(it.project, f"s{number}", ["a"])
    routes, polled = [], it.platform.poll

    async def recorded(poll):
        if poll.cursor is None:
            routes.append(poll.route.removeprefix(PREFIX))
        return await polled(poll)

    monkeypatch.setattr(it.platform, "poll", recorded)
    await follow(it, until="+90s")
    await it.until_settled("run", within=3600.0)
    first = routes.index("end")
    assert routes.count("end") == 40
    assert "sessions" not in routes[first : first + 40]


async def follow(it, *, until):
    """A job of one selector."""
    kind = KINDS[KIND]
    given = {"kind": KIND, "account": "ica", "project": it.project, "digest": "of run", "batch_size": 1000}
    spec = JobSpec(name="run", first_stage=kind.first_stage, follow_only=True, **given)
    job = await it.store.jobs.load(spec, it.clock.now())
    request = json.dumps({"name": "tonight", "until": until}).encode()
    await it.store.jobs.add_items(job, [NewItem(1, "tonight", request)])
    await it.store.jobs.commit([job], it.clock.now())
