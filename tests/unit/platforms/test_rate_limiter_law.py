"""The law of the budget, on a virtual clock: whatever the latency, the platform never counts more than it grants."""

import heapq
import math
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.platforms.rate_limit.lanes import Ticket
from orchestrator.platforms.rate_limit.limiter import URGENT, Lane, Limit
from orchestrator.platforms.rate_limit.pacing import Schedule
from orchestrator.platforms.rate_limit.slots import MARGIN, MemorySlots, SlotFile, SlotStore
from orchestrator.platforms.rate_limit.window import Window

BOOT = "00000000-0000-4000-8000-000000000001"


class Sliding:
    """Counts the requests of the last window, at every moment."""

    def __init__(self, limit: int, per: float) -> None:
        self.limit, self.per, self.log = limit, per, deque[float]()

    def admits(self, at: float) -> bool:
        while self.log and self.log[0] <= at - self.per:
            self.log.popleft()
        self.log.append(at)
        return len(self.log) <= self.limit


class Fixed:
    """Counts from one multiple of the window, past an anchor, to the next."""

    def __init__(self, limit: int, per: float, anchor: float) -> None:
        self.limit, self.per, self.anchor, self.current, self.count = limit, per, anchor, -math.inf, 0

    def admits(self, at: float) -> bool:
        number = math.floor((at - self.anchor) / self.per)
        self.count = self.count + 1 if number == self.current else 1
        self.current = number
        return self.count <= self.limit


class FromFirst:
    """Opens a window at the first request after the last window ended."""

    def __init__(self, limit: int, per: float) -> None:
        self.limit, self.per, self.opened, self.count = limit, per, -math.inf, 0

    def admits(self, at: float) -> bool:
        if at >= self.opened + self.per:
            self.opened, self.count = at, 0
        self.count += 1
        return self.count <= self.limit


@dataclass(frozen=True)
class Fate:
    """What the network makes of one request: seconds from its send to its count, and on to its answer, if it comes."""

    counted: float
    answered: float | None
    broken: float = 0.0
    """Seconds from its send until we know that no answer will come; it may be counted after that."""


@dataclass
class World:
    """Requests, a schedule that meters them and a platform that counts them: one event at a time, in order."""

    limit: Limit
    store: Callable[[], SlotStore]
    platforms: list[Sliding | Fixed | FromFirst]
    fate: Callable[[], Fate]
    timeout: float = 5.0
    stamp_at_send: bool = False
    now: float = 1_000.0
    counted: list[float] = field(default_factory=list)
    refused: int = 0
    waits: list[float] = field(default_factory=list)
    closed_until: float = -math.inf
    sent_while_closed: int = 0

    def __post_init__(self) -> None:
        self.order = 0
        self.gave_up: set[Ticket | None] = set()
        self.events: list[tuple[float, int, str, Ticket | None]] = []
        self.start()

    def start(self) -> None:
        """Begin with what the store remembers; nothing else is known."""
        self.schedule = Schedule(Window(self.limit, self.store(), self.now), self.limit.per)

    def kill(self, down: float) -> None:
        """Die with requests in flight: they are counted soon or never, their answers reach nobody.

        Those whose answers had been given up may be counted late, as without the kill.
        """
        latest = self.now + MARGIN
        self.events = [
            (at if ticket in self.gave_up else min(at, latest), number, kind, ticket)
            for at, number, kind, ticket in self.events
            if kind == "count"
        ]
        heapq.heapify(self.events)
        self.run(self.now + down, serve=False)
        self.start()

    def close(self, until: float) -> None:
        """The platform has refused a request, and wants none before this."""
        self.closed_until = max(self.closed_until, until)
        self.schedule.close(until)

    def ask(self, lane: Lane, priority: int = 0) -> None:
        self.schedule.ask(lane, priority, self.now)

    def run(self, until: float, *, refill: dict[Lane, int] | None = None, serve: bool = True) -> None:
        """Let time pass; `refill` keeps that many requests waiting in each lane."""
        while True:
            if serve:
                self._serve(refill or {})
            due = self.events[0][0] if self.events else math.inf
            wake = self.schedule.next_time(self.now) if serve else math.inf
            assert wake > self.now
            self.now = min(due, wake, until)
            if self.now == until:
                return
            while self.events and self.events[0][0] <= self.now:
                self._happen(*heapq.heappop(self.events)[2:])

    def _serve(self, refill: dict[Lane, int]) -> None:
        while True:
            for lane, level in refill.items():
                for _ in range(level - self.schedule.queue.waiting(lane)):
                    self.ask(lane)
            ticket = self.schedule.grant(self.now)
            if ticket is None:
                return
            self._send(ticket)

    def _send(self, ticket: Ticket) -> None:
        fate = self.fate()
        self.sent_while_closed += self.now < self.closed_until
        if ticket.urgent:
            self.waits.append(self.now - ticket.asked_at)
        self._plan(self.now + fate.counted, "count", ticket)
        if fate.answered is None:
            self._plan(self.now + fate.broken, "lose", ticket)
        else:
            self._plan(self.now + fate.counted + fate.answered, "answer", ticket)

    def _plan(self, at: float, kind: str, ticket: Ticket | None) -> None:
        self.order += 1
        heapq.heappush(self.events, (at, self.order, kind, ticket))

    def _happen(self, kind: str, ticket: Ticket | None) -> None:
        if kind == "count":
            self._count(ticket)
            return
        assert ticket is not None
        assert ticket.slot is not None
        counted_at = self.now
        if kind == "lose":
            self.gave_up.add(ticket)
            counted_at = ticket.taken_at + self.timeout + MARGIN
        self.schedule.window.release(ticket.slot, ticket.taken_at if self.stamp_at_send else counted_at)

    def _count(self, ticket: Ticket | None) -> None:
        self.counted.append(self.now)
        self.refused += [platform.admits(self.now) for platform in self.platforms].count(False) > 0


def platforms(limit: int, per: float, anchors: list[float]) -> list[Sliding | Fixed | FromFirst]:
    """One of each kind; all of them count every request."""
    return [Sliding(limit, per), FromFirst(limit, per), *(Fixed(limit, per, anchor) for anchor in anchors)]


def fates(random: Random, *, slow: float, lost: float) -> Callable[[], Fate]:
    """Latencies mostly short, now and then up to `slow` seconds either way; a part of the answers is lost.

    A connection may break at any time before the time-out; the request can be counted until that has passed.
    """

    def draw() -> Fate:
        there, back = (random.random() * (slow if random.random() < 0.3 else slow / 50) for _ in range(2))
        if random.random() < lost:
            return Fate(random.random() * (World.timeout + MARGIN), None, random.random() * World.timeout)
        return Fate(there, back)

    return draw


@given(seed=st.integers(0, 2**32), requests=st.integers(1, 12), per=st.floats(0.5, 4), share=st.floats(0.3, 1))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_platform_counts_more_than_it_grants(seed, requests, per, share):
    """Adversarial latencies, lost answers, bursts, kills: no window holds one too many, no closed account any."""
    random = Random(seed)
    limit = Limit(requests, per, share)
    anchors = [random.random() * per for _ in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        first = [True]

        def reopen() -> SlotFile:
            file = SlotFile(Path(folder, "budget.slots"), first_start=first.pop() if first else False, boot_id=BOOT)
            opened.append(file)
            return file

        opened: list[SlotFile] = []
        world = World(limit, reopen, platforms(limit.slots, per, anchors), fates(random, slow=3, lost=0.1))
        for _ in range(8):
            if random.random() < 0.5:
                world.schedule.declare(Lane.POLL, random.choice([0, 0, limit.slots, 10 * limit.slots]), world.now)
            if random.random() < 0.3:
                world.close(world.now + random.random() * per)
            refill = {lane: random.choice([0, 1, 3, 30]) for lane in Lane}
            world.run(world.now + random.random() * 3 * per, refill=refill)
            if random.random() < 0.5:
                world.kill(down=random.random() * per)
                opened[-2].close()
        world.run(world.now + 10, refill={Lane.POLL: 1})
        opened[-1].close()
    assert world.counted
    assert world.refused == 0
    assert world.sent_while_closed == 0


def test_the_harness_catches_a_limiter_that_is_stamped_at_the_send():
    """The same worlds refuse many requests of a log of sends, so passing them means something."""
    caught = 0
    for seed in range(10):
        random = Random(seed)
        world = World(Limit(10, 2.0), MemorySlots, platforms(10, 2.0, [0.0]), fates(random, slow=1, lost=0.0))
        world.stamp_at_send = True
        world.run(world.now + 30, refill={Lane.POLL: 20})
        caught += world.refused > 0
    assert caught == 10


def test_the_harness_catches_a_budget_that_forgets_at_a_kill():
    """A restart that knows nothing and fears nothing is refused requests, so surviving kills means something."""
    caught = 0
    for seed in range(10):
        world = World(Limit(10, 2.0), MemorySlots, platforms(10, 2.0, [0.0]), fates(Random(seed), slow=1, lost=0.0))
        for _ in range(5):
            world.run(world.now + 3.1, refill={Lane.POLL: 5})
            world.close(world.now + 0.5)
            world.kill(down=0.1)
        caught += world.refused > 0 and world.sent_while_closed > 0
    assert caught == 10


def latency(random: Random) -> Callable[[], Fate]:
    """A round trip of 5 to 150 ms, the count somewhere inside."""

    def draw() -> Fate:
        trip, part = random.uniform(0.005, 0.15), random.random()
        return Fate(trip * part, trip * (1 - part))

    return draw


@pytest.mark.parametrize("seed", [1, 2])
def test_a_backlog_uses_the_budget_and_urgent_requests_still_go_at_once(seed):
    """1000 in 300 s, endless work: 99.5 % of what the law allows is used, nothing refused, urgent waits below 1 s."""
    random = Random(seed)
    limit, windows = Limit(1000, 300.0), 6
    world = World(limit, MemorySlots, platforms(1000, 300.0, [0.0, 77.0]), latency(random))
    start, end = world.now, world.now + windows * 300.0
    while world.now < end:
        world.run(min(end, world.now + random.expovariate(1 / 6)), refill={Lane.SUBMIT: 50, Lane.POLL: 50})
        world.ask(*random.choice([(Lane.CONTROL, 0), (Lane.SUBMIT, URGENT)]))
    allowed = 300.0 / (300.0 + 0.0775)
    used = sum(start <= at < end for at in world.counted) / (limit.requests * windows)
    waits = sorted(world.waits)
    assert world.refused == 0
    assert used >= 0.995 * allowed
    assert len(waits) > 200
    assert waits[len(waits) * 99 // 100] <= 1.0


def test_a_sudden_backlog_leaves_slots_for_what_is_urgent():
    """When most of the window went in a burst, the rest lasts until it comes back: urgent requests never wait."""
    world = World(Limit(100, 60.0), MemorySlots, platforms(100, 60.0, [0.0]), latency(Random(3)))
    for _ in range(80):
        world.ask(Lane.POLL)
    world.run(world.now + 5)
    assert len(world.counted) == 80
    for _ in range(9):
        world.run(world.now + 6, refill={Lane.POLL: 200})
        world.ask(Lane.CONTROL)
    assert max(world.waits) == 0.0
    assert world.refused == 0


def test_an_unknown_past_is_taken_as_a_full_window(tmp_path):
    """A lost file of a known instance: if the window before was spent evenly, none of the next holds too many."""
    limit = Limit(50, 10.0)
    before = World(limit, MemorySlots, platforms(50, 10.0, [0.0, 3.3]), latency(Random(5)))
    before.run(before.now + 40, refill={Lane.POLL: 60})
    before.store = lambda: SlotFile(tmp_path / "lost.slots", first_start=False, boot_id=BOOT)
    before.kill(down=0.1)
    at_restart = len(before.counted)
    before.run(before.now + 30, refill={Lane.POLL: 60})
    assert len(before.counted) - at_restart > 100
    assert before.refused == 0


@dataclass
class SharedWorld(World):
    """Somebody else spends the same credential on one sliding platform, which may tell what is left."""

    tells: bool = False
    reacts: bool = True

    def __post_init__(self) -> None:
        self.answers: dict[Ticket, int] = {}
        super().__post_init__()

    def intrude(self) -> bool:
        """The other client sends a request."""
        log = self.platforms[0]
        assert isinstance(log, Sliding)
        if log.admits(self.now):
            return True
        log.log.pop()  # what is refused is not counted
        return False

    def _count(self, ticket: Ticket | None) -> None:
        assert ticket is not None
        self.counted.append(self.now)
        admitted = self.intrude()
        self.refused += not admitted
        log = self.platforms[0]
        assert isinstance(log, Sliding)
        self.answers[ticket] = log.limit - len(log.log) if admitted else -1

    def _happen(self, kind: str, ticket: Ticket | None) -> None:
        super()._happen(kind, ticket)
        if kind != "answer" or ticket is None or not self.reacts:
            return
        remaining = self.answers.pop(ticket)
        if remaining < 0:
            if not ticket.probe:
                self.schedule.suspect(self.now)
            self.schedule.close(self.now + 5)
        elif self.tells:
            self.schedule.report_remaining(ticket, remaining, self.now + self.limit.per, self.now)


@pytest.mark.parametrize(
    ("tells", "reacts", "least", "most"), [(True, True, 0, 2), (False, True, 1, 15), (False, False, 20, math.inf)]
)
def test_another_client_on_the_credential_is_made_room_for(tells, reacts, least, most):
    """Somebody spends a fifth: a platform that tells what is left costs no refusals, one that does not, a few."""
    world = SharedWorld(Limit(200, 60.0), MemorySlots, [Sliding(200, 60.0)], latency(Random(1)))
    world.tells, world.reacts = tells, reacts
    for _ in range(400):  # ten windows
        world.schedule.declare(Lane.POLL, 1000, world.now)
        world.run(world.now + 1.5, refill={Lane.POLL: 30})
        world.intrude()
    assert least <= world.refused <= most
    assert len(world.counted) - world.refused >= 0.9 * 10 * 160
