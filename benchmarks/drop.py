"""From a dropped file to a durable job, and to the first request: a real daemon process, in real time."""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import anyio.abc

from benchmarks import report
from benchmarks.daemon import Site
from benchmarks.world import PIPELINE, PROJECT
from orchestrator.clock import SystemClock
from orchestrator.simulator.ica import Config, Knobs, Simulator

_POSTS: Final = ("createAnalysisCreationBatch", "createProjectDataLinkingBatch")
_FORMS: Final = ("links", "analyses", "table", "links.yaml", "analyses.yaml", "jobs")
_WHILE_BUSY: Final = ("analyses", "table")
_IN_A_JOB: Final = 100
"""Items of each job where a file asks for many."""


async def measure(paper: report.Report, folder: Path, items: int, rounds: int) -> None:
    """Drop small files one after another, then each form of a large one: into an idle daemon, and into a busy one."""
    small = await _small(folder / "small", rounds)
    idle = [await _idle(folder / form, form, items) for form in _FORMS]
    busy = await _busy(folder / "busy", items)
    paper.table(
        "a file with one link, dropped: ms until its POST arrives",
        [{"files": rounds, "median": round(median(small)), "worst": round(max(small))}],
    )
    paper.table(f"a file with {items:,} items, dropped: until it is durable, in accepted/", idle)
    paper.table(f"the same, while {items:,} links are sent and polled", busy)
    slowest, busiest = (max(float(str(row[name])) for row in idle) for name in ("seconds", "CPU seconds"))
    paper.verdict(f"{items:,} items durable in under 5 s", f"{slowest:.2f} s", reached=slowest < 5.0)
    paper.verdict(f"{items:,} items take under 5 s of CPU time", f"{busiest:.2f} s", reached=busiest < 5.0)
    worst = max(small)
    paper.verdict("POST within 500 ms of a small drop (worst)", f"{worst:.0f} ms", reached=worst < 500)


async def _small(folder: Path, rounds: int) -> list[float]:
    site = _site(folder)
    async with site.served(**_POLL), site.daemon():
        await _ready(site)
        return [await _post(site, f"small-{number}") * 1e3 for number in range(rounds)]


async def _idle(folder: Path, form: str, items: int) -> report.Row:
    """Everything is paused: the daemon has nothing to do but to take the file in."""
    site = _site(folder)
    async with site.served(**_POLL), site.daemon() as process:
        await _ready(site)
        site.drop("pause.json", json.dumps({"version": 1, "controls": [{"pause": {"all": True}}]}) + "\n")
        await site.until((site.queue / "accepted" / "pause.json").exists, at_most=60)
        return await _durable(site, process, form, items)


async def _busy(folder: Path, items: int) -> list[report.Row]:
    site = _site(folder)
    async with site.served(**_POLL), site.daemon() as process:
        await _ready(site)
        await _durable(site, process, "links", items)
        return [await _durable(site, process, form, items) for form in _WHILE_BUSY]


def _site(folder: Path) -> Site:
    folder.mkdir()
    return Site(folder, Simulator(Config(knobs=Knobs(requests=10**6, link_seconds=0.5))))


_POLL: Final[dict[str, Any]] = {"poll": {"min_interval": "1s", "max_interval": "5s"}}


async def _ready(site: Site) -> None:
    await site.until((site.folder / "state" / "orchestrator.db").exists, at_most=60)
    await SystemClock().sleep(2.0)


async def _post(site: Site, name: str) -> float:
    await SystemClock().sleep(0.5)
    before = site.called(*_POSTS)
    site.drop(f"{name}.json", _in_json(_jobs(name, "links", 1)))
    seconds = await site.until(lambda: site.called(*_POSTS) > before, at_most=30)
    await site.until((site.queue / "results" / f"{name}.json").exists, at_most=60)
    return seconds


async def _durable(site: Site, process: anyio.abc.Process, form: str, items: int) -> report.Row:
    *tables, (name, text) = _files(form, items)
    for table in tables:
        site.drop(*table)
    peak, cpu = report.resident_bytes(process.pid, peak=True), site.cpu_seconds(process)
    site.drop(name, text)
    seconds = await site.until((site.queue / "accepted" / name).exists, at_most=120)
    size = sum(len(each) for _, each in tables) or len(text)
    return {
        "file": form,
        "MB": round(size / 1e6, 1),
        "seconds": round(seconds, 2),
        "CPU seconds": round(site.cpu_seconds(process) - cpu, 2),
        "MB of memory more": round((report.resident_bytes(process.pid, peak=True) - peak) / 1e6),
    }


# ---------------------------------------------------------------- the files


def _files(form: str, items: int) -> Iterator[tuple[str, str]]:
    """Names and texts, the queue file last."""
    content, _, suffix = form.partition(".")
    name = f"large-{content}"
    match content, suffix:
        case "table", _:
            yield f"{name}.csv", "sample,r1,r2\n" + "".join(f"s{n},{_fil(n)},{_fil(n + 1)}\n" for n in range(items))
            yield f"{name}.json", _in_json([_templated(name)])
        case "jobs", _:
            jobs = [_jobs(f"{name}-{n}", "links", _IN_A_JOB)[0] for n in range(items // _IN_A_JOB)]
            yield f"{name}.json", _in_json(jobs)
        case _, "yaml":
            yield f"{name}.yaml", _in_yaml(_jobs(name, content, items)[0])
        case _:
            yield f"{name}.json", _in_json(_jobs(name, content, items))


def _in_json(jobs: list[dict[str, Any]]) -> str:
    return json.dumps({"version": 1, "jobs": jobs}) + "\n"


def _in_yaml(job: dict[str, Any]) -> str:
    """Block by block, an item a line."""
    head = "".join(f"    {key}: {json.dumps(value)}\n" for key, value in job.items() if key != "items")
    items = "".join(f"      - {json.dumps(each)}\n" for each in job["items"])
    return f"version: 1\njobs:\n  -\n{head}    items:\n{items}"


def _jobs(name: str, content: str, items: int) -> list[dict[str, Any]]:
    job: dict[str, Any] = {"name": name, "account": "ica", "project": PROJECT}
    if content == "analyses":
        inputs = [{"parameterCode": "fastqs", "dataIds": ["fil.0a1b", "fil.1a1b"]}]
        job |= {"kind": "ica.analysis_creation", "engine": "nextflow"}
        one = {"pipelineId": PIPELINE, "analysisInput": {"inputs": inputs}}
        job["items"] = [{"userReference": f"{name}/s{n}", **one} for n in range(items)]
    else:
        job |= {"kind": "ica.data_linking", "items": [{"dataId": _fil(n)} for n in range(items)]}
    return [job]


def _templated(name: str) -> dict[str, Any]:
    template = {
        "userReference": f"{name}/${{sample}}",
        "pipelineId": PIPELINE,
        "analysisInput": {"inputs": [{"parameterCode": "fastqs", "dataIds": ["${r1}", "${r2}"]}]},
    }
    job = {"name": name, "kind": "ica.analysis_creation", "account": "ica", "project": PROJECT, "engine": "nextflow"}
    return {**job, "template": template, "table": f"{name}.csv"}


def _fil(number: int) -> str:
    return f"fil.{number:032x}"


def main() -> None:
    chosen = report.options(__doc__, items=100_000, rounds=10)
    paper = report.Report("drop", "Dropping files")
    with TemporaryDirectory() as folder:
        anyio.run(measure, paper, Path(folder), chosen.items, chosen.rounds)
    paper.close()


if __name__ == "__main__":
    main()
