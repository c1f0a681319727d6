"""ODM, whole: dropped files to results on disk, by the daemon's own process and over real HTTP."""

import pytest
from platform_setups import ODM

from orchestrator.crash_points import CrashPoint
from orchestrator.simulator.odm import Knobs

QUICK = Knobs(publish_seconds=0.4, import_seconds=0.4, stop_seconds=0.1, requests=10_000)
LINK = "https://bucket.example.org/run-0172"


@pytest.fixture
def odm(lab):
    """A laboratory with an account on ODM."""
    lab.setup, lab.knobs, lab.account = ODM, QUICK, {"page_size": 1, "budget": {"requests": 10_000, "per": "300s"}}
    return lab


def job(name, kind, items, **more):
    return {"name": name, "kind": f"odm.{kind}", "account": "odm", "items": items} | more


async def test_every_kind_goes_from_a_file_to_a_result(odm):
    """Imports, then publications, and tasks of others; a daemon that is killed in between makes nothing twice."""
    lab = odm
    samples = [{"type": "samples", "metadataLink": f"{LINK}/s{n}.tsv"} for n in range(8)]
    counts = [{"type": "expression", "dataLink": f"{LINK}/{name}.gct"} for name in ("a", "b-fail", "c")]
    async with lab.open():
        lab.drop_jobs(
            "study.json",
            job("samples", "import", samples),
            job("counts", "import", counts, after=["samples"]),
            job("publish", "publish", [{"study": "GSF1"}, {"study": "GSF2-unchanged"}], after=["samples"]),
            job("tasks", "task", [{"id": "GSF9"}, {"id": "GSF8-kill"}]),
        )
        crashed = await lab.run(environ={"CRASH_POINT": CrashPoint.BATCH_SENT})  # of an import: publications come later
        assert crashed.killed
        ended = await lab.run()
        assert ended.code == 0, ended.log[-3000:]
        names = ("samples", "counts", "publish", "tasks")
        states = {name: lab.result(name)["job"]["state"] for name in names}
        assert states == {"samples": "succeeded", "counts": "partial", "publish": "succeeded", "tasks": "partial"}
        assert lab.simulator.truth.duplicates() == {}
        made = lab.simulator.truth.made()
        assert sum(count for (kind, _), count in made.items() if kind == "import") == 11
        assert made["version", "GSF1"] == 1

        failed = next(item for item in lab.result("counts")["items"] if item["state"] == "failed")
        assert (failed["key"], failed["status"]) == (f"{LINK}/b-fail.gct", "FAILED")
        assert failed["detail"].startswith("parse: ImportException")
        assert lab.result("samples")["items"][0]["facts"]["accession"].startswith("GSF")
        assert lab.result("publish")["job"]["project"] is None
