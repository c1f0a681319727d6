"""Workflow sessions on the simulated ICA under the whole engine: followed by id or by selectors, and never sent."""

import json
from dataclasses import replace

import pytest
from platform_setups import ICA

from orchestrator.domain.model import ItemState, JobSpec, JobState, NewItem
from orchestrator.platforms.ica.sessions.following import KIND
from orchestrator.platforms.registry import KINDS

HOUR = 3600.0
SESSIONS = replace(ICA, kinds={**ICA.kinds, "sessions": KIND})
NOBODY = "99999999-2222-3333-4444-555555555555"


@pytest.fixture
def lab(world):
    """Starts worlds on ICA."""

    async def build(**given):
        return await world(setup=SESSIONS, **{"jitter": 0.0, "session_seconds": 600.0, **given})

    return build


async def follow(it, *items, name="run", batch_size=100):
    """A job of these items, as intake hands it to the store."""
    kind = KINDS[KIND]
    given = {"kind": KIND, "account": it.setup.name, "project": it.project, "digest": f"of {name}"}
    stage = {"first_stage": kind.first_stage, "follow_only": kind.follow_only, "batch_size": batch_size}
    job = await it.store.jobs.load(JobSpec(name=name, **given, **stage), it.clock.now())
    rows = [NewItem(seq, kind.key_of(item), json.dumps(item).encode()) for seq, item in enumerate(items, 1)]
    await it.store.jobs.add_items(job, rows)
    await it.store.jobs.commit([job], it.clock.now())


def begin(it, reference, *analyses, **more):
    return it.simulator.begin_session(it.project, reference, analyses, **more)


async def shown(it, name="run"):
    """Each item by what people know it by: the reference of a session or analysis, the name of a selector."""
    items = (await it.items(name)).values()
    return {_reference(item): str(item.state) for item in items if not item.superseded}


def _reference(item):
    return json.loads(item.facts or "{}").get("userReference") or item.key


# ---------------------------------------------------------------- by id


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("order", ["stable", "shuffled"])
async def test_a_named_session_is_followed_to_its_end(lab, named, order):
    """Its analyses become items below it; its inputs and configurations stand in its facts; nothing is sent."""
    it = await lab(sessions_named=named, page_order=order)
    session = begin(it, "run-1", "s1", "s2-fail")
    await follow(it, {"id": session})
    await it.until_settled("run")
    items = await it.items()
    assert await shown(it) == {"run-1": "succeeded", "run-1/s1": "succeeded", "run-1/s2-fail": "failed"}
    top = items[session]
    assert (top.stage, top.status, top.remote_id, top.found) == ("session", "SUCCEEDED", session, 2)
    assert {item.parent for item in items.values()} == {None, top.seq}
    facts = json.loads(top.facts)
    assert [each["code"] for each in facts["inputs"]] == ["run_folder", "sample_sheet"]
    assert [each["name"] for each in facts["configurations"]] == ["workflow", "lanes"]
    assert (await it.job()).state is JobState.PARTIAL
    assert not it.simulator.ledger.effects("abort")
