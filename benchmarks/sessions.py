"""A night of 5,000 workflow sessions with 20,000 analyses, followed by one selector: requests and memory.

The daemon's own parts (dispatch, polling, platform, rate limiter, store) against a simulated ICA, in virtual time, at
1000 requests in 300 s. Beside the requests stands what they may be: 1.1 pages for each thousand that are open, a sweep,
three requests a session in all, and two views of all sessions.
"""

import json
import math
import os
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import anyio
import httpx

from benchmarks import fleet, report, virtual
from benchmarks.fleet import PER, REQUESTS
from benchmarks.virtual import LoopClock
from benchmarks.world import PROJECT, store_job
from orchestrator.domain.model import Job, JobSpec, NewItem, Poll, PollResult
from orchestrator.domain.polling.targets import PollTargets
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.ica import stages
from orchestrator.platforms.ica.platform import Ica
from orchestrator.platforms.ica.protocol.error_classes import classify
from orchestrator.platforms.rate_limit.limiter import Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots
from orchestrator.simulator.ica import Config, Knobs, Simulator
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event

ANALYSES: Final = 4
"""Of each session."""
BEGIN_WITHIN: Final = 3600.0
LENGTH: Final = 2 * 3600.0
"""Seconds that a session takes, give or take half of it."""
PER_THOUSAND: Final = 1.1
PER_SESSION: Final = 3
_SWEEPS: Final = {"workflow_session/sessions", "workflow_session/analyses"}


class Counted(Ica):
    """Counts requests by route, and what a sweep found to be open."""

    requests: Counter[str]
    may_be: float
    size: int
    simulator: Simulator

    async def poll(self, poll: Poll) -> PollResult:
        self.requests[poll.route] += 1
        if poll.route == "workflow_session/sessions" and poll.cursor is None:
            self.may_be += PER_THOUSAND * math.ceil(self._open() / self.size)
        return await super().poll(poll)

    def _open(self) -> int:
        truth = self.simulator.truth
        rows = [*truth.workflow_sessions().values(), *truth.orchestrated().values()]
        return sum(status not in {"SUCCEEDED", "FAILED", "FAILED_FINAL", "ABORTED"} for status in rows)


async def follow(folder: Path, sessions: int, page: int, aim: float) -> list[report.Row]:
    """One night."""
    clock = LoopClock()
    knobs = Knobs(requests=REQUESTS, per=PER, session_seconds=LENGTH, jitter=0.5, page_order="shuffled")
    simulator = Simulator(Config(knobs=knobs), clock)
    random = Random(5)
    for number in range(sessions):
        names = [f"a{each}" for each in range(ANALYSES)]
        simulator.begin_session(PROJECT, f"night/s{number}", names, after=random.uniform(0.0, BEGIN_WITHIN))
    store = Store(virtual.held_database(await fleet.new_database(folder)))
    await store.memory.instance("benchmark")
    await _add_job(store, clock.now())
    limiter = RateLimiter(Limit(REQUESTS, PER), clock, MemorySlots(), Random(1))
    transport = httpx.ASGITransport(simulator.app)
    ica = Counted(
        remote=Remote("http://ica/ica/rest", limiter, clock, transport=transport, classify=classify),
        api_key="simulator",
        account="ica",
        instance="benchmark",
        page_size=page,
        strategy="auto",
        memory={},
        clock=clock,
    )
    ica.requests, ica.may_be, ica.size, ica.simulator = Counter(), 0.0, page, simulator
    memory, job = await _until_settled(store, ica, limiter, aim)
    await store.aclose()
    return [_row(sessions, ica, memory, job)]


async def _until_settled(store: Store, ica: Counted, limiter: RateLimiter, aim: float) -> tuple[list[int], Job]:
    """Let the daemon work; what the process held by the quarter of an hour, the simulator's objects included."""
    clock, memory = LoopClock(), list[int]()
    async with anyio.create_task_group() as group:
        loop = fleet.daemon_loop(store, ica, limiter, Bus[Event](), group, targets=PollTargets(aim, 300.0))
        group.start_soon(loop.run)
        while True:
            await clock.sleep(900.0)
            memory.append(_resident())
            (job,) = await store.jobs.list()
            if job.state.settled:
                break
        group.cancel_scope.cancel()
    return memory, job


def _resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def _add_job(store: Store, now: int) -> None:
    spec = JobSpec(
        name="night",
        kind="ica.workflow_session",
        account="ica",
        project=PROJECT,
        digest="night",
        batch_size=1000,
        first_stage=stages.SEARCH,
        follow_only=True,
    )
    request = json.dumps({"name": "tonight", "until": "+2h"}).encode()
    await store_job(store, spec, [NewItem(1, "tonight", request)], now)


def _row(sessions: int, ica: Counted, memory: list[int], job: Job) -> report.Row:
    sweeps = sum(count for route, count in ica.requests.items() if route in _SWEEPS)
    whole_views = 2 * math.ceil(sessions / ica.size)
    may_be = ica.may_be + PER_SESSION * sessions + whole_views
    requests = sum(ica.requests.values())
    return {
        "sessions": sessions,
        "analyses": sum(job.counts.values()),
        "requests": requests,
        "may be": round(may_be),
        "of sweeps": sweeps,
        "for ends": ica.requests["workflow_session/ended_sessions"] + ica.requests["workflow_session/ended_analyses"],
        "at ends": ica.requests["workflow_session/end"],
        "share": round(requests / may_be, 3),
        "MiB first": round(memory[0] / 2**20, 1),
        "MiB most": round(max(memory) / 2**20, 1),
        "MiB last": round(memory[-1] / 2**20, 1),
    }


def main() -> None:
    chosen = report.options(__doc__, items=5000)
    paper = report.Report("sessions", "A night of workflow sessions")
    page = max(1, 1000 * chosen.items // 5000)
    with TemporaryDirectory() as folder:
        rows = virtual.run(lambda: follow(Path(folder), chosen.items, page, 60.0))
    paper.table(f"{chosen.items:,} sessions with {ANALYSES} analyses each, pages of {page}", rows)
    (row,) = rows
    paper.verdict("requests within what they may be", str(row["share"]), reached=float(str(row["share"])) <= 1.0)
    settled = int(str(row["analyses"])) == chosen.items * ANALYSES
    paper.verdict("every analysis is an item", str(row["analyses"]), reached=settled)
    paper.close()


if __name__ == "__main__":
    main()
