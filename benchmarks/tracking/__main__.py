"""What it takes to see how 100,000 analyses are, and how late each change is seen, at 1000 requests in 300 s.

The daemon's own parts (dispatch, polling, platform, budget, store) against a simulated ICA, in virtual time. Beside
them, against the same platform, the loop that one writes with libica, page after page until it is refused. What a loop
costs that asks one analysis after another, hours a round, is worked out from the budget alone.
"""

import math
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path
from random import Random
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks import fleet, report, virtual
from benchmarks.fleet import PER, REQUESTS, RTT, Fleet
from benchmarks.tracking import loops
from orchestrator.platforms.ica.polling.poll_plan import Strategy
from orchestrator.simulator import Limit
from orchestrator.simulator.budget import Budget

STRATEGIES: Final[tuple[Strategy, ...]] = ("items", "auto")
SHARE: Final = PER / REQUESTS
"""Seconds that a request costs when the budget is the only limit."""
PAGE: Final = 1000
SWEEPS: Final = 2.4
"""Time for so many, beside a first one that may find enough of the budget unspent to be over at once."""


def track(folder: Path, items: int, batches: int) -> list[report.Row]:
    """Follow one fleet in each way."""

    async def all_ways() -> list[report.Row]:
        launched = await fleet.launch(folder, items=items, batches=batches)
        return [*[await _ours(launched, strategy) for strategy in reversed(STRATEGIES)], await _pages(launched)]

    return [*virtual.run(all_ways), _one_by_one(batches, items)]


async def _ours(launched: Fleet, strategy: Strategy) -> report.Row:
    pages = launched.batches * math.ceil(launched.items / launched.batches / PAGE)
    clock = virtual.LoopClock()
    going_on = sum(end > clock.monotonic() + PER for end in launched.ends.values())
    floor = pages if strategy == "items" else math.ceil(going_on / PAGE)
    cpu = report.cpu_seconds()
    uncounted = 1 if floor < REQUESTS else 0
    asked, budget = await launched.track(strategy, (SWEEPS + uncounted) * floor * SHARE, aim=floor * SHARE / 10)
    cpu = report.cpu_seconds() - cpu
    reference = asked[0][1]
    starts = [at for at, name, page in asked if name == reference and page == 0]
    steady = [sum(first <= at < then for at, _, _ in asked) for first, then in pairwise(starts)][uncounted:]
    seconds = mean([then - first for first, then in pairwise(starts)][uncounted:])
    late = _lateness(launched, *starts[uncounted : uncounted + 2])
    if budget.snapshot().throttled:
        raise AssertionError("the budget was overdrawn")
    name = f"orchestrator, {strategy}"
    mine = _row(name, launched.batches, requests=mean(steady), floor=floor, seconds=seconds, late=late)
    print(mine, flush=True)
    return mine | {"CPU ms a request": round(cpu / len(asked) * 1e3, 1)}


def _lateness(launched: Fleet, since: float, until: float) -> list[float]:
    """Seconds from the end of each analysis to the event that tells of it, for those that ended in a whole sweep."""
    seen = fleet.seen_at(launched.folder)
    return [seen[name] - end for name, end in launched.ends.items() if since <= end < until]


async def _pages(launched: Fleet) -> report.Row:
    """The loop with libica."""
    pages = launched.batches * math.ceil(launched.items / launched.batches / PAGE)
    at_once = max(1, REQUESTS // pages)  # sweeps in a window, before the loop is refused
    cpu = report.cpu_seconds()
    asked = await loops.page_by_page(launched, last_sweeps=2 * at_once + 1)
    cpu = report.cpu_seconds() - cpu
    since, until = asked.last_sweeps[at_once], asked.last_sweeps[2 * at_once]
    late = [asked.seen[name] - end for name, end in launched.ends.items() if since <= end < until]
    seconds = (until - since) / at_once
    mine = _row(
        "a loop with libica, page by page", launched.batches, requests=pages, floor=pages, seconds=seconds, late=late
    )
    print(mine, flush=True)
    return mine | {"CPU ms a request": round(cpu / len(asked.at) * 1e3, 1)}


def _one_by_one(batches: int, items: int) -> report.Row:
    """A loop that asks for one analysis after another, and waits for as long as it is told to; by arithmetic."""
    name, requests = "a loop, one by one (worked out)", items
    server, random, now = Budget(Limit(REQUESTS, PER)), Random(3), 0.0
    asked: list[float] = []
    while now < 5 * PER or len(asked) < 3 * requests:
        now += random.uniform(*RTT)
        wait = server.admit("user", now)
        if wait is None:
            asked.append(now)
        else:
            now += math.ceil(wait)
    late = []
    for _ in range(20_000):
        page, at = random.randrange(requests), random.uniform(PER, asked[-requests])
        visits = asked[page::requests]
        late.append(visits[bisect_left(visits, at)] - at)
    at_once = max(1, REQUESTS // requests)
    starts = asked[:: requests * at_once]
    seconds = (starts[-1] - starts[1]) / (len(starts) - 2) / at_once if len(starts) > 2 else asked[requests] - asked[0]
    mine = _row(name, batches, requests=requests, floor=requests, seconds=seconds, late=late)
    return mine | {"CPU ms a request": "-"}


def _row(
    name: str, batches: int, *, requests: float, floor: int, seconds: float, late: list[float]
) -> dict[str, object]:
    return {
        "client": name,
        "batches": batches,
        "requests a sweep": round(requests, 1),
        "floor": floor,
        "seconds a sweep": round(seconds, 1),
        "floor s": round(floor * SHARE, 1),
        "seen late by, p50 s": round(report.quantile(late, 0.5), 1),
        "p99 s": round(report.quantile(late, 0.99), 1),
        "changes": len(late),
    }


def main() -> None:
    chosen = report.options(__doc__, items=100_000)
    paper = report.Report("tracking", "Tracking within the budget")
    rows: list[report.Row] = []
    for batches in (200, 2000):
        with TemporaryDirectory() as folder:
            rows += track(Path(folder), chosen.items, batches)
    paper.table(f"{chosen.items:,} analyses under way, {REQUESTS} requests in {PER:g} s, pages of {PAGE}", rows)
    for row in rows:
        if str(row["client"]).startswith("orchestrator"):
            _judge(paper, row)
    ours = {(row["client"], row["batches"]): row for row in rows}
    part = _figure(ours["orchestrator, auto", 2000], "requests a sweep") / _figure(
        ours["orchestrator, items", 2000], "requests a sweep"
    )
    aim = "auto takes at most a quarter of the requests of items, in 2000 batches"
    paper.verdict(aim, f"{part:.3f}", reached=part <= 0.25)
    paper.close()


def _judge(paper: report.Report, row: report.Row) -> None:
    what = f"{row['client']}, {row['batches']} batches: at most 1.05 of the floor"
    for unit, floor in (("requests a sweep", "floor"), ("seconds a sweep", "floor s")):
        ratio = _figure(row, unit) / _figure(row, floor)
        paper.verdict(f"{what}, {unit}", f"{ratio:.3f}", reached=ratio <= 1.05)


def _figure(row: report.Row, name: str) -> float:
    return float(str(row[name]))


if __name__ == "__main__":
    main()
