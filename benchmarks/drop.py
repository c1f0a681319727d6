"""From a dropped file to a durable job, and to the first request: a real daemon process, in real time."""

import json
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import anyio
import anyio.abc

from benchmarks import report
from benchmarks.daemon import Site
from benchmarks.world import PIPELINE, PROJECT
from orchestrator.clock import SystemClock
from orchestrator.simulator.ica import Config, Knobs, Simulator

_POSTS: Final = ("createAnalysisCreationBatch", "createProjectDataLinkingBatch")


async def measure(paper: report.Report, folder: Path, items: int, rounds: int) -> None:
    """Drop small files one after another, then large ones."""
    site = Site(folder, Simulator(Config(knobs=Knobs(requests=10**6, link_seconds=0.5))))
    async with site.served(poll={"min_interval": "1s", "max_interval": "5s"}), site.daemon() as process:
        await site.until((folder / "state" / "orchestrator.db").exists, at_most=60)
        await SystemClock().sleep(2.0)
        small = [await _post(site, f"small-{number}") for number in range(rounds)]
        large = [await _durable(site, process, kind, items) for kind in ("links", "analyses", "table")]
    milliseconds = [seconds * 1e3 for seconds in small]
    paper.table(
        "a file with one link, dropped: ms until its POST arrives",
        [{"files": rounds, "median": round(median(milliseconds)), "worst": round(max(milliseconds))}],
    )
    paper.table(f"a file with {items:,} items, dropped: seconds until it is durable, in accepted/", large)
    slowest, busiest = (max(float(str(row[name])) for row in large) for name in ("seconds", "CPU seconds"))
    paper.verdict(f"{items:,} items durable in under 5 s", f"{slowest:.2f} s", reached=slowest < 5.0)
    paper.verdict(f"{items:,} items take under 5 s of CPU time", f"{busiest:.2f} s", reached=busiest < 5.0)
    worst = max(milliseconds)
    paper.verdict("POST within 500 ms of a small drop (worst)", f"{worst:.0f} ms", reached=worst < 500)


async def _post(site: Site, name: str) -> float:
    await SystemClock().sleep(0.5)
    before = site.called(*_POSTS)
    site.drop(f"{name}.json", _document(name, "links", 1))
    seconds = await site.until(lambda: site.called(*_POSTS) > before, at_most=30)
    await site.until((site.queue / "results" / f"{name}.json").exists, at_most=60)
    return seconds


async def _durable(site: Site, process: anyio.abc.Process, kind: str, items: int) -> report.Row:
    name = f"large-{kind}"
    text = _document(name, kind, items)
    size = len(text)
    if kind == "table":
        table = "sample,r1,r2\n" + "".join(f"s{n},fil.{n:032x},fil.{n + 1:032x}\n" for n in range(items))
        text, size = _templated(name), len(table)
        site.drop(f"{name}.csv", table)
    cpu = site.cpu_seconds(process)
    site.drop(f"{name}.json", text)
    seconds = await site.until((site.queue / "accepted" / f"{name}.json").exists, at_most=120)
    cpu = site.cpu_seconds(process) - cpu
    return {"file": kind, "MB": round(size / 1e6, 1), "seconds": round(seconds, 2), "CPU seconds": round(cpu, 2)}


def _document(name: str, kind: str, items: int) -> str:
    job: dict[str, object] = {"name": name, "account": "ica", "project": PROJECT}
    if kind == "analyses":
        inputs = [{"parameterCode": "fastqs", "dataIds": ["fil.0a1b", "fil.1a1b"]}]
        job |= {
            "kind": "ica.analysis_creation",
            "engine": "nextflow",
            "items": [
                {"userReference": f"{name}/s{n}", "pipelineId": PIPELINE, "analysisInput": {"inputs": inputs}}
                for n in range(items)
            ],
        }
    else:
        job |= {"kind": "ica.data_linking", "items": [{"dataId": f"fil.{n:032x}"} for n in range(items)]}
    return json.dumps({"version": 1, "jobs": [job]}) + "\n"


def _templated(name: str) -> str:
    template = {
        "userReference": f"{name}/${{sample}}",
        "pipelineId": PIPELINE,
        "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": ["${r1}", "${r2}"]}]},
    }
    job = {"name": name, "kind": "ica.analysis_creation", "account": "ica", "project": PROJECT, "engine": "nextflow"}
    return json.dumps({"version": 1, "jobs": [job | {"template": template, "table": f"{name}.csv"}]}) + "\n"


def main() -> None:
    chosen = report.options(__doc__, items=100_000, rounds=10)
    paper = report.Report("drop", "Dropping files")
    with TemporaryDirectory() as folder:
        anyio.run(measure, paper, Path(folder), chosen.items, chosen.rounds)
    paper.close()


if __name__ == "__main__":
    main()
