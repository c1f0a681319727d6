"""A whole world in one process: the real store, engine and adapter, a simulated platform, and time that costs nothing.

The real dispatch decides what is done next. Its steps run one by one, and whoever waits for a time is there at once.
"""

import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from inline_sqlite import run_inline
from platform_setups import ICA, PIPELINE, PlatformSetup, request_bytes
from session_jobs import SESSIONS
from virtual_time import Killed, OurClock, Steps, Time

from orchestrator.domain.errors import Refused
from orchestrator.domain.model import Batch, BatchState, Item, Job, JobSpec, JobState, NewItem, RetryPolicy
from orchestrator.domain.polling.targets import PollTargets
from orchestrator.domain.units import SECOND
from orchestrator.engine import dispatch
from orchestrator.engine.dispatch import Dispatch, Limits
from orchestrator.engine.polling.forecast import Forecasts
from orchestrator.engine.polling.poller import Poller
from orchestrator.engine.polling.schedule import Schedule
from orchestrator.engine.steps.aborting import Aborting
from orchestrator.engine.steps.submitting import Submitting
from orchestrator.engine.stopped_jobs import report_stopped
from orchestrator.platforms.http.clock_skew import Skew
from orchestrator.platforms.http.transport import Exchange, Remote
from orchestrator.platforms.ica.sessions import selectors
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.rate_limit.limiter import RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots
from orchestrator.platforms.rate_limit.window import Limit
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.simulated import Simulated
from orchestrator.store.store import Store
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event

MOST_TURNS = 20_000


@dataclass
class World:
    """One daemon with one account, one simulated platform, and the evidence of both."""

    folder: Path
    time: Time
    clock: OurClock
    simulator: Simulated[Any, Any, Any]
    template: Path
    setup: PlatformSetup = ICA
    open_items: int = 5000
    page_size: int = 1000
    strategy: str = "auto"
    budget: int = 10_000
    events: list[Event] = field(default_factory=list)
    duplicates_expected: bool = False
    store: Store = field(init=False)
    platform: Platform = field(init=False)
    dispatch: Dispatch = field(init=False)
    polling: Poller = field(init=False)
    submitting: Submitting = field(init=False)
    _steps: Steps = field(init=False)

    pipeline = PIPELINE
    refusal = Refused("400", 400, "bad", "one of the items")
    retry_twice = RetryPolicy(attempts=2, on=frozenset({"FAILED"}))
    create, link = "createAnalysisCreationBatch", "createProjectDataLinkingBatch"

    @property
    def project(self) -> str:
        return self.setup.project

    @property
    def database(self) -> Path:
        return self.folder / "orchestrator.db"

    async def start(self, *, api_key: str = "simulator") -> None:
        """Start as the daemon does: what was being sent has an unknown outcome."""
        if not self.database.exists():
            shutil.copyfile(self.template, self.database)
        self.store = await Store.open(f"sqlite:///{self.database}", state_directory=self.folder)
        instance = await self.store.memory.instance("world")
        await self.store.advance.recover(self.clock.now())
        self._build(instance, api_key, await self.store.memory.recall(self.setup.name))

    def _build(self, instance: str, api_key: str, memory: dict[str, str]) -> None:
        clock, store, bus = self.clock, self.store, Bus[Event]()
        bus.subscribe(self.events.append)
        store.advance.job_changed = report_stopped(bus.publish)
        skew = Skew(clock)

        def observe(exchange: Exchange) -> None:
            skew.heard(exchange.server_date)

        budget = RateLimiter(Limit(self.budget, 300.0), clock, MemorySlots(), Random(1))
        remote = Remote(
            f"http://platform{self.simulator.base_path}",
            budget,
            clock,
            random=Random(1),
            transport=httpx.ASGITransport(self.simulator.app),
            observer=observe,
            classify=self.setup.classify,
        )
        self.platform = self.setup.connect(
            remote=remote,
            api_key=api_key,
            account=self.setup.name,
            instance=instance,
            page_size=self.page_size,
            strategy=self.strategy,
            memory=memory,
            clock=clock,
            sent_besides=store.batches.sent_besides,
            items_of=store.items.of_batch,
        )
        forecasts = Forecasts(memory)
        self.polling = Poller(
            account=self.setup.name, platform=self.platform, forecasts=forecasts, store=store, clock=clock, bus=bus
        )
        self.submitting = Submitting(
            platform=self.platform, skew=skew, store=store, clock=clock, bus=bus, pauses=_pauses
        )
        self._steps = Steps()
        self.dispatch = Dispatch(
            account=self.setup.name,
            limits=Limits(open_items=self.open_items, max_interval=300.0),
            platform=self.platform,
            limiter=budget,
            schedule=Schedule(PollTargets(10.0, 300.0), budget.budget_state),
            forecasts=forecasts,
            submitting=self.submitting,
            polling=self.polling,
            aborting=Aborting(account=self.setup.name, platform=self.platform, store=store, clock=clock, bus=bus),
            store=store,
            clock=clock,
            bus=bus,
            retry_delays=_pauses,
            group=self._steps,
        )

    async def stop(self) -> None:
        await self.store.aclose()

    async def restart(self, **given: str) -> None:
        await self.stop()
        await self.start(**given)

    def kill_after(self, commits: int) -> None:
        """The process dies right after so many more transactions: whatever runs then raises `Killed`."""
        database, left = self.store._database, [commits]
        write = database.write

        @asynccontextmanager
        async def counted(**options: Any) -> AsyncIterator[Any]:
            async with write(**options) as connection:
                yield connection
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        database.write = counted

    async def killed_or(self, act: Awaitable[None]) -> bool:
        """Whether the process died before this came to its end; then it starts again."""
        try:
            await act
        except Killed:
            await self.restart()
            return True
        return False

    async def backup(self) -> Path:
        """A copy of the database, as somebody makes one with the daemon stopped."""
        await self.stop()
        copy = Path(shutil.copyfile(self.database, self.folder / "backup.db"))
        await self.start()
        return copy

    async def restore(self, copy: Path | None) -> None:
        """Yesterday's database in the place of today's; None: an empty one."""
        await self.stop()
        for path in self.folder.glob("orchestrator.db*"):
            path.unlink()
        if copy is not None:
            shutil.copyfile(copy, self.database)
        await self.start()

    async def lose_database(self) -> None:
        """The disk is gone; the configuration, with its `instance`, is not."""
        await self.restore(None)

    async def submit(
        self, name: str, keys: Sequence[str], *, kind: str = "analyses", batch_size: int = 100, **spec: Any
    ) -> None:
        """A job as intake hands it to the store."""
        given = {
            "kind": self.setup.kinds[kind],
            "account": self.setup.name,
            "project": self.project,
            "digest": f"of {name}",
        }
        given["engine"] = self.setup.engines.get(kind)
        asked = self.platform.kinds[given["kind"]]
        given |= {"first_stage": asked.first_stage, "follow_only": asked.follow_only}
        filled = JobSpec(name=name, **{**given, "batch_size": batch_size, **spec})
        job = await self.store.jobs.load(filled, self.clock.now())
        await self.store.jobs.add_items(
            job, [NewItem(seq, key, request_bytes(self.setup, kind, key)) for seq, key in enumerate(keys, start=1)]
        )
        await self.store.jobs.commit([job], self.clock.now())

    async def turn(self) -> float:
        """Do all that is due now; returns the seconds until there may be more."""
        for _ in range(MOST_TURNS):
            pause = await self.dispatch.turn()
            if not await self._steps.run():
                return pause
        raise AssertionError("there is always something due at once")

    async def run_for(self, seconds: float) -> None:
        """Let the daemon work for so long."""
        end = self.time.monotonic() + seconds
        for _ in range(MOST_TURNS):
            pause = max(await self.turn(), 0.001)
            left = end - self.time.monotonic()
            self.time.move(min(pause, left))
            if pause >= left:
                return
        raise AssertionError(f"too many turns: {self.events[-3:]}")

    async def until(self, true: Callable[[], Awaitable[bool]], *, within: float = 3600.0) -> None:
        """Let the daemon work until this holds; fails when it does not within so many seconds."""
        end = self.time.monotonic() + within
        while not await true():
            pause = max(await self.turn(), 0.001)
            if self.time.monotonic() >= end:
                raise AssertionError(await self.report())
            self.time.move(min(pause, end - self.time.monotonic()))

    async def until_settled(self, *names: str, within: float = 3600.0) -> None:
        """Let the daemon work until these jobs have settled."""
        read_at = -1

        async def settled() -> bool:
            nonlocal read_at
            unchanged, read_at = read_at == self.store.writes, self.store.writes
            return not unchanged and all([(await self.job(name)).state.settled for name in names])

        await self.until(settled, within=within)

    async def until_state(
        self, state: BatchState, *, name: str = "run", number: int = 1, within: float = 3600.0
    ) -> Batch:
        """Let the daemon work until this batch is in that state."""

        async def there() -> bool:
            return (await self.batch(number, name)).state is state

        await self.until(there, within=within)
        return await self.batch(number, name)

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: nobody does anything."""
        self.time.move(seconds)

    def fault(self, kind: FaultKind, operation: str = create, **more: Any) -> None:
        """From now on this happens to such calls."""
        self.simulator.faults.add(Fault(kind=kind, operation=operation, **more), self.time.monotonic())

    def hide_jobs(self) -> None:
        """The list of jobs leaves out a row each time; with a `search_lag`, nothing shows new work meanwhile."""
        self.fault(FaultKind.QUIRK, "getJobs", quirk="item_vanishes")

    # ------------------------------------------------------------ what our books say

    async def job(self, name: str = "run") -> Job:
        job = await self.store.jobs.get(name)
        assert job is not None
        return job

    async def items(self, name: str = "run") -> dict[str, Item]:
        items = self.store.items.stream((await self.job(name)).id, superseded=True)
        return {item.key: item async for chunk in items for item in chunk}

    async def states(self, name: str = "run") -> dict[str, str]:
        return {item.key: str(item.state) for item in (await self.items(name)).values()}

    async def batches(self, name: str = "run") -> list[Batch]:
        return await self.store.batches.of_job((await self.job(name)).id)

    async def batch(self, number: int = 1, name: str = "run") -> Batch:
        return {batch.number: batch for batch in await self.batches(name)}[number]

    async def report(self) -> str:
        """For people who read why a test failed."""
        lines = [str(event)[:300] for event in self.events[-5:]]
        for job in await self.store.jobs.list():
            lines.append(f"{job.spec.name}: {job.state} {job.needs} {job.detail} {dict(job.counts)}")
            lines += [
                f"  {batch.number} {batch.state} {batch.last_error}" for batch in await self.batches(job.spec.name)
            ]
        return "\n".join(lines)

    def published(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def audit(self) -> None:
        """The counters say what a recount says, and nothing is left over where a job has settled."""
        for job in await self.store.jobs.list():
            items = (await self.items(job.spec.name)).values()
            if not items:
                continue
            items = [item for item in items if not item.superseded]
            leaves = [item.state for item in items if not item.found]
            assert dict(job.counts) == dict(Counter(leaves)), job.spec.name
            batches = await self.batches(job.spec.name)
            for batch in batches:
                held = [item for item in items if item.batch == batch.number]
                assert (batch.items, batch.open) == (len(held), sum(not item.state.final for item in held))
            if job.state.settled and job.state is not JobState.SKIPPED:  # a skipped job may wait again
                assert {batch.state for batch in batches} <= {BatchState.SETTLED}

    # ------------------------------------------------------------ what the platform says

    def created(self) -> Counter[str]:
        """How often each analysis was created, by its userReference."""
        return Counter(effect.name for effect in self.simulator.ledger.effects("analysis"))

    def linked(self) -> Counter[str]:
        """How often each link was asked for, by its dataId."""
        return Counter(effect.name for effect in self.simulator.ledger.effects("link"))

    def calls(self, operation: str) -> int:
        return self.simulator.ledger.calls[operation]

    def answers(self, status: int) -> int:
        return sum(count for (_, code), count in self.simulator.ledger.answers.items() if code == status)


def _pauses(failures: int) -> float:
    return min(2.0 ** (failures - 1), 300.0)


@pytest.fixture
async def world(
    newest_sqlite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Starts worlds; keywords are the simulator's knobs, but for its seed and those that the daemon takes.

    Whatever a test did: the books must balance at its end, and nothing may have been paid twice.
    """
    # A look at the store when nothing is due costs time and changes nothing: here nobody writes behind our back.
    monkeypatch.setattr(dispatch, "IDLE_PAUSE", 3600.0)
    run_inline(monkeypatch)
    built: list[World] = []

    async def build(
        *, api_keys: tuple[str, ...] = ("simulator",), seed: int = 0, setup: PlatformSetup = ICA, **given: Any
    ) -> World:
        folder = tmp_path / str(len(built))
        folder.mkdir()
        ours = {name: given.pop(name) for name in ("open_items", "page_size", "strategy", "budget") if name in given}
        time, knobs = Time(), {"requests": ours.get("budget", World.budget), **given}
        simulator = setup.simulate(time, seed=seed, api_keys=api_keys, knobs=knobs)
        it = World(folder, time, OurClock(time), simulator, newest_sqlite, setup, **ours)
        await it.start()
        built.append(it)
        return it

    yield build
    for it in built:
        try:
            await it.audit()
            if not it.duplicates_expected:
                assert it.simulator.truth.duplicates() == {}
        finally:
            await it.stop()


@pytest.fixture
def session_lab(
    world: Callable[..., Awaitable[World]], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Awaitable[World]]:
    """Starts worlds on ICA, where searches of sessions are taken to be complete after 20 seconds."""
    monkeypatch.setattr(selectors, "INDEX_LAG", 20 * SECOND)

    async def build(**given: Any) -> World:
        return await world(setup=SESSIONS, **{"jitter": 0.0, "session_seconds": 40.0, **given})

    return build
