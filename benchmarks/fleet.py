"""A hundred thousand analyses under way on a simulated ICA, in a database that knows all of them, in virtual time."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import anyio
import anyio.abc
import httpx
import sqlalchemy as sa

from benchmarks import virtual, world
from benchmarks.virtual import LoopClock
from orchestrator.clock import SECOND
from orchestrator.domain.model import Batch, BatchId, Poll, PollResult
from orchestrator.domain.polling.targets import PollTargets
from orchestrator.domain.submission import Submission
from orchestrator.engine.dispatch import Dispatch, Limits
from orchestrator.engine.loop import Loop
from orchestrator.engine.polling.forecast import Forecasts
from orchestrator.engine.polling.poller import Poller
from orchestrator.engine.polling.schedule import Schedule
from orchestrator.engine.retry_delays import engine_retry_delays
from orchestrator.engine.steps.aborting import Aborting
from orchestrator.engine.steps.submitting import Submitting
from orchestrator.platforms.http.clock_skew import Skew
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.ica.platform import Ica
from orchestrator.platforms.ica.polling.poll_plan import Strategy
from orchestrator.platforms.ica.protocol.error_classes import classify
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.rate_limit.limiter import Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots
from orchestrator.simulator.ica import Config, Knobs, Simulator
from orchestrator.simulator.simulated import Simulated
from orchestrator.store.database import upgrade
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import ComponentError, Event, TaskBug, TaskRetry

REQUESTS: Final = 1000
PER: Final = 300.0
RTT: Final = (0.005, 0.150)
_FAILURES: Final = (ComponentError, TaskBug, TaskRetry)
_LENGTH: Final = 4 * 3600.0


class Distant(httpx.AsyncBaseTransport):
    """The simulator at the end of a network, with this round trip. Of these addresses no answer ever comes."""

    def __init__(
        self,
        simulator: Simulated[Any, Any, Any],
        round_trip: tuple[float, float] = RTT,
        hangs: Callable[[httpx.URL], bool] = lambda _: False,
    ) -> None:
        self._inner = httpx.ASGITransport(simulator.app)
        self._clock = LoopClock()
        self._random = Random(7)
        self._round_trip = round_trip
        self._hangs = hangs

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._clock.sleep(self._random.uniform(*self._round_trip) / 2)
        if self._hangs(request.url):
            await anyio.sleep_forever()
        response = await self._inner.handle_async_request(request)
        await self._clock.sleep(self._random.uniform(*self._round_trip) / 2)
        return response


class Watched(Ica):
    """Keeps the times of all polls."""

    asked: list[tuple[float, str, int]]

    async def poll(self, poll: Poll) -> PollResult:
        self.asked.append((virtual.LoopClock().monotonic(), poll.name, poll.page))
        return await super().poll(poll)


@dataclass
class Fleet:
    """The world and its database."""

    simulator: Simulator
    folder: Path
    items: int
    batches: int
    ends: dict[str, float] = field(default_factory=dict)
    """When each analysis ends, by its name."""

    async def track(
        self, strategy: Strategy, seconds: float, *, aim: float, way: Distant | None = None
    ) -> tuple[list[tuple[float, str, int]], RateLimiter]:
        """Let the daemon's own parts poll for so long, everything each `aim` seconds if they can; returns the polls.

        `way`: to the platform, where it is not the usual one. Where it hangs, steps may fail.
        """
        clock = LoopClock()
        await clock.sleep(PER)  # nothing that was asked before counts any more
        store = Store(virtual.held_database(world.sqlite_url(self.folder)))
        budget = RateLimiter(Limit(REQUESTS, PER), clock, MemorySlots(), Random(1))
        ica = Watched(
            remote=Remote(
                "http://ica/ica/rest", budget, clock, transport=way or Distant(self.simulator), classify=classify
            ),
            api_key="simulator",
            account="ica",
            instance="benchmark",
            page_size=1000,
            strategy=strategy,
            memory={"embedded": "live"},
            clock=clock,
        )
        ica.asked = []
        bus: Bus[Event] = Bus()
        failures: list[Event] = []
        bus.subscribe(lambda event: failures.append(event) if isinstance(event, _FAILURES) else None)
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as group:
                await daemon_loop(store, ica, budget, bus, group, targets=PollTargets(aim, aim)).run()
        await store.aclose()
        if failures and way is None:
            raise AssertionError(f"nothing should fail here: {failures[0]}")
        return ica.asked, budget


def daemon_loop(
    store: Store,
    platform: Platform,
    budget: RateLimiter,
    bus: Bus[Event],
    group: anyio.abc.TaskGroup,
    *,
    targets: PollTargets,
    account: str = "ica",
) -> Loop:
    """The parts of the daemon that submit and poll, for one account."""
    clock, waits, forecasts = LoopClock(), engine_retry_delays(Random(1)), Forecasts({})
    dispatch = Dispatch(
        account=account,
        limits=Limits(open_items=1_000_000, max_interval=targets.max_interval),
        platform=platform,
        limiter=budget,
        schedule=Schedule(targets, budget.budget_state),
        forecasts=forecasts,
        submitting=Submitting(platform=platform, skew=Skew(clock), store=store, clock=clock, bus=bus, pauses=waits),
        polling=Poller(account=account, platform=platform, forecasts=forecasts, store=store, clock=clock, bus=bus),
        aborting=Aborting(account=account, platform=platform, store=store, clock=clock, bus=bus),
        store=store,
        clock=clock,
        bus=bus,
        retry_delays=waits,
        group=group,
    )
    loop = Loop(dispatch, clock=clock, bus=bus, retry_delays=waits)
    dispatch.wake = loop.wake
    return loop


async def launch(folder: Path, *, items: int, batches: int, rest: float = 1200.0) -> Fleet:
    """Create the analyses, wait for so many seconds, and write down what the daemon would know of them by then."""
    clock = LoopClock()
    knobs = Knobs(requests=REQUESTS, per=PER, analysis_seconds=_LENGTH, jitter=0.99, creation_seconds=1.0)
    simulator = Simulator(Config(knobs=replace(knobs, requests=10**9)), clock)
    store = Store(virtual.held_database(await new_database(folder)))
    await store.memory.instance("benchmark")
    await world.add_job(store, "run", items, clock.now(), batch_size=items // batches)
    remote = Remote(
        "http://ica/ica/rest",
        RateLimiter(Limit(10**6, PER), clock, MemorySlots(), Random(1)),
        clock,
        transport=httpx.ASGITransport(simulator.app),
        classify=classify,
    )
    ica = Ica(
        remote=remote,
        api_key="simulator",
        account="ica",
        instance="benchmark",
        page_size=1000,
        strategy="auto",
        memory={},
        clock=clock,
    )
    remote_ids, submitted_at = {}, clock.now()
    (job,) = await store.jobs.list()
    for batch in await store.batches.of_job(job.id):
        submission = ica.compose(batch, await store.items.of_batch(batch))
        assert submission is not None
        submitted = await ica.submit(_with(batch, submission))
        remote_ids[batch.id] = submitted.remote_id
    await store.aclose()
    await clock.sleep(rest)
    analyses = {row.user_reference: row for row in simulator._world.analyses}  # noqa: SLF001 - the whole truth at once
    _write_down(folder, submitted_at, job.id, remote_ids, {name: row.id for name, row in analyses.items()})
    simulator.knobs = knobs
    return Fleet(simulator, folder, items, batches, {name: row.timeline.ends for name, row in analyses.items()})


async def new_database(folder: Path) -> sa.URL:
    """An empty database in this folder."""
    with virtual.hold():
        await upgrade.upgrade(f"sqlite:///{folder / 'orchestrator.db'}")
    return world.sqlite_url(folder)


def seen_at(folder: Path) -> dict[str, float]:
    """When the database came to know how each item ended, by its key, on the monotonic clock of virtual time."""
    zero = LoopClock().now() - round(LoopClock().monotonic() * SECOND)
    with sqlite3.connect(folder / "orchestrator.db") as database:
        told = database.execute(
            "SELECT i.key, min(e.at) FROM events e JOIN items i ON i.job = e.job AND i.seq = e.seq "
            "WHERE e.event = 'item' AND e.new = 'succeeded' GROUP BY i.key"
        ).fetchall()
    database.close()
    return {name: (at - zero) / SECOND for name, at in told}


def _with(batch: Batch, submission: Submission) -> Batch:
    return replace(batch, submission=submission)


def _write_down(
    folder: Path, now: int, job: str, remote_ids: dict[BatchId, str | None], analyses: dict[str, str]
) -> None:
    """All is created and runs, as the daemon would have found after a while."""
    with sqlite3.connect(folder / "orchestrator.db") as database:
        database.executemany(
            "UPDATE batches SET state = 'tracking', creating = 0, status = 'SUCCEEDED', status_final = 1, "
            "remote_id = ?, submitted_at = ? WHERE id = ?",
            [(remote_id, now, batch) for batch, remote_id in remote_ids.items()],
        )
        database.executemany(
            "UPDATE items SET stage = 'analysis', state = 'running', status = 'IN_PROGRESS', remote_id = ?, "
            "submitted_at = ? WHERE job = ? AND key = ?",
            [(analysis, now, job, name) for name, analysis in analyses.items()],
        )
        database.execute("UPDATE jobs SET state = 'running', n_running = n_pending, n_pending = 0, sent_at = ?", (now,))
    database.close()
