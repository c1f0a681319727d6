"""5,000 tasks on Seven Bridges at 1000 requests in 300 s: submission, sweeps, and how late each end is seen.

The daemon's own parts (dispatch, submission, polling, platform, rate limiter, store) against the simulated platform, in
virtual time, polling as often as the budget allows. Beside them, on the same platform and in the same time,
sevenbridges-python as people use it: a thread for each task that does `wait(10)`, and a loop that asks for all open
tasks in hundreds and sleeps 15 s, both with the library's `rate_limit_sleeper`.
"""

import json
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import anyio

from benchmarks import fleet, report, virtual
from benchmarks.daemon import Site
from benchmarks.fleet import PER, REQUESTS
from benchmarks.seven_bridges.followed import BULK, Followed
from benchmarks.seven_bridges.network import APP, BASE_URL, LENGTH, PROJECT, Network, Progress, network
from benchmarks.seven_bridges.scripts import PERIOD, Script, virtual_time
from benchmarks.virtual import LoopClock
from benchmarks.world import store_job
from orchestrator.domain.model import CREATION, Batch, JobSpec, NewItem
from orchestrator.domain.polling.targets import PollTargets
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.rate_limit.limiter import Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots
from orchestrator.platforms.sevenbridges.classification import classify
from orchestrator.platforms.sevenbridges.platform import connect
from orchestrator.simulator.sevenbridges import Config, Knobs, Simulator
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event

OURS: Final = "orchestrator"
TASKS: Final = 5000
"""For which the budget is 1000 requests in 300 s; fewer tasks have as much less."""
AIM: Final = 10.0
"""Seconds between two polls of a task, as wished (the default): fewer than the budget allows."""
A_BATCH: Final = 80e-6
"""Seconds that it takes to read one batch when polls are planned; planning waits 20 times as long as it took."""
REST: Final = 300.0
"""Seconds from the last submission to the span that is measured."""
SPAN: Final = 2400.0
AFTER: Final = 120.0
AFTER_SLOW: Final = 3000.0
"""Seconds for which the observation continues, so that the last ends of the span are seen; two sweeps at least."""
MEMORY: Final = 150
"""MiB that the daemon may hold, with 5,000 tasks open."""
MEMORY_AT_MOST: Final = 2400.0
"""Seconds that each part of that may take."""


async def daemon(folder: Path, names: Sequence[str], requests: int) -> list[report.Row]:
    """The daemon's own parts, from the first submission."""
    clock, net = LoopClock(), network(requests)
    store = Store(virtual.held_database(await fleet.new_database(folder)))
    await store.memory.instance("benchmark")
    await _add_job(store, names, clock.now())
    _take_time(store)
    limiter = RateLimiter(Limit(requests, PER), clock, MemorySlots(), Random(1))
    platform = connect(
        remote=Remote(BASE_URL, limiter, clock, transport=net, classify=classify),
        secret="simulator",
        instance="benchmark",
        page_size=100,
        clock=clock,
    )
    began = clock.monotonic()
    targets = PollTargets(AIM, AIM)
    async with anyio.create_task_group() as group:
        loop = fleet.daemon_loop(store, platform, limiter, Bus[Event](), group, targets=targets, account="sevenbridges")
        group.start_soon(loop.run)
        spans = await _observe(net, began, submissions=2 * len(names))
        group.cancel_scope.cancel()
    await store.aclose()
    followed = Followed(OURS, net, fleet.seen_at(folder), clock.monotonic())
    return [followed.row(phase, *span) for phase, span in spans.items()]


async def _observe(
    net: Network, began: float, *, submissions: int, after: float = AFTER
) -> dict[str, tuple[float, float]]:
    """Wait for the submissions and the span; when each phase began and ended.

    Raises TimeoutError where the submissions take ten times as long as the budget requires.
    """
    clock, reporter = LoopClock(), Progress(net, began)
    latest = began + 10 * PER * (submissions / net.simulator.knobs.requests + 1)
    while len(net.submissions) < submissions:
        if clock.monotonic() > latest:
            raise TimeoutError(f"only {len(net.submissions):,} of {submissions:,} submitting requests were answered")
        await reporter.sleep(1.0)
    submitted = clock.monotonic()
    since = submitted + REST
    await reporter.sleep(REST + SPAN + after)
    return {"submitting": (began, submitted), "all are open": (since, since + SPAN)}


async def bulk_loop(names: Sequence[str], requests: int) -> list[report.Row]:
    """A script of two threads: one creates and runs the tasks, one asks for all that are open."""
    clock, net = LoopClock(), network(requests)
    with virtual_time():
        script, began = Script(net), clock.monotonic()
        async with anyio.create_task_group() as group:
            group.start_soon(script.create, names)
            group.start_soon(script.bulk_loop)
            spans = await _observe(net, began, submissions=len(names))
            group.cancel_scope.cancel()
    followed = Followed(f"a loop in hundreds, each {PERIOD:g} s", net, script.seen, clock.monotonic())
    return [followed.row(phase, *span) for phase, span in spans.items()]


async def wait_each(names: Sequence[str], requests: int) -> list[report.Row]:
    """A thread for each task that waits for it; all tasks are there already."""
    clock, net = LoopClock(), network(requests)
    limited = net.simulator.knobs
    with virtual_time():
        script = Script(net)
        net.simulator.change_knobs({"requests": 10**9})
        await script.create(names)
        net.simulator.knobs = limited
        await clock.sleep(PER)
        async with anyio.create_task_group() as group:
            for task in script.created:
                group.start_soon(script.wait_for, task)
            spans = await _observe(net, clock.monotonic(), submissions=len(names), after=AFTER_SLOW)
            group.cancel_scope.cancel()
    followed = Followed("`wait(10)` for each task", net, script.seen, clock.monotonic())
    return [followed.row("all are open", *spans["all are open"])]


def _take_time(store: Store) -> None:
    """Let the reading of all batches take virtual time, as it takes real time: how often polls are planned follows."""
    read = store.batches.tracking

    async def tracking(account: str) -> list[Batch]:
        found = await read(account)
        await LoopClock().sleep(len(found) * A_BATCH)
        return found

    store.batches.tracking = tracking  # type: ignore[method-assign]


async def _add_job(store: Store, names: Sequence[str], now: int) -> None:
    spec = JobSpec(
        name="cohort",
        kind="sevenbridges.task",
        account="sevenbridges",
        project=PROJECT,
        digest="cohort",
        batch_size=1,
        first_stage=CREATION,
    )
    items = [
        NewItem(seq, name, json.dumps({"name": name, "app": APP, "inputs": {"reads": name}}).encode())
        for seq, name in enumerate(names, 1)
    ]
    await store_job(store, spec, items, now)


async def memory(folder: Path, tasks: int) -> report.Row:
    """What a real daemon holds, from the queue file until all tasks were run and read three times; in real time."""
    knobs = Knobs(requests=10**9, task_seconds=24 * LENGTH)
    site = Site(folder, Simulator(Config(knobs=knobs)))
    document = {
        "version": 1,
        "jobs": [
            {
                "name": "cohort",
                "kind": "sevenbridges.task",
                "account": "ica",
                "project": PROJECT,
                "items": [{"name": f"s{n}", "app": APP, "inputs": {"reads": f"s{n}"}} for n in range(tasks)],
            }
        ],
    }
    budget, poll = {"requests": 10**5, "per": "300s"}, {"min_interval": "30s"}
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(site.served(platform="sevenbridges", budget=budget, poll=poll))
        site.drop("cohort.json", json.dumps(document))
        process = await stack.enter_async_context(site.daemon())
        took = await site.until(lambda: site.called("run_task") >= tasks, at_most=MEMORY_AT_MOST)
        report.progress(f"a real daemon: {tasks:,} tasks submitted in {took:.0f} s")
        polled = site.called("bulk_get_tasks") + 3 * math.ceil(tasks / BULK)
        await site.until(lambda: site.called("bulk_get_tasks") >= polled, at_most=MEMORY_AT_MOST)
        return {
            "tasks open": tasks,
            "seconds to submit": round(took),
            "MiB at most": round(report.resident_bytes(process.pid, peak=True) / 2**20, 1),
            "MiB at the end": round(report.resident_bytes(process.pid) / 2**20, 1),
        }


def main() -> None:
    chosen = report.options(__doc__, tasks=TASKS, in_memory=TASKS)
    paper = report.Report("seven_bridges", "Tasks on Seven Bridges")
    names, requests = [f"s{number}" for number in range(1, chosen.tasks + 1)], REQUESTS * chosen.tasks // TASKS
    with TemporaryDirectory() as folder:
        held = anyio.run(memory, Path(folder), chosen.in_memory)
    paper.table("a real daemon's memory", [held])
    with TemporaryDirectory() as folder:
        ours = _rows(OURS, lambda: daemon(Path(folder), names, requests))
    rows = [
        *ours,
        *_rows("a loop in hundreds", lambda: bulk_loop(names, requests)),
        *_rows("`wait(10)` for each task", lambda: wait_each(names, requests)),
    ]
    paper.table(f"{chosen.tasks:,} tasks, {requests} requests in {PER:g} s", rows)
    _judge(paper, ours, held)
    paper.close()


def _rows(client: str, measure: Callable[[], Awaitable[list[report.Row]]]) -> list[report.Row]:
    report.progress(f"{client}:")
    rows = virtual.run(measure)
    report.progress(report.markdown(rows))
    return rows


def _judge(paper: report.Report, ours: Sequence[report.Row], held: report.Row) -> None:
    _, steady = ({name: row[name] for name in row} for row in ours)
    share = float(str(steady["requests a sweep"])) / float(str(steady["floor"]))
    paper.verdict("a sweep takes at most 1.05 of its floor, in requests", f"{share:.3f}", reached=share <= 1.05)
    late = float(str(steady["p99 s"])) / float(str(steady["by the budget"]))
    paper.verdict("an end is seen within 1.2 of the budget's sweep (p99)", f"{late:.2f}", reached=late <= 1.2)
    refused = int(str(steady["429 in all"]))
    paper.verdict("no 429, also while submitting", str(refused), reached=refused == 0)
    most = float(str(held["MiB at most"]))
    aim = f"a daemon with {held['tasks open']:,} tasks open holds less than {MEMORY} MiB"
    paper.verdict(aim, f"{most:.0f} MiB", reached=most < MEMORY)


if __name__ == "__main__":
    main()
