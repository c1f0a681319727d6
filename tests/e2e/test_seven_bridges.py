"""Seven Bridges, whole: dropped files to results on disk, by the daemon's own process and over real HTTP."""

import pytest
from platform_setups import SEVEN_BRIDGES

from orchestrator.simulator.sevenbridges import Knobs

QUICK = Knobs(
    task_seconds=0.6,
    creating_seconds=0.1,
    transfer_seconds=0.3,
    file_job_seconds=0.3,
    drs_seconds=0.3,
    automation_seconds=0.6,
    abort_seconds=0.1,
    requests=10_000,
)


@pytest.fixture
def seven_bridges(lab):
    """A laboratory with an account on Seven Bridges."""
    lab.setup, lab.knobs, lab.account = SEVEN_BRIDGES, QUICK, {"page_size": 100}
    return lab


def job(name, kind, items, **more):
    asked = {"name": name, "kind": f"sevenbridges.{kind}", "account": "sevenbridges"}
    if kind != "automation_run":
        asked["project"] = "lab/cohort"
    return asked | {"items": items} | more


async def test_every_kind_goes_from_a_file_to_a_result(seven_bridges):
    """Imports, tasks on them, a batch task, exports, file jobs, changes, DRS imports, a run: each item once."""
    lab, volume = seven_bridges, "lab/bucket"
    imports = [{"source": {"volume": volume, "location": f"run/s{n}.bam"}} for n in range(150)]
    reads = [{"class": "File", "path": name} for name in ["a", "b-fail", "c"]]
    by = {"inputs": {"reads": reads}, "batch_input": "reads", "batch_by": {"type": "item"}}
    exports = [{"source": {"file": f"f{n}"}, "destination": {"volume": volume, "location": f"x{n}"}} for n in range(5)]
    async with lab.open():
        lab.drop_jobs(
            "cohort.json",
            job("imports", "import", imports),
            job("tasks", "task", [{"name": f"s{n}", "app": "lab/cohort/a"} for n in range(30)], after=["imports"]),
            job("batch", "task", [{"name": "cohort", "app": "lab/cohort/a"} | by]),
            job("exports", "export", exports, options={"copy_only": True}),
            job("copies", "file_copy", [{"file": f"c{n}"} for n in range(5)]),
            job("moves", "file_move", [{"file": f"m{n}", "name": f"n{n}"} for n in range(5)]),
            job("deletions", "file_delete", [{"file": f"d{n}"} for n in range(5)]),
            job("changes", "file_update", [{"file": f"u{n}", "tags": ["x"]} for n in range(5)]),
            job("drs", "drs_import", [{"drs_uri": f"drs://dg.org/{n}"} for n in range(5)]),
            job("runs", "automation_run", [{"name": "nightly", "package": "lab/rheo/1"}]),
        )
        ended = await lab.run()
        assert ended.code == 0, ended.log[-3000:]
        states = {name: lab.result(name)["job"]["state"] for name in ("imports", "tasks", "batch", "exports", "copies")}
        states |= {name: lab.result(name)["job"]["state"] for name in ("moves", "deletions", "changes", "drs", "runs")}
        assert {name for name, state in states.items() if state != "succeeded"} == {"batch"}
        assert states["batch"] == "partial"
        assert lab.simulator.truth.duplicates() == {}
        made = lab.simulator.truth.made()
        assert sum(count for (kind, _), count in made.items() if kind == "run") == 31
        assert sum(count for (kind, _), count in made.items() if kind == "import") == 150

        children = [item for item in lab.result("batch")["items"] if item["parent"]]
        assert sorted(item["state"] for item in children) == ["failed", "succeeded", "succeeded"]
        task = lab.result("tasks")["items"][0]
        assert (task["key"], task["status"], task["facts"]["price"]["currency"]) == ("s0", "COMPLETED", "USD")
        assert not any(file.exported for file in lab.simulator._world.files.values())


async def test_a_daemon_that_is_killed_runs_no_task_twice(seven_bridges):
    """Again and again, at any time: the next one finds what was sent."""
    lab = seven_bridges
    async with lab.open():
        lab.drop_jobs("tasks.json", job("tasks", "task", [{"name": f"s{n}", "app": "lab/cohort/a"} for n in range(40)]))
        for kill_after in (1.2, 1.5, 1.8):
            await lab.run(kill_after=kill_after)
        ended = await lab.run()
        assert ended.code == 0, ended.log[-3000:]
        assert lab.result("tasks")["job"]["counts"] == {"succeeded": 40}
        assert lab.simulator.truth.duplicates() == {}
