"""The verdict of the demonstration, on what the real engine makes of its script while the platform is in chaos."""

import json
from random import Random

import pytest

from orchestrator.cli.showcase import samples, scene, verdict
from orchestrator.engine.document import as_json

SEEDS = range(24)
HOUR = 3600.0


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A folder as the demonstration leaves it, but for the results."""
    (tmp_path / "queue/results").mkdir(parents=True)
    (tmp_path / "queue/rejected").mkdir()
    (tmp_path / "queue/rejected/broken.yaml.error.json").write_text("{}")
    return tmp_path


async def play(it, monkeypatch, sample, kind, seed):
    """The sample's items, submitted in chaos, with the daemon killed five times."""
    monkeypatch.setattr(verdict, "PROJECT", it.project)
    chance = Random(seed)
    it.simulator.faults.set(scene.FAULTS, it.time.monotonic())
    await it.submit(sample.name, list(sample.expected), kind=kind, batch_size=10)
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
    (sample,) = samples.samples(1, 30)
    await play(it, monkeypatch, sample, "links", seed)
    await write_result(it, stage, sample)
    found = verdict.judge(stage, [sample], it.simulator)
    assert (found.wrong, found.agreeing, found.items) == ([], 30, 30)


@pytest.mark.parametrize("seed", range(4))
async def test_chaos_ends_as_scripted_for_analyses(world, stage, monkeypatch, seed):
    """Each analysis is created once and reported as the platform says, with the reasons of those that failed."""
    it = await world(seed=seed)
    sample = samples.samples(2, 24)[1]
    await play(it, monkeypatch, sample, "analyses", seed)
    await write_result(it, stage, sample)
    found = verdict.judge(stage, [sample], it.simulator)
    assert (found.wrong, found.agreeing) == ([], 24)
    assert sum(found.reasons.values()) > 0


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
    monkeypatch.setattr(verdict, "PROJECT", it.project)
    (sample,) = samples.samples(1, 12)
    await it.submit(sample.name, list(sample.expected), kind="links")
    await it.until_settled(sample.name)
    document = await write_result(it, stage, sample)
    changes, said = LIES[lie]
    document["items"][0] |= changes
    (stage / f"queue/results/{sample.name}.json").write_text(json.dumps(document))
    found = verdict.judge(stage, [sample], it.simulator)
    assert (len(found.wrong), found.agreeing, found.items) == (1, 11, 12)
    assert said in found.wrong[0]


async def test_more_requests_than_the_budget_are_found(world, stage, monkeypatch):
    """The platform counts them, whether it refused any or not."""
    it = await world()
    monkeypatch.setattr(verdict, "PROJECT", it.project)
    (sample,) = samples.samples(1, 12)
    await it.submit(sample.name, list(sample.expected), kind="links")
    await it.until_settled(sample.name)
    await write_result(it, stage, sample)
    assert verdict.judge(stage, [sample], it.simulator).wrong == []
    worst = verdict.judge(stage, [sample], it.simulator).worst
    monkeypatch.setattr(type(it.simulator), "knobs", property(lambda _: scene.Knobs(requests=worst - 1)))
    assert verdict.judge(stage, [sample], it.simulator).wrong == [
        f"{worst} requests in 300 s, the budget is {worst - 1}"
    ]
