"""How late an end is seen where most of the budget is idle, and what it takes, at 1000 requests in 300 s.

The daemon's own parts (dispatch, submission, polling, platform, budget, store) against a simulated ICA, in virtual
time. In each case a job runs first, so that its durations become known, and another one of the same kind after it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final, Literal, TypeAlias

import anyio

from benchmarks import fleet, report, virtual, world
from benchmarks.fleet import PER, REQUESTS, Distant
from orchestrator.domain.model import After, JobSpec, NewItem
from orchestrator.domain.polling.targets import PollTargets
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.ica.platform import Ica
from orchestrator.platforms.rate_limit.limiter import Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots
from orchestrator.simulator.ica import Config, Knobs, Simulator
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event

AIMS: Final = PollTargets(10.0, 300.0)
BATCHES: Final = 10
JOBS: Final = ("first", "known")
"""The second one runs after the first, and finds its durations learnt."""
Distribution: TypeAlias = Literal["even", "bimodal", "long_tailed"]
DISTRIBUTIONS: Final[tuple[Distribution, ...]] = ("even", "bimodal", "long_tailed")
SECONDS: Final = (30, 900, 14_400, 86_400)
KINDS: Final[Mapping[str, str]] = {"analyses": "ica.analysis_creation", "links": "ica.data_linking"}
_END: Final = 100.0
"""Times the usual duration: a case that has not come to its end by then has failed."""


@dataclass(frozen=True, slots=True)
class Case:
    """What runs."""

    kind: str
    durations: Distribution
    seconds: float
    """That most items take; the median of those with a long tail."""
    items: int
    """Of each job."""


def follow(case: Case) -> list[report.Row]:
    """Run both jobs of a case to their end; a row for each."""
    with TemporaryDirectory() as folder:
        return virtual.run(lambda: _follow(Path(folder), case))


async def _follow(folder: Path, case: Case) -> list[report.Row]:
    clock = virtual.LoopClock()
    knobs = Knobs(
        requests=REQUESTS, per=PER, durations=case.durations, analysis_seconds=case.seconds, link_seconds=case.seconds
    )
    simulator = Simulator(Config(knobs=knobs), clock)
    store = Store(virtual.held_database(await fleet.new_database(folder)))
    await store.memory.instance("benchmark")
    await _add_jobs(store, case, clock.now())
    budget = RateLimiter(Limit(REQUESTS, PER), clock, MemorySlots(), Random(1))
    ica = Ica(
        remote=Remote("http://ica/ica/rest", budget, clock, transport=Distant(simulator)),
        api_key="simulator",
        account="ica",
        instance="benchmark",
        page_size=1000,
        strategy="auto",
        memory={},
        clock=clock,
    )
    bus: Bus[Event] = Bus()
    began = clock.monotonic()
    with anyio.fail_after(_END * case.seconds):
        async with anyio.create_task_group() as group:
            loop = fleet.daemon_loop(store, ica, budget, bus, group, targets=AIMS)
            group.start_soon(loop.run)
            while not all(job.state.settled for job in await store.jobs.list()):
                await clock.sleep(case.seconds / 10)
            group.cancel_scope.cancel()
    used = sum(lane.granted for lane in budget.snapshot().lanes.values()) / (clock.monotonic() - began) * PER
    await store.aclose()
    return [_row(case, job, ends, fleet.seen_at(folder), used) for job, ends in _ends(simulator, case).items()]


async def _add_jobs(store: Store, case: Case, now: int) -> None:
    loaded = []
    for place, name in enumerate(JOBS):
        spec = JobSpec(
            name=name,
            kind=KINDS[case.kind],
            account="ica",
            project=world.PROJECT,
            engine="nextflow" if case.kind == "analyses" else None,
            digest=name,
            after=After(JOBS[:place]) if place else None,
            batch_size=case.items // BATCHES,
        )
        job = await store.jobs.load(spec, now)
        await store.jobs.add_items(job, _items(case, name))
        loaded.append(job)
    await store.jobs.commit(loaded, now)


def _items(case: Case, name: str) -> Sequence[NewItem]:
    if case.kind == "analyses":
        return world.new_items(name, range(1, case.items + 1))
    keys = [f"fil.{name}.{number}" for number in range(1, case.items + 1)]
    return [NewItem(seq, key, b'{"dataId":"%b"}' % key.encode()) for seq, key in enumerate(keys, start=1)]


def _ends(simulator: Simulator, case: Case) -> dict[str, dict[str, tuple[float, float]]]:
    """When each item of each job began and ended, by its key."""
    truth = simulator._world  # noqa: SLF001 - the whole truth at once
    if case.kind == "analyses":
        spans = {row.user_reference: (row.timeline.begins, row.timeline.ends) for row in truth.analyses}
    else:
        items = [item for batch in truth.batches.values() for item in batch.listed]
        spans = {item.name: (item.timeline.begins, item.timeline.ends) for item in items}
    return {job: {key: span for key, span in spans.items() if job in key} for job in JOBS}


def _row(
    case: Case, job: str, spans: Mapping[str, tuple[float, float]], seen: Mapping[str, float], used: float
) -> report.Row:
    late = [seen[key] - end for key, (_, end) in spans.items()]
    share = [
        (seen[key] - end) / max(2 * AIMS.min_interval, 0.01 * (end - begin)) for key, (begin, end) in spans.items()
    ]
    return {
        "kind": case.kind,
        "durations": case.durations.replace("_", "-"),
        "seconds": case.seconds,
        "job": job,
        "ends": len(late),
        "seen late by, p50 s": round(report.quantile(late, 0.5), 1),
        "p99 s": round(report.quantile(late, 0.99), 1),
        "most s": round(max(late), 1),
        "p99 of what is in time": round(report.quantile(share, 0.99), 2),
        "requests in 300 s": round(used),
    }


def main() -> None:
    chosen = report.options(__doc__, items=1000, longest=max(SECONDS))
    paper = report.Report("idle", "Ends seen with an idle budget")
    rows: list[report.Row] = []
    for kind, durations, seconds in product(KINDS, DISTRIBUTIONS, SECONDS):
        if seconds <= chosen.longest:
            rows += follow(Case(kind, durations, seconds, chosen.items))
            print(rows[-2], rows[-1], sep="\n", flush=True)
    paper.table(f"{chosen.items:,} items a job, {BATCHES} batches each", rows)
    worst = max(float(str(row["p99 of what is in time"])) for row in rows)
    aim = "an end is seen within 20 s or 1% of the work's age, the longer of both (p99 of each case)"
    paper.verdict(aim, f"at most {worst:.2f} of that", reached=worst <= 1.0)
    paper.close()


if __name__ == "__main__":
    main()
