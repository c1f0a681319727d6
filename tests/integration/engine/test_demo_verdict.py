"""The verdict of the demonstration, on what the real engine makes of its script while the platform is in chaos."""

import json
from random import Random

import pytest
from platform_setups import ODM as ON_ODM
from platform_setups import SEVEN_BRIDGES as ON_SEVEN_BRIDGES

from orchestrator.cli.showcase import ica_demo, scene
from orchestrator.cli.showcase.ica_demo import ICA
from orchestrator.cli.showcase.odm_demo import ODM
from orchestrator.cli.showcase.seven_bridges_demo import SEVEN_BRIDGES
from orchestrator.cli.showcase.verdict import judge
from orchestrator.engine.result_document import as_json

SEEDS = range(24)
HOUR = 3600.0


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A folder as the demonstration leaves it, but for the results."""
    (tmp_path / "queue/results").mkdir(parents=True)
    (tmp_path / "queue/rejected").mkdir()
    (tmp_path / "queue/rejected/broken.yaml.error.json").write_text("{}")
    return tmp_path


async def play(it, sample, kind, seed, *, demonstration=ICA, batch_size=10):
    """The sample's items, submitted in chaos, with the daemon killed five times."""
    chance = Random(seed)
    it.simulator.faults.set(demonstration.faults, it.time.monotonic())
    await it.submit(sample.name, list(sample.expected), kind=kind, batch_size=batch_size)
    for _ in range(scene.KILLS):
        it.kill_after(chance.randint(1, 12))
        await it.killed_or(it.until_settled(sample.name, within=48 * HOUR))
    await it.until_settled(sample.name, within=48 * HOUR)


async def write_result(it, stage, sample):
    text = b"".join([portion async for portion in as_json(it.store, await it.job(sample.name))])
    (stage / f"queue/results/{sample.name}.json").write_bytes(text)
    return json.loads(text)


@pytest.mark.parametrize("seed", SEEDS)
async def test_chaos_ends_as_scripted(world, stage, monkeypatch, seed):
    """Links that are requested again, before or after they were made, are no mistake of the daemon."""
    it = await world(seed=seed, link_seconds=20.0)
    (sample,) = ICA.samples(1, 30)
    monkeypatch.setattr(ica_demo, "PROJECT", it.project)
    await play(it, sample, "links", seed)
    await write_result(it, stage, sample)
    found = judge(stage, [sample], ICA, it.simulator)
    assert (found.wrong, found.agreeing, found.items) == ([], 30, 30)


@pytest.mark.parametrize("seed", range(4))
async def test_chaos_ends_as_scripted_for_analyses(world, stage, monkeypatch, seed):
    """Each analysis is created once and reported as the platform says, with the reasons of those that failed."""
    it = await world(seed=seed)
    sample = ICA.samples(2, 24)[1]
    monkeypatch.setattr(ica_demo, "PROJECT", it.project)
    await play(it, sample, "analyses", seed)
    await write_result(it, stage, sample)
    found = judge(stage, [sample], ICA, it.simulator)
    assert (found.wrong, found.agreeing) == ([], 24)
    assert sum(found.reasons.values()) > 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("kind", "batch_size"), [("drs", 10), ("tasks", 1)])
async def test_chaos_ends_as_scripted_on_seven_bridges(world, stage, kind, batch_size, seed):
    """Each task is run once, each import ends by its own row, and what was never run says why."""
    it = await world(setup=ON_SEVEN_BRIDGES, seed=seed)
    sample = SEVEN_BRIDGES.samples(1 if kind == "drs" else 2, 24)[-1]
    await play(it, sample, kind, seed, demonstration=SEVEN_BRIDGES, batch_size=batch_size)
    await write_result(it, stage, sample)
    found = judge(stage, [sample], SEVEN_BRIDGES, it.simulator)
    assert (found.wrong, found.agreeing, found.items) == ([], 24, 24)
    assert sum(found.reasons.values()) > 0


@pytest.mark.parametrize("seed", range(2))
async def test_chaos_ends_as_scripted_on_odm(world, stage, seed):
    """Each import is started once and ends as its own job does, however often its answer was lost."""
    it = await world(setup=ON_ODM, seed=seed)
    sample = ODM.samples(1, 24)[0]
    await play(it, sample, "imports", seed, demonstration=ODM, batch_size=1)
    await write_result(it, stage, sample)
    found = judge(stage, [sample], ODM, it.simulator)
    assert (found.wrong, found.agreeing, found.items) == ([], 24, 24)
    assert dict(found.created)["import jobs it started"] == "24"


SEVEN_BRIDGES_LIES = {
    "another status": ("tasks", {"status": "FAILED"}, "FAILED, the platform says COMPLETED"),
    "another state": ("tasks", {"state": "failed"}, "failed, not succeeded"),
    "an import that did not end": ("drs", {"status": "RUNNING"}, "RUNNING, the platform says COMPLETED"),
}


@pytest.mark.parametrize("lie", SEVEN_BRIDGES_LIES)
async def test_a_result_that_is_not_what_seven_bridges_did_is_found(world, stage, lie):
    """One wrong field is one line of the verdict; a task that was run twice is one too."""
    it = await world(setup=ON_SEVEN_BRIDGES)
    kind, changes, said = SEVEN_BRIDGES_LIES[lie]
    sample = SEVEN_BRIDGES.samples(1 if kind == "drs" else 2, 12)[-1]
    await it.submit(sample.name, list(sample.expected), kind=kind, batch_size=1 if kind == "tasks" else 100)
    await it.until_settled(sample.name)
    document = await write_result(it, stage, sample)
    assert judge(stage, [sample], SEVEN_BRIDGES, it.simulator).wrong == []
    document["items"][0] |= changes
    (stage / f"queue/results/{sample.name}.json").write_text(json.dumps(document))
    found = judge(stage, [sample], SEVEN_BRIDGES, it.simulator)
    assert (len(found.wrong), found.agreeing, found.items) == (1, 11, 12)
    assert said in found.wrong[0]


LIES = {
    "another status": ({"status": "PARTIALLY_LINKED"}, "PARTIALLY_LINKED, the platform says LINKED"),
    "another state": ({"state": "failed"}, "failed, not succeeded"),
    "no status": ({"status": None}, "None, the platform says LINKED"),
    "linked earlier, requested once": ({"status": "ALREADY_LINKED"}, "ALREADY_LINKED, the platform says LINKED"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_result_that_is_not_what_the_platform_did_is_found(world, stage, monkeypatch, lie):
    """Without faults every link is requested once, and one wrong field is one line of the verdict."""
    it = await world()
    monkeypatch.setattr(ica_demo, "PROJECT", it.project)
    (sample,) = ICA.samples(1, 12)
    await it.submit(sample.name, list(sample.expected), kind="links")
    await it.until_settled(sample.name)
    document = await write_result(it, stage, sample)
    changes, said = LIES[lie]
    document["items"][0] |= changes
    (stage / f"queue/results/{sample.name}.json").write_text(json.dumps(document))
    found = judge(stage, [sample], ICA, it.simulator)
    assert (len(found.wrong), found.agreeing, found.items) == (1, 11, 12)
    assert said in found.wrong[0]


async def test_more_requests_than_the_budget_are_found(world, stage, monkeypatch):
    """The platform counts them, whether it refused any or not."""
    it = await world()
    monkeypatch.setattr(ica_demo, "PROJECT", it.project)
    (sample,) = ICA.samples(1, 12)
    await it.submit(sample.name, list(sample.expected), kind="links")
    await it.until_settled(sample.name)
    await write_result(it, stage, sample)
    assert judge(stage, [sample], ICA, it.simulator).wrong == []
    worst = judge(stage, [sample], ICA, it.simulator).worst
    monkeypatch.setattr(type(it.simulator), "knobs", property(lambda _: ica_demo.Knobs(requests=worst - 1)))
    assert judge(stage, [sample], ICA, it.simulator).wrong == [f"{worst} requests in 300 s, the budget is {worst - 1}"]
