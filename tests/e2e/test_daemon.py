"""The daemon as an operator meets it: start, stop, a second one, what it says."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import anyio
import pytest
from waiting import patience

from orchestrator.simulator import Fault, FaultKind


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_it_cleanly_while_the_platform_hangs(number, lab):
    """SIGTERM and SIGINT end it with code 0 though requests hang; what is on the platform is left alone."""
    async with lab.open():
        lab.simulator.faults.set([Fault(kind=FaultKind.HANG, operation="get*")], 0.0)
        lab.drop_jobs("work.json", lab.links("links", ["fil.0a", "fil.0b"]))
        async with lab.daemon() as process:
            await lab.until(lambda: lab.simulator.ledger.effects("link"))
            process.send_signal(number)
            with patience():
                assert await process.wait() == 0
        assert not lab.simulator.ledger.effects("abort")
        lab.simulator.faults.clear()
        ended = await lab.run()
        assert ended.code == 0
        assert lab.result("links")["job"]["state"] == "succeeded"


async def test_a_second_daemon_is_refused(lab):
    """One daemon a state: the second leaves with code 3 and says who holds it."""
    async with lab.open(), lab.daemon():
        await lab.until(lambda: "daemon_started" in (lab.folder / "daemon.log").read_text())
        command = [sys.executable, "-m", "orchestrator", "run", "--config", str(lab.config)]
        second = await anyio.run_process(command, check=False)
        assert second.returncode == 3
        assert b"another daemon" in second.stderr


async def test_the_credential_never_shows(lab):
    """The API key is in no log line, no row and no result."""
    lab.extra = {"log": {"level": "debug", "format": "json"}}
    async with lab.open():
        lab.drop_jobs("work.json", lab.links("links", ["fil.0a"]), lab.analyses("analyses", ["a/1"]))
        ended = await lab.run()
        assert ended.code == 0
        for path in lab.folder.rglob("*"):
            if path.is_file() and path.parent.name != "secrets":
                assert b"7c1fe02b94" not in path.read_bytes(), path


async def test_an_account_that_is_refused_waits_and_comes_back(lab):
    """While the credential is refused nothing is lost; when it is accepted again the work goes on."""
    async with lab.open():
        lab.simulator.faults.set([Fault(kind=FaultKind.ERROR, status=401, count=2)], 0.0)  # soon over: it is given up
        lab.drop_jobs("work.json", lab.links("links", ["fil.0a"]))
        ended = await lab.run()
        assert ended.code == 0
        assert "credential_rejected" in ended.log
        assert "credential_accepted" in ended.log
        assert lab.result("links")["job"]["state"] == "succeeded"


async def test_cancel_stops_what_was_created_and_what_is_created_after(lab):
    """A cancelled job submits no more, and every analysis of it that exists, or comes to exist, is aborted."""
    lab.knobs = replace(lab.knobs, creation_seconds=1.0, analysis_seconds=600.0)
    async with lab.open():
        lab.drop_jobs("work.json", lab.analyses("doomed", [f"a/s{n}" for n in range(40)], max_open=20))
        async with lab.daemon("--until-idle") as process:
            await lab.until(lambda: lab.simulator.truth.summary()["batches"] == 4)
            cancel = [sys.executable, "-m", "orchestrator", "cancel", "doomed", "--config", str(lab.config)]
            await anyio.run_process(cancel, stdout=subprocess.DEVNULL)
            with patience():
                assert await process.wait() == 0
        result = lab.result("doomed")
        assert result["job"]["state"] == "cancelled"
        assert result["job"]["counts"] == {"aborted": 20, "cancelled": 20}
        assert set(lab.simulator.truth.analyses().values()) == {"ABORTED"}
        assert len(lab.simulator.ledger.effects("abort")) == 20


async def test_a_job_waits_for_another(lab):
    """`after` holds a job back until the named one succeeded; if it did not, the job is skipped, with a result."""
    async with lab.open():
        lab.drop_jobs(
            "work.json",
            lab.links("first", ["fil.0a"]),
            lab.links("second", ["fil.0b"], after=["first"]),
            lab.links("bad", ["fil.fail1"]),
            lab.links("never", ["fil.0c"], after=["bad"]),
        )
        ended = await lab.run()
        assert ended.code == 0
        made = [effect.name for effect in lab.simulator.ledger.effects("link")]
        assert made.index("fil.0a") < made.index("fil.0b")
        assert "fil.0c" not in made
        assert lab.result("never")["job"]["state"] == "skipped"


async def test_open_items_are_never_more_than_allowed(lab):
    """`limits.open_items` and `max_open` bound what is on the platform at a time."""
    lab.account = {"limits": {"open_items": 30}, "batch_size": {"analysis_creation": 10}}
    async with lab.open():
        lab.drop_jobs("work.json", *(lab.analyses(f"job{n}", [f"j{n}/s{k}" for k in range(30)]) for n in range(3)))
        most = 0
        async with lab.daemon("--until-idle") as process:
            while process.returncode is None:
                statuses = lab.simulator.truth.analyses().values()
                most = max(most, sum(status not in ("SUCCEEDED", "FAILED") for status in statuses))
                with anyio.move_on_after(0.05):
                    await process.wait()
            assert process.returncode == 0
        assert 0 < most <= 30


async def test_jobs_and_show_answer_beside_the_daemon(lab):
    """`jobs` and `show` read the database while the daemon writes it; `--json` is one document."""
    lab.knobs = replace(lab.knobs, analysis_seconds=600.0)
    async with lab.open():
        lab.drop_jobs("work.json", lab.analyses("work", ["a/1", "a/2"]))
        async with lab.daemon():
            await lab.until(lambda: lab.simulator.ledger.effects("analysis"))

            async def ask(*words):
                command = [sys.executable, "-m", "orchestrator", *words, "--config", str(lab.config)]
                return (await anyio.run_process(command, env=dict(os.environ))).stdout

            jobs = json.loads(await ask("jobs", "--json"))["jobs"]
            assert [job["name"] for job in jobs] == ["work"]
            shown = json.loads(await ask("show", "WORK", "--json"))
            assert [item["key"] for item in shown["items"]] == ["a/1", "a/2"]
            assert b"a/1" in await ask("show", "work", "--items")
