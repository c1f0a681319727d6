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
_SUBMISSION: Final = "createAnalysisCreationBatch"


async def measure(paper: report.Report, folder: Path, files: int) -> None:
    """Drop the files, then a control behind all of them; time until each is decided."""
    rows = []
    for name, older, held in (("paused", 0, True), ("idle", 0, False), ("busy", _OLDER, False)):
        await anyio.Path(folder / name).mkdir()
        rows.append({"account": name} | await _drop(folder / name, files, older=older, held=held))
    paper.table(f"{files:,} files of one analysis each, dropped at once", rows)
    rate = min(float(str(row["files/s"])) for row in rows)
    paper.verdict("150 files a second", f"{rate:.0f}", reached=rate >= 150)
    control = max(float(str(row["control after s"])) for row in rows)
    paper.verdict("a control behind all of them within 2 s", f"{control:.2f} s", reached=control < 2.0)


async def _drop(folder: Path, files: int, older: int, *, held: bool = False) -> dict[str, object]:
    site = Site(folder, Simulator(Config(knobs=Knobs(requests=10**6))))
    async with site.served(poll={"min_interval": "1s", "max_interval": "5s"}), site.daemon() as process:
        control = _control({"pause" if held else "resume": {"all": True}})
        await _decided(site, "ready.json", control)
        if older:
            await _decided(site, "older.json", _file("older", older))
            await SystemClock().sleep(3.0)
        memory, cpu, polls = report.resident_bytes(process.pid, peak=True), site.cpu_seconds(process), _polls(site)
        sent = site.called(_SUBMISSION)
        began = report.real_seconds()
        for number in range(files):
            site.drop(f"small-{number}.json", _file(f"small-{number}", 1))
        await SystemClock().sleep(0.5)
        control_after = await _decided(site, "control.json", control)
        await site.until(lambda: not any((site.queue / "incoming").iterdir()), at_most=600)
        seconds = report.real_seconds() - began
        return {
            "older analyses": older,
            "seconds": round(seconds, 1),
            "files/s": round(files / seconds),
            "control after s": round(control_after, 2),
            "CPU ms a file": round(1000 * (site.cpu_seconds(process) - cpu) / files, 1),
            "sent meanwhile": site.called(_SUBMISSION) - sent,
            "polls meanwhile": _polls(site) - polls,
            "MB of memory more": round((report.resident_bytes(process.pid, peak=True) - memory) / 1e6),
        }


async def _decided(site: Site, name: str, text: str) -> float:
    """Drop a file; returns the seconds until it was accepted."""
    site.drop(name, text)
    return await site.until((site.queue / "accepted" / name).exists, at_most=600)


def _polls(site: Site) -> int:
    return sum(count for name, count in site.simulator.ledger.calls.items() if name != _SUBMISSION)


def _control(*controls: object) -> str:
    return json.dumps({"version": 1, "controls": controls}) + "\n"


def _file(name: str, items: int) -> str:
    inputs = [{"parameterCode": "fastqs", "dataIds": ["fil.0a1b", "fil.1a1b"]}]
    one = {"pipelineId": PIPELINE, "analysisInput": {"inputs": inputs}}
    job = {"name": name, "account": "ica", "project": PROJECT, "kind": "ica.analysis_creation", "engine": "nextflow"}
    listed = [{"userReference": f"{name}/s{n}", **one} for n in range(items)]
    return json.dumps({"version": 1, "jobs": [{**job, "items": listed}]}) + "\n"


def main() -> None:
    chosen = report.options(__doc__, files=3_000)
    paper = report.Report("small_files", "Many small files")
    with TemporaryDirectory() as folder:
        anyio.run(measure, paper, Path(folder), chosen.files)
    paper.close()


if __name__ == "__main__":
    main()
