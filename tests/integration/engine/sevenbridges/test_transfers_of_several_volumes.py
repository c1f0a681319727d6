"""Imports and exports of one job that name several volumes: a location may stand on each of them."""

import json
from collections import Counter

import pytest
from platform_setups import SEVEN_BRIDGES
from seven_bridges_work import WORK

from orchestrator.crash_points import CrashPoint
from orchestrator.domain.model import JobSpec, NewItem
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.admission import Admission, Admitted
from orchestrator.intake.validation.check import check
from orchestrator.simulator import FaultKind

HOUR = 3600.0
KINDS = ("imports", "exports")
PLACES = [("lab/a", "run/s1"), ("lab/b", "run/s1"), ("lab/a", "run/s2-fail"), ("lab/b", "run/s2-bad")]
ENDS = {
    "lab/a:run/s1": "succeeded",
    "lab/b:run/s1": "succeeded",
    "lab/a:run/s2-fail": "failed",
    "lab/b:run/s2-bad": "failed",
}


def transfer(kind, volume, location):
    """What is asked for; no two imports get one name."""
    place = {"volume": volume, "location": location}
    if kind == "exports":
        return {"source": {"file": f"file-{volume[-1]}"}, "destination": place}
    return {"source": place, "destination": {"name": f"{volume[-1]}-{location.rpartition('/')[2]}"}}


async def drop(it, folder, kind, places):
    """Take in a file with one job, as the daemon does."""
    of = {"kind": SEVEN_BRIDGES.kinds[kind], "account": SEVEN_BRIDGES.name, "project": it.project}
    items = [transfer(kind, *place) for place in places]
    (folder / "a.json").write_text(json.dumps({"version": 1, "jobs": [{"name": "run", **of, "items": items}]}))
    accounts = {SEVEN_BRIDGES.name: AccountLimits("sevenbridges", 5000)}
    with await check(folder / "a.json", accounts) as report:
        assert not report.mistakes
        admission = Admission(it.store.jobs, it.store.advance, accounts, it.clock)
        assert isinstance(await admission.admit(report, "drop"), Admitted)


def begun(it):
    """How often the platform began a transfer of each volume and location."""
    side = {"import": "source", "export": "destination"}
    transfers = it.simulator._world.transfers.values()
    return Counter((each.volume, each.asked[side[each.kind]]["location"]) for each in transfers)


async def own_transfers(it):
    """Whether each item follows the transfer of its own volume."""
    begun_by_id = it.simulator._world.transfers
    items = {key: item.remote_id for key, item in (await it.items()).items() if item.remote_id is not None}
    return all(key.startswith(f"{begun_by_id[remote_id].volume}:") for key, remote_id in items.items())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", [None, FaultKind.RESET_AFTER, FaultKind.MALFORMED, FaultKind.RESET])
async def test_one_location_on_two_volumes_is_two_items(world, tmp_path, kind, fault):
    """Each with the end of its own transfer, also where the rows are shuffled or the answer is lost."""
    it = await world(setup=SEVEN_BRIDGES, result_order="shuffled")
    if fault is not None:
        it.fault(fault, WORK[kind].operations[0], count=1)
    await drop(it, tmp_path, kind, PLACES)
    await it.until_settled("run", within=12 * HOUR)
    assert await it.states() == ENDS
    assert set(begun(it).values()) == {1}
    assert await own_transfers(it)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_kill_before_the_answer_was_stored_doubles_no_volume(world, die_at, tmp_path, kind):
    """Both transfers of the location are found again, each for its own item."""
    it = await world(setup=SEVEN_BRIDGES)
    await drop(it, tmp_path, kind, PLACES[:2])
    die_at(CrashPoint.BATCH_SENT)
    assert await it.killed_or(it.until_settled("run", within=12 * HOUR))
    await it.until_settled("run", within=12 * HOUR)
    assert await it.states() == dict.fromkeys(list(ENDS)[:2], "succeeded")
    assert begun(it) == dict.fromkeys(PLACES[:2], 1)
    assert await own_transfers(it)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_job_of_an_earlier_version_keeps_its_keys(world, kind):
    """Its items are known by their locations alone, on whatever volumes; their transfers are matched all the same."""
    it = await world(setup=SEVEN_BRIDGES, result_order="shuffled")
    places = [("lab/a", "run/s1"), ("lab/b", "run/s2")]
    of = {"kind": SEVEN_BRIDGES.kinds[kind], "account": SEVEN_BRIDGES.name, "project": it.project, "digest": "of run"}
    spec = JobSpec(name="run", batch_size=100, first_stage=WORK[kind].kind.first_stage, **of)
    job = await it.store.jobs.load(spec, it.clock.now())
    requests = [json.dumps(transfer(kind, *place)).encode() for place in places]
    items = [NewItem(seq, place[1], requests[seq - 1]) for seq, place in enumerate(places, 1)]
    await it.store.jobs.add_items(job, items)
    await it.store.jobs.commit([job], it.clock.now())
    await it.until_settled("run", within=12 * HOUR)
    assert await it.states() == {"run/s1": "succeeded", "run/s2": "succeeded"}
    assert begun(it) == dict.fromkeys(places, 1)
