"""Many small queue files at once: a real daemon process that must decide on them while it sends and polls."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
import anyio.abc

from benchmarks import report
from benchmarks.daemon import Site
from benchmarks.world import PIPELINE, PROJECT
from orchestrator.clock import SystemClock
from orchestrator.simulator.ica import Config, Knobs, Simulator

_OLDER: Final = 2_000
"""Analyses of a job that is tracked already when the files come."""


async def measure(paper: report.Report, folder: Path, files: int) -> None:
    """Drop the files, then a control behind all of them; time until each is decided."""
    for name in ("idle", "busy"):
        await anyio.Path(folder / name).mkdir()
    idle = await _drop(folder / "idle", files, older=0)
    busy = await _drop(folder / "busy", files, older=_OLDER)
    paper.table(f"{files:,} files of one analysis each, dropped at once", [idle, busy])
    rate = min(float(str(row["files/s"])) for row in (idle, busy))
    paper.verdict("150 files a second", f"{rate:.0f}", reached=rate >= 150)
    control = max(float(str(row["control after s"])) for row in (idle, busy))
    paper.verdict("a control behind all of them within 2 s", f"{control:.2f} s", reached=control < 2.0)


async def _drop(folder: Path, files: int, older: int) -> report.Row:
    site = Site(folder, Simulator(Config(knobs=Knobs(requests=10**6))))
    async with site.served(poll={"min_interval": "1s", "max_interval": "5s"}), site.daemon() as process:
        await site.until((folder / "state" / "orchestrator.db").exists, at_most=60)
        await SystemClock().sleep(2.0)
        if older:
            site.drop("older.json", _file("older", older))
            await site.until((site.queue / "accepted" / "older.json").exists, at_most=60)
            await SystemClock().sleep(3.0)
        memory, cpu, polls = report.resident_bytes(process.pid, peak=True), site.cpu_seconds(process), _polls(site)
        began = report.real_seconds()
        for number in range(files):
            site.drop(f"small-{number}.json", _file(f"small-{number}", 1))
        await SystemClock().sleep(0.5)
        control = "resume.json"
        site.drop(control, json.dumps({"version": 1, "controls": [{"resume": {"all": True}}]}) + "\n")
        control_after = await site.until((site.queue / "accepted" / control).exists, at_most=600)
        await site.until(lambda: not any((site.queue / "incoming").iterdir()), at_most=600)
        seconds = report.real_seconds() - began
        return {
            "older analyses": older,
            "seconds": round(seconds, 1),
            "files/s": round(files / seconds),
            "control after s": round(control_after, 2),
            "CPU seconds": round(site.cpu_seconds(process) - cpu, 1),
            "polls meanwhile": _polls(site) - polls,
            "MB of memory more": round((report.resident_bytes(process.pid, peak=True) - memory) / 1e6),
        }


def _polls(site: Site) -> int:
    sent = {"createAnalysisCreationBatch", "createProjectDataLinkingBatch"}
    return sum(count for name, count in site.simulator.ledger.calls.items() if name not in sent)


def _file(name: str, items: int) -> str:
    inputs = [{"parameterCode": "fastqs", "dataIds": ["fil.0a1b", "fil.1a1b"]}]
    one = {"pipelineId": PIPELINE, "analysisInput": {"inputs": inputs}}
    job = {"name": name, "account": "ica", "project": PROJECT, "kind": "ica.analysis_creation", "engine": "nextflow"}
    job["items"] = [{"userReference": f"{name}/s{n}", **one} for n in range(items)]
    return json.dumps({"version": 1, "jobs": [job]}) + "\n"


def main() -> None:
    chosen = report.options(__doc__, files=3_000)
    paper = report.Report("small_files", "Many small files")
    with TemporaryDirectory() as folder:
        anyio.run(measure, paper, Path(folder), chosen.files)
    paper.close()


if __name__ == "__main__":
    main()
