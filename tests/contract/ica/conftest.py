"""The adapter against the simulator, in virtual time, under an engine small enough to read at a glance."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import anyio
import httpx
import pytest
from planned_batch import planned_batch
from platform_setups import ICA, PlatformSetup
from stages import Stage

from orchestrator.clock import ManualClock
from orchestrator.domain.identity import batch_key
from orchestrator.domain.lifecycle import Change, Contradiction, decide
from orchestrator.domain.model import (
    Batch,
    BatchId,
    BatchReport,
    BatchState,
    Item,
    ItemReport,
    ItemState,
    JobId,
    Learned,
    Observation,
    Poll,
)
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.ica.polling.routes import wanted
from orchestrator.platforms.platform import Platform
from orchestrator.platforms.rate_limit.limiter import RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots
from orchestrator.platforms.rate_limit.window import Limit
from orchestrator.simulator.simulated import Simulated

PROJECT = "11111111-1111-1111-1111-111111111111"
PIPELINE = "f606f580-d476-47a8-9679-9ddb39fcb0a8"
CREATION, LINKING = "ica.analysis_creation", "ica.data_linking"


@dataclass
class Bench:
    """One account, one simulated platform, and what an engine would keep of them."""

    clock: ManualClock
    simulator: Simulated[Any, Any, Any]
    ica: Platform
    setup: PlatformSetup = ICA
    batches: dict[str, Batch] = field(default_factory=dict)
    items: dict[tuple[str, int], Item] = field(default_factory=dict)
    memory: dict[str, str] = field(default_factory=dict)
    learned: list[Learned] = field(default_factory=list)
    changes: Counter[tuple[str, int]] = field(default_factory=Counter)
    contradictions: list[Contradiction] = field(default_factory=list)
    unknown_objects: list[ItemReport] = field(default_factory=list)
    polls: list[Poll] = field(default_factory=list)
    bad_rows: int = 0
    restarts: int = 0

    # ------------------------------------------------------------ work

    def plan(
        self,
        kind: str,
        names: Sequence[str],
        *,
        job: str = "run",
        project: str = PROJECT,
        options: Mapping[str, Any] | None = None,
    ) -> Batch:
        """A batch as intake would plan it, one item a name."""
        number = sum(batch.job_name == job for batch in self.batches.values()) + 1
        begin = sum(seq > 0 and owner == job for owner, seq in self.items)
        batch = planned_batch(
            job=job,
            number=number,
            items=len(names),
            id=BatchId(f"{job}/{number}"),
            account=self.setup.name,
            project=project,
            kind=kind,
            engine="nextflow",
            key=batch_key("bench", job, str(number), 0),
            creating=len(names) if kind == CREATION else 0,
            first_sent_at=self.clock.now(),
            sent_at=self.clock.now(),
            planned_at=self.clock.now(),
            options=json.dumps(options).encode() if options else None,
        )
        for seq, name in enumerate(names, begin + 1):
            self.items[job, seq] = Item(
                job=JobId(job),
                seq=seq,
                key=name,
                batch=number,
                stage=self.ica.kinds[kind].first_stage,
                state=ItemState.SUBMITTED,
                status=None,
                remote_id=None,
                detail=None,
                request=json.dumps(self.request_of(kind, name)).encode(),
            )
        batch = replace(batch, submission=self.ica.compose(batch, self.of(batch)))
        self.batches[batch.key] = batch
        return batch

    def request_of(self, kind: str, name: str) -> dict[str, Any]:
        """A native object for an item of that name."""
        [short] = [short for short, each in self.setup.kinds.items() if each == kind]
        return self.setup.request(short, name)

    async def submit(self, kind: str, names: Sequence[str], **where: Any) -> Batch:
        """Plan a batch, send it, track it."""
        batch = self.plan(kind, names, **where)
        created = await self.ica.submit(batch)
        return self.track(batch, created.remote_id)

    def track(self, batch: Batch, remote_id: str | None) -> Batch:
        tracked = replace(batch, state=BatchState.TRACKING, remote_id=remote_id)
        self.batches[batch.key] = tracked
        return tracked

    def of(self, batch: Batch) -> list[Item]:
        return [item for item in self.items.values() if (item.job, item.batch) == (batch.job, batch.number)]

    # ------------------------------------------------------------ looking

    async def watch(self, *, pause: float = 10.0, rounds: int = 200) -> int:
        """Look at everything, again and again, until all is final; returns the rounds it took."""
        for done in range(rounds):
            tracking = [batch for batch in self.batches.values() if batch.state is BatchState.TRACKING]
            for poll in self.ica.polls([batch for batch in tracking if batch.open or not batch.status_final]):
                await self.sweep(poll)
            if all(not batch.open and batch.status_final for batch in self.batches.values()):
                return done
            await self.clock.advance(pause)
        open_items = [item for item in self.items.values() if not item.state.final]
        raise AssertionError(f"not final after {rounds} rounds: {open_items[:3]}, {list(self.batches.values())[:1]}")

    async def sweep(self, poll: Poll) -> None:
        """Ask all pages, then follow up what they did not tell."""
        self.polls.append(poll)
        seen: set[tuple[str, int]] = set()
        page: Poll | None = poll
        while page is not None:
            result = await self.ica.poll(page)
            if result.restarted:
                self.restarts += 1
                seen.clear()
            self.bad_rows += result.bad_rows
            seen |= self.observe(result.observations)
            page = result.next
        missing = [item for item in self._expected(poll) if (item.job, item.seq) not in seen]
        if missing:
            for follow_up in self.ica.follow_up(poll, missing) or ():
                await self.sweep(follow_up)

    def observe(self, observations: Sequence[Observation]) -> set[tuple[str, int]]:
        """Apply what was said; returns the items that it was said about."""
        seen = set()
        for told in observations:
            match told:
                case ItemReport():
                    home = self._home(told)
                    if home is None:
                        self.unknown_objects.append(told)
                    else:
                        seen.add(home)
                        self._apply(home, told)
                case BatchReport(batch=key, status=status, final=final):
                    self.batches[key] = replace(self.batches[key], status=status, status_final=final)
                case Learned(name=name, value=value):
                    self.memory[name] = value
                    self.learned.append(told)
        return seen

    def _expected(self, poll: Poll) -> list[Item]:
        homes = set(poll.homes)
        return [
            item
            for item in self.items.values()
            if (item.job, item.batch) in homes
            and item.stage in poll.expects
            and not item.state.final
            and (not wanted(poll.named) or (item.remote_id or "") in wanted(poll.named))
        ]

    def _home(self, told: ItemReport) -> tuple[str, int] | None:
        batch = self.batches.get(told.batch)
        if batch is None:
            return None
        named = self.items.get((batch.job, told.seq)) if told.seq is not None else None
        for item in [named] if named is not None else self.of(batch):
            if item.batch == batch.number and told.key in (None, item.key):
                return item.job, item.seq
        return None

    def _apply(self, home: tuple[str, int], told: ItemReport) -> None:
        item = self.items[home]
        match decide(item, told):
            case Change() as change:
                self.changes[home] += 1
                self.items[home] = replace(
                    item,
                    stage=change.stage,
                    state=change.state,
                    status=change.status,
                    remote_id=change.remote_id,
                    detail=change.detail,
                )
                self._count(self.batches[told.batch])
            case Contradiction() as contradiction:
                self.contradictions.append(contradiction)

    def _count(self, batch: Batch) -> None:
        left = [item for item in self.of(batch) if not item.state.final]
        creating = sum(item.stage == Stage.CREATION for item in left)
        self.batches[batch.key] = replace(self.batches[batch.key], open=len(left), creating=creating)

    # ------------------------------------------------------------ judging

    def ends(self) -> dict[str, str | None]:
        """The last word of each item, by its key."""
        return {item.key: item.status for item in self.items.values()}

    def truth(self) -> dict[str, str | None]:
        """The same, by the simulator's own account."""
        analyses = {name: statuses[-1] for name, statuses in self.simulator.truth.by_reference().items()}
        links = {data_id: link.status for (_, data_id), link in self.simulator.truth.links().items()}
        return analyses | links

    def asked(self) -> Counter[str]:
        """Requests so far, by operation."""
        return Counter({name: count for name, count in self.simulator.ledger.calls.items() if "/" not in name})


@pytest.fixture
def bench() -> Callable[..., Bench]:
    """Builds a bench; keywords are the simulator's knobs, but for those that the account takes."""

    def build(
        *,
        faults: Sequence[Any] = (),
        page_size: int = 1000,
        strategy: str = "auto",
        memory: dict[str, str] | None = None,
        api_key: str = "simulator",
        setup: PlatformSetup = ICA,
        **knobs: Any,
    ) -> Bench:
        clock = ManualClock()
        simulator = setup.simulate(clock, knobs={"requests": 10_000, **knobs}, faults=tuple(faults))
        budget = RateLimiter(Limit(10_000, 300.0), clock, MemorySlots(), Random(1))
        remote = Remote(
            f"http://platform{simulator.base_path}",
            budget,
            clock,
            random=Random(1),
            transport=httpx.ASGITransport(simulator.app),
            classify=setup.classify,
        )
        account = setup.connect(
            remote=remote,
            api_key=api_key,
            account=setup.name,
            instance="bench",
            page_size=page_size,
            strategy=strategy,
            memory=memory or {},
            clock=clock,
        )
        return Bench(clock, simulator, account, setup)

    return build


@pytest.fixture
def in_time() -> Callable[[Bench, Awaitable[Any]], Awaitable[Any]]:
    """Runs something to its end, moving the clock on whenever everybody sleeps."""

    async def run(bench: Bench, work: Awaitable[Any]) -> Any:
        outcome: list[Any] = []

        async def act() -> None:
            try:
                outcome.append(await work)
            except Exception as error:  # noqa: BLE001 - raised again where it is awaited, not inside a task group
                outcome.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(act)
            while not outcome:
                await anyio.wait_all_tasks_blocked()
                if not outcome:
                    await bench.clock.advance(max(0.0, bench.clock.next_deadline - bench.clock.monotonic()))
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    return run
