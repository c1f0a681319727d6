"""The adapter against the simulated Seven Bridges, in virtual time, under an engine that can be read at a glance."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import anyio
import httpx
import pytest
from planned_batch import planned_batch

from orchestrator.clock import ManualClock
from orchestrator.domain.errors import Unconfirmed
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
    Receipt,
)
from orchestrator.platforms.by_kind import ByKind
from orchestrator.platforms.http.transport import Remote
from orchestrator.platforms.rate_limit.limiter import RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots
from orchestrator.platforms.rate_limit.window import Limit
from orchestrator.platforms.sevenbridges.classification import classify
from orchestrator.platforms.sevenbridges.kinds import KINDS
from orchestrator.platforms.sevenbridges.platform import connect
from orchestrator.simulator import Fault, FaultKind
from orchestrator.simulator.sevenbridges import Config, Knobs, Simulator

PROJECT = "lab/cohort"
BY_SETTING = {kind.setting: kind for kind in KINDS}


@dataclass
class Lab:
    """One account, one simulated platform, and what an engine would keep of them."""

    clock: ManualClock
    simulator: Simulator
    page_size: int
    platform: ByKind = field(init=False)
    budget: RateLimiter = field(init=False)
    batches: dict[str, Batch] = field(default_factory=dict)
    items: dict[tuple[str, int], Item] = field(default_factory=dict)
    contradictions: list[Contradiction] = field(default_factory=list)
    unknown_objects: list[ItemReport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Another process: the adapter remembers nothing."""
        self.budget = RateLimiter(Limit(10_000, 300.0), self.clock, MemorySlots(), Random(1))
        remote = Remote(
            f"http://platform{self.simulator.base_path}",
            self.budget,
            self.clock,
            random=Random(1),
            transport=httpx.ASGITransport(self.simulator.app),
            classify=classify,
        )
        self.platform = connect(
            remote=remote, secret="simulator", instance="lab", page_size=self.page_size, clock=self.clock
        )

    # ------------------------------------------------------------ work

    def plan(self, setting: str, *requests: dict[str, Any], job: str = "run", options: Any = None) -> Batch:
        """A batch as intake would plan it."""
        kind = BY_SETTING[setting]
        for request in requests:
            assert kind.mistakes_of_item(request, None) == (), request
        number = sum(batch.job_name == job for batch in self.batches.values()) + 1
        begin = sum(owner == job for owner, _ in self.items)
        batch = planned_batch(
            job=job,
            number=number,
            items=len(requests),
            id=BatchId(f"{job}/{number}"),
            account="sb",
            project=PROJECT,
            kind=kind.name,
            key=batch_key("lab", job, str(number), 0),
            planned_at=self.clock.now(),
            first_stage=kind.first_stage,
            options=json.dumps(options).encode() if options else None,
        )
        for seq, request in enumerate(requests, begin + 1):
            self.items[job, seq] = Item(
                job=JobId(job),
                seq=seq,
                key=kind.key_of(request) or "",
                batch=number,
                stage=kind.first_stage,
                state=ItemState.PENDING,
                status=None,
                remote_id=None,
                detail=None,
                request=json.dumps(request).encode(),
            )
        self.batches[batch.key] = batch
        return batch

    def composed(self, batch: Batch) -> Batch:
        """The batch with what it sends, as the engine stores it before the send."""
        now = self.clock.now()
        if batch.submission is None:
            submission = self.platform.compose(batch, self.of(batch))
            assert submission is not None
            batch = replace(batch, submission=submission, resend=submission.resend)
        sent = replace(batch, first_sent_at=batch.first_sent_at or now, sent_at=now, sends=batch.sends + 1)
        self.batches[batch.key] = sent
        return sent

    async def step(self, batch: Batch) -> Batch:
        """Send the next submission of a batch, and take the answer."""
        sent = self.composed(batch)
        return self.take(sent, await self.platform.submit(sent))

    async def lose(self, batch: Batch) -> Batch:
        """Send the next submission of a batch, and lose the answer."""
        sent = self.composed(batch)
        with pytest.raises(Unconfirmed):
            await self.platform.submit(sent)
        return self._keep(replace(sent, in_doubt=True, state=BatchState.UNCONFIRMED))

    async def send(self, batch: Batch) -> Batch:
        """Send all submissions of a batch."""
        batch = await self.step(batch)
        while batch.state is BatchState.PLANNED:
            batch = await self.step(batch)
        return batch

    async def submit(self, setting: str, *requests: dict[str, Any], **more: Any) -> Batch:
        return await self.send(self.plan(setting, *requests, **more))

    def take(self, batch: Batch, receipt: Receipt) -> Batch:
        """What an engine makes of a receipt."""
        if receipt.more:
            for report in receipt.items:
                item = self._item(report)
                assert item is not None, report
                self.items[item.job, item.seq] = replace(item, remote_id=report.remote_id, status=report.status)
            stepped = replace(batch, step=batch.step + 1, submission=None, state=BatchState.PLANNED, in_doubt=False)
            return self._keep(
                replace(stepped, remote_id=receipt.remote_id or batch.remote_id, first_sent_at=None, sends=0)
            )
        for item in self.of(batch):
            if item.state is ItemState.PENDING:
                self.items[item.job, item.seq] = replace(item, state=ItemState.SUBMITTED)
        tracked = replace(
            batch,
            state=BatchState.TRACKING,
            remote_id=receipt.remote_id or batch.remote_id,
            status=receipt.status,
            status_final=receipt.final,
            in_doubt=False,
        )
        self._keep(tracked)
        self.observe(receipt.items)
        return self.batches[batch.key]

    def of(self, batch: Batch) -> list[Item]:
        return [item for item in self.items.values() if (item.job, item.batch) == (batch.job, batch.number)]

    # ------------------------------------------------------------ polls

    async def finish(self, *, pause: float = 5.0, rounds: int = 200) -> int:
        """Poll until all is final; returns the rounds it took."""
        for done in range(rounds):
            await self.poll()
            if all(item.state.final for item in self.items.values()):
                return done + 1
            await self.clock.advance(pause)
        left = [item for item in self.items.values() if not item.state.final]
        raise AssertionError(f"not final after {rounds} rounds: {left[:3]}")

    async def poll(self) -> None:
        """Each poll of what is tracked, once."""
        tracked = [batch for batch in self.batches.values() if batch.state is BatchState.TRACKING]
        for poll in self.platform.polls([batch for batch in tracked if batch.open]):
            for portion in self._portions(poll):
                page: Poll | None = replace(poll, named=tuple(portion))
                while page is not None:
                    result = await self.platform.poll(page)
                    self.observe(result.observations)
                    page = result.next

    def _portions(self, poll: Poll) -> Iterator[Sequence[Item]]:
        assert poll.names, "every poll of this platform names its items"
        named = [
            item
            for item in self.items.values()
            if (item.job, item.batch) in poll.homes and item.stage in poll.expects and not item.state.final
        ]
        for begin in range(0, len(named), poll.names):
            yield named[begin : begin + poll.names]

    def observe(self, observations: Sequence[Observation]) -> None:
        """Apply what was reported."""
        for report in observations:
            match report:
                case ItemReport():
                    self._apply(report)
                case BatchReport(batch=key, status=status, final=final):
                    self._keep(replace(self.batches[key], status=status, status_final=final))
                case Learned():
                    raise AssertionError("this platform has nothing to be learned")

    def _apply(self, report: ItemReport) -> None:
        item = self._item(report)
        if item is None and report.parent is not None:
            item = self._add(report)
        if item is None:
            self.unknown_objects.append(report)
            return
        match decide(item, report):
            case Change() as change:
                below = [each for each in self.items.values() if (each.job, each.parent) == (item.job, item.seq)]
                held = change.state.final and any(not each.state.final for each in below)
                self.items[item.job, item.seq] = replace(
                    item,
                    stage=change.stage,
                    state=ItemState.RUNNING if held else change.state,
                    status=change.status,
                    remote_id=change.remote_id,
                    detail=change.detail,
                    facts=report.facts or item.facts,
                )
            case Contradiction() as contradiction:
                self.contradictions.append(contradiction)
        batch = self.batches[report.batch]
        left = [each for each in self.of(batch) if not each.state.final]
        found = sum(each.parent is not None for each in left)
        self._keep(replace(batch, open=len(left), found_open=found))

    def _add(self, report: ItemReport) -> Item:
        batch = self.batches[report.batch]
        seq = max(seq for job, seq in self.items if job == batch.job) + 1
        parent = self.items[batch.job, report.parent or 0]
        self.items[batch.job, parent.seq] = replace(parent, found=parent.found + 1)
        item = Item(
            job=batch.job,
            seq=seq,
            key=report.key or "",
            batch=batch.number,
            stage=report.stage,
            state=ItemState.SUBMITTED,
            status=None,
            remote_id=report.remote_id,
            detail=None,
            parent=report.parent,
        )
        self.items[batch.job, seq] = item
        return item

    def _item(self, report: ItemReport) -> Item | None:
        batch = self.batches[report.batch]
        for item in self.of(batch):
            if report.seq in {None, item.seq} and report.key in {None, item.key}:
                return item
        return None

    def _keep(self, batch: Batch) -> Batch:
        self.batches[batch.key] = batch
        return batch

    # ------------------------------------------------------------ judging

    def states(self) -> dict[str, str]:
        """Of the items that were asked for."""
        return {item.key: item.state.value for item in self.items.values() if item.parent is None}

    def found(self) -> list[Item]:
        return [item for item in self.items.values() if item.parent is not None]

    def item(self, key: str) -> Item:
        return next(item for item in self.items.values() if item.key == key)

    def made(self, effect: str) -> Counter[str]:
        """How often the simulator did something, by the client's name of the thing."""
        return Counter({name: count for (kind, name), count in self.simulator.truth.made().items() if kind == effect})

    def calls(self, operation: str) -> int:
        return self.simulator.ledger.calls[operation]

    def fault(self, kind: FaultKind, operation: str, **more: Any) -> None:
        """Something goes wrong with the next request of this operation."""
        rule = Fault(kind=kind, operation=operation, **({"count": 1} | more))
        self.simulator.faults.add(rule, self.clock.monotonic())


@pytest.fixture
def make_lab() -> Callable[..., Lab]:
    """Makes a lab out of faults and the simulator's knobs."""

    def make(*faults: Fault, page_size: int = 100, **knobs: Any) -> Lab:
        clock = ManualClock()
        simulator = Simulator(Config(seed=7, faults=faults, knobs=Knobs(**({"requests": 10_000} | knobs))), clock)
        return Lab(clock, simulator, page_size)

    return make


@pytest.fixture
def lab(make_lab: Callable[..., Lab]) -> Lab:
    """A lab as it comes."""
    return make_lab()


@pytest.fixture
def in_time() -> Callable[[Lab, Awaitable[Any]], Awaitable[Any]]:
    """Runs something to its end, moving the clock on whenever everybody sleeps."""

    async def run(lab: Lab, work: Awaitable[Any]) -> Any:
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
                    await lab.clock.advance(max(0.0, lab.clock.next_deadline - lab.clock.monotonic()))
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    return run
