"""The story that is told again and again, with the plug pulled at another moment each time, and its judge.

It is told in fast time: what the daemon waits an hour for takes seconds. See torture/fasttime.py.
"""

import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from forkserver import ForkServer

from orchestrator.simulator import OffsetClock

TORTURE = Path(__file__).with_name("torture")
SPEED = 200.0

LINKS = [*(f"fil.{n:04x}" for n in range(40)), "fil.partial0001", "fil.fail0001", "fil.odd0001"]
ANALYSES = [*(f"story/s{n}" for n in range(20)), "story/fail1", "story/nocreate1", "story/odd1", "story/bad1"]
RETOLD = "retold/link"
DOOMED = [f"doomed/stuck{n}" for n in range(5)]

EXPECTED = {
    "links": {
        **dict.fromkeys(LINKS, "succeeded"),
        "fil.partial0001": "partial",
        "fil.fail0001": "failed",
    },
    "analyses": {
        **dict.fromkeys(ANALYSES, "succeeded"),
        "story/fail1": "failed",
        "story/nocreate1": "failed",
        "story/bad1": "failed",
    },
    "doomed": dict.fromkeys(DOOMED, "aborted"),
    "retold": {RETOLD: "succeeded"},
}

TABLE = "sample\n" + "".join(f"{reference.removeprefix('story/')}\n" for reference in ANALYSES)


@dataclass
class Story:
    """Links, analyses of a table (one of which the platform refuses) and of a row, a job to cancel, a broken file."""

    lab: Any
    cancelled: bool = False
    twice: int = 0
    """Links that were asked for more than once; harmless, counted."""

    def drop(self) -> None:
        """Everything at once; the cancel comes later, when there is something to abort."""
        lab = self.lab
        lab.drop("samples.csv", TABLE)
        template = {
            "userReference": "story/${sample}",
            "pipelineId": lab.pipeline,
            "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": ["fil.0a"]}]},
        }
        analyses = lab.analyses("analyses", []) | {"table": "samples.csv", "template": template}
        del analyses["items"]
        lab.drop_jobs("analyses.json", analyses)
        lab.drop_jobs("links.json", lab.links("links", LINKS))
        of_rows = template | {"userReference": "retold/${stage}"}
        lab.drop_jobs(
            "retold.json",
            analyses | {"name": "retold", "template": of_rows, "table": {"job": "links", "states": ["partial"]}},
        )
        lab.drop_jobs("doomed.json", lab.analyses("doomed", DOOMED))
        lab.drop("broken.yaml", "version: 1\njobs: nonsense\n")

    @property
    def may_be_cancelled(self) -> bool:
        """Whether the platform has created all of the doomed job, and nobody has cancelled it yet."""
        created = sum(e.name.startswith("doomed/") for e in self.lab.simulator.ledger.effects("analysis"))
        return created == len(DOOMED) and not self.cancelled

    async def cancel(self) -> None:
        """Cancel the doomed job once it may be."""
        await self.lab.until(lambda: self.may_be_cancelled)
        self.drop_cancel()

    def drop_cancel(self) -> None:
        """Cancel the doomed job now."""
        self.cancelled = True
        self.lab.drop("cancel.yaml", "version: 1\ncontrols:\n  - cancel: doomed\n")

    def judge(self) -> None:
        """The platform's ledger and the files on disk are the judges."""
        lab, truth = self.lab, self.lab.simulator.truth
        assert truth.duplicates() == {}
        assert truth.duplicate_tags() == {}
        statuses, links = truth.by_reference(), truth.links()
        for job, expected in EXPECTED.items():
            items = {item["key"]: item for item in lab.result(job)["items"]}
            assert {key: item["state"] for key, item in items.items()} == expected
            for key, item in items.items():
                if item["stage"] == "analysis":
                    assert [item["status"]] == statuses[key]
                if item["stage"] == "link":
                    again = ["ALREADY_LINKED"] if links[lab.project, key].sent > 1 else []
                    assert item["status"] in [links[lab.project, key].status, *again]
        assert set(statuses) == {
            key for key in (*ANALYSES, *DOOMED, RETOLD) if key not in ("story/nocreate1", "story/bad1")
        }
        assert lab.result("doomed")["job"]["state"] == "cancelled"
        self.twice = sum(link.sent - 1 for link in links.values())
        left = sorted(path.name for path in (lab.queue / "incoming").iterdir())
        assert left == []
        taken = sorted(path.name for path in (lab.queue / "accepted").iterdir())
        assert taken == ["analyses.json", "cancel.yaml", "doomed.json", "links.json", "retold.json", "samples.csv"]
        refused = sorted(path.name for path in (lab.queue / "rejected").iterdir())
        assert refused == ["broken.yaml", "broken.yaml.error.json"]


@pytest.fixture
def new_story() -> type[Story]:
    """A story for a laboratory."""
    return Story


@pytest.fixture(scope="session")
def fasttime() -> Any:
    """The module of that name, which the daemon's launcher uses too."""
    spec = importlib.util.spec_from_file_location("fasttime", TORTURE / "fasttime.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def forks() -> Iterator[ForkServer]:
    """What starts daemons in fast time."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ForkServer.running(Path(folder) / "s", TORTURE / "daemon.py") as server,
    ):
        yield server


@pytest.fixture
def lab(tmp_path: Path, new_lab: Any, fasttime: Any, forks: ForkServer) -> Any:
    """A laboratory in which platform and daemons share a clock that runs 200 times as fast; an hour is 18 seconds."""
    clock = fasttime.FastClock(fasttime.Pace.from_now(SPEED))
    lab = new_lab(tmp_path, clock=OffsetClock(clock), forks=forks)
    lab.program = (str(TORTURE / "daemon.py"), "--pace", str(clock.pace), "--timeouts", "1")
    lab.knobs = replace(lab.knobs, link_seconds=60, creation_seconds=40, analysis_seconds=120, abort_seconds=20)
    lab.account = {"poll": {"min_interval": "15s", "max_interval": "60s"}}
    lab.extra = {"queue": {"directory": "queue", "scan_interval": "10s", "rest": "60s"}}
    return lab
