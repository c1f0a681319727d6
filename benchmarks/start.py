"""Start with a million items in the database, and memory while a large job runs: a real daemon, in real time."""

import compileall
import json
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import anyio
import anyio.abc

import orchestrator
from benchmarks import fleet, report
from benchmarks.daemon import Site
from benchmarks.world import PROJECT
from orchestrator.clock import SystemClock
from orchestrator.simulator.ica import Config, Knobs, Simulator

_POLLS: Final = ("searchAnalyses", "getAnalysisCreationBatchItems", "getJobs")
_MB: Final = 1e6
_OLD_JOB: Final = 10_000
_STARTS: Final = 3


async def start(paper: report.Report, folder: Path, items: int, live: int) -> None:
    """Kill and start the daemon, again and again."""
    launched = await fleet.launch(folder / "state", items=live, batches=live // 100, rest=0.0)
    _bury(folder / "state" / "orchestrator.db", items - live)
    site = Site(folder, launched.simulator)
    rows: list[report.Row] = []
    async with site.served():
        _whole(site)
        for _ in range(_STARTS):
            site.simulator.ledger.calls.clear()
            async with site.daemon() as process:
                seconds = await site.until(lambda: site.called(*_POLLS) > 0, at_most=120)
                at_first = report.resident_bytes(process.pid)
                await SystemClock().sleep(15.0)
                rows.append(
                    {
                        "s to the first poll": round(seconds, 2),
                        "MB at the first poll": round(at_first / _MB),
                        "MB 15 s later": round(report.resident_bytes(process.pid) / _MB),
                        "MB at most": round(report.resident_bytes(process.pid, peak=True) / _MB),
                    }
                )
    size = (folder / "state" / "orchestrator.db").stat().st_size / _MB
    paper.table(f"start with {items:,} items in the database ({size:.0f} MB), {live:,} of them live", rows)
    slowest, most = (max(float(str(row[name])) for row in rows) for name in ("s to the first poll", "MB at most"))
    paper.verdict("the first poll under 1 s after the start of the process", f"{slowest:.2f} s", reached=slowest < 1.0)
    paper.verdict("memory under 150 MB", f"{most:.0f} MB", reached=most < 150)


def _whole(site: Site) -> None:
    """Let the daemon serve too, as it does unless it is told not to: that takes memory, and time at the start."""
    path = site.folder / "config.yaml"
    path.write_text(json.dumps({**json.loads(path.read_text()), "server": {"listen": "127.0.0.1:0"}}))


def _bury(database: Path, items: int) -> None:
    """Settled jobs, as weeks of work leave them: none is old enough to be pruned."""
    settled = SystemClock().now()
    with sqlite3.connect(database) as connection:
        for number in range(items // _OLD_JOB):
            job = f"00000000-0000-7000-8000-{number:012d}"
            connection.execute(
                "INSERT INTO jobs (id, name, folded, kind, account, project, engine, state, priority, digest, "
                "batch_size, created_at, settled_at, n_succeeded) VALUES "
                "(?, ?, ?, 'ica.analysis_creation', 'ica', 'p', 'nextflow', 'succeeded', 5, 'd', 100, ?, ?, ?)",
                (job, f"old-{number}", f"old-{number}", settled, settled, _OLD_JOB),
            )
            connection.executemany(
                "INSERT INTO batches (id, job, account, number, lineage, key, state, items, open, creating, first_seq, "
                "last_seq, status, status_final, root) VALUES (?, ?, 'ica', ?, ?, ?, 'settled', 100, 0, 0, ?, ?, "
                "'SUCCEEDED', 1, ?)",
                [
                    (f"{job}-{n}", job, n, str(n), f"{job}-{n}", 100 * n - 99, 100 * n, n)
                    for n in range(1, _OLD_JOB // 100 + 1)
                ],
            )
            request = b'{"userReference":"old","pipelineId":"p","analysisInput":{"inputs":[{"dataIds":["fil.0a1b"]}]}}'
            connection.executemany(
                "INSERT INTO items (job, seq, key, batch, stage, state, status, remote_id, request) "
                "VALUES (?, ?, ?, ?, 'analysis', 'succeeded', 'SUCCEEDED', ?, ?)",
                ((job, n, f"old/s{n}", (n - 1) // 100 + 1, f"{job}-{n}", request) for n in range(1, _OLD_JOB + 1)),
            )
    connection.close()


async def run(paper: report.Report, folder: Path, items: int) -> None:
    """One job of so many links from drop to result, its memory watched."""
    site = Site(folder, Simulator(Config(knobs=Knobs(requests=10**6, link_seconds=1.0))))
    document = {
        "version": 1,
        "jobs": [
            {
                "name": "large",
                "kind": "ica.data_linking",
                "account": "ica",
                "project": PROJECT,
                "items": [{"dataId": f"fil.{n:032x}"} for n in range(items)],
            }
        ],
    }
    sampled: list[int] = []
    account = {
        "budget": {"requests": 10_000, "per": "300s"},
        "poll": {"min_interval": "1s", "max_interval": "5s"},
    }
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(site.served(**account))
        _whole(site)
        process = await stack.enter_async_context(site.daemon("--until-idle"))
        await site.until((folder / "queue/incoming").exists, at_most=60)
        site.drop("large.json", json.dumps(document) + "\n")
        del document
        begin = report.real_seconds()
        async with anyio.create_task_group() as group:
            group.start_soon(_sample, process, sampled)
            await site.until((folder / "queue/results/large.json").exists, at_most=3600)
            seconds = report.real_seconds() - begin
            group.cancel_scope.cancel()
    tenth = max(1, len(sampled) // 10)
    parts = [max(sampled[n * tenth : (n + 1) * tenth]) / _MB for n in range(min(10, len(sampled)))]
    paper.table(
        f"memory over a run of {items:,} items, MB at most in each tenth of {seconds:.0f} s",
        [{str(n + 1): round(part) for n, part in enumerate(parts)}],
    )
    most = max(sampled) / _MB
    paper.verdict(f"memory under 150 MB over a run of {items:,} items", f"{most:.0f} MB", reached=most < 150)


async def _sample(process: anyio.abc.Process, sampled: list[int]) -> None:
    while True:
        sampled.append(report.resident_bytes(process.pid))
        await SystemClock().sleep(0.25)


async def _both(paper: report.Report, folder: Path, items: int, live: int, run_items: int) -> None:
    (folder / "start" / "state").mkdir(parents=True)
    (folder / "run").mkdir()
    await start(paper, folder / "start", items, live)
    await run(paper, folder / "run", run_items)


def main() -> None:
    chosen = report.options(__doc__, items=1_000_000, live=50_000, run_items=100_000)
    paper = report.Report("start", "Start and memory")
    compileall.compile_dir(orchestrator.__path__[0], quiet=1)  # as an installation does
    with TemporaryDirectory() as folder:
        anyio.run(_both, paper, Path(folder), chosen.items, chosen.live, chosen.run_items)
    paper.close()


if __name__ == "__main__":
    main()
