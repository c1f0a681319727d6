"""How much of a request budget a client uses under backlog, and what it is refused meanwhile.

A hundred workers always have something to send; beside them comes, now and then, an urgent request. Three servers count
as platforms may: in a sliding window, in fixed windows, in windows that open with a request. In virtual time.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import anyio
import anyio.abc

from benchmarks import report, virtual
from benchmarks.budget import limiters
from benchmarks.budget.limiters import PER, REQUESTS, Limiter, Reply
from benchmarks.virtual import START, LoopClock
from orchestrator.simulator import Limit, Window
from orchestrator.simulator.budget import Budget

RTT: Final = (0.005, 0.150)
TAIL: Final = (0.5, 3.0)
TAIL_SHARE: Final = 0.005
"""Of all requests; these take so many seconds longer on their way there."""
WORKERS: Final = 100
SERVERS: Final[tuple[Window, ...]] = ("sliding", "fixed", "fixed_from_first")
DOWN: Final = 1.0
"""Seconds from a kill to the next start."""
BOUND: Final = PER / (PER + sum(RTT) / 2 + TAIL_SHARE * sum(TAIL) / 2)
"""The share that is reached by whoever takes a slot before the send and gives it back one window after the answer."""


@dataclass
class Server:
    """Counts each request somewhere on its way, and remembers when."""

    window: Window
    seed: int
    group: anyio.abc.TaskGroup
    granted: list[float] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self._clock = LoopClock()
        self._random = Random(self.seed)
        self._budget = Budget(Limit(REQUESTS, PER, self.window))

    async def send(self) -> Reply:
        """A request that left arrives, whatever becomes of the client."""
        answer: list[Reply] = []
        answered = anyio.Event()
        self.group.start_soon(self._serve, answer, answered)
        await answered.wait()
        return answer[0]

    async def _serve(self, answer: list[Reply], answered: anyio.Event) -> None:
        there, back = (self._random.uniform(*RTT) / 2 for _ in range(2))
        if self._random.random() < TAIL_SHARE:
            there += self._random.uniform(*TAIL)
        await self._clock.sleep(there)
        answer.append(self._count())
        await self._clock.sleep(back)
        answered.set()

    def _count(self) -> Reply:
        now = self._clock.monotonic()
        wait = self._budget.admit("user", now)
        if wait is None:
            self.granted.append(now)
            return Reply(200)
        self.refused += 1
        return Reply(429, retry_after=math.ceil(wait), reset=now - START + wait)

    @property
    def worst(self) -> int:
        """The most requests that arrived in any one of its windows."""
        return self._budget.usage["user"].worst


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one client at one server."""

    share: float
    """Of the budget of the time in which it lived, in whole windows of the server from the second on."""
    refused: int
    worst: int
    waits: list[float]
    """Seconds from the wish to send an urgent request until it was granted; one that never was, until the end."""


async def saturate(window: Window, make: Callable[[bool], Limiter], *, windows: int, seed: int, kills: int = 0) -> Run:
    """Send for so many windows; `make` builds the client, told whether it starts for the first time."""
    clock, waits, dead = LoopClock(), list[float](), list[float]()
    asked: deque[float] = deque()
    end = START + windows * PER
    async with anyio.create_task_group() as servers:
        server = Server(window, seed, servers)
        for life in range(kills + 1):
            final = life == kills
            due = START + (life + 1) * (end - START) / (kills + 1)
            until = end if final else due + Random(seed + life).uniform(-9, 9)
            with anyio.CancelScope(deadline=until):  # as kill -9: nothing is tidied up
                async with anyio.create_task_group() as client:
                    limiter = make(life == 0)
                    for number in range(WORKERS):
                        client.start_soon(_work, limiter, server, seed + number)
                    client.start_soon(_ask_urgently, limiter, server, waits, asked, client)
            if not final:
                dead.append(clock.monotonic())
                await clock.sleep(DOWN)
        servers.cancel_scope.cancel()
    waits += [end - since for since in asked if not kills]
    first, last = math.ceil(START / PER + 1), math.floor(end / PER)
    steady = sum(first * PER <= at < last * PER for at in server.granted)
    down = DOWN * sum(first * PER <= at < last * PER for at in dead)
    return Run(steady / REQUESTS / (last - first - down / PER), server.refused, server.worst, waits)


async def _work(limiter: Limiter, server: Server, seed: int) -> None:
    await LoopClock().sleep(Random(seed).uniform(0, 0.2))
    while True:
        await limiter.send(server.send, urgent=False)


async def _ask_urgently(
    limiter: Limiter, server: Server, waits: list[float], asked: deque[float], group: anyio.abc.TaskGroup
) -> None:
    clock, random = LoopClock(), Random(server.seed + 1)

    async def once() -> None:
        begin, left = clock.monotonic(), 0.0

        async def wire() -> Reply:
            nonlocal left
            left = clock.monotonic()
            return await server.send()

        asked.append(begin)
        await limiter.send(wire, urgent=True)
        asked.remove(begin)
        waits.append(left - begin)

    while True:
        await clock.sleep(random.expovariate(0.05 * REQUESTS / PER))
        group.start_soon(once)


def main() -> None:
    chosen = report.options(__doc__, windows=5, seed=1)
    paper = report.Report("budget", "Use of the budget under backlog")
    with TemporaryDirectory() as folder:
        files = (Path(folder) / f"{number}.slots" for number in range(100))

        def ours() -> Callable[[bool], Limiter]:
            file = next(files)
            return lambda first: limiters.Ours(file, first_start=first)

        clients: dict[str, Callable[[], Callable[[bool], Limiter]]] = {
            "orchestrator": ours,
            "pyrate-limiter": lambda: lambda _: limiters.with_pyrate(),
            "aiolimiter": lambda: lambda _: limiters.with_aiolimiter(),
            "token bucket": lambda: lambda _: limiters.with_token_bucket(),
            "sevenbridges sleeper": lambda: lambda _: limiters.Sleeper(),
        }
        runs = {
            (name, server): _measure(server, make(), chosen.windows, chosen.seed)
            for server in SERVERS
            for name, make in clients.items()
        }
        killed = {server: _measure(server, ours(), 9, chosen.seed, kills=8) for server in SERVERS}
    trip = f"round trip {RTT[0] * 1e3:g} to {RTT[1] * 1e3:g} ms, one in {1 / TAIL_SHARE:g} up to {TAIL[1]:g} s more"
    title = f"{REQUESTS} requests in {PER:g} s, {chosen.windows} windows, {trip}"
    paper.table(title, [_row(name, server, run) for (name, server), run in runs.items()])
    paper.table("killed 8 times in a row", [_row("orchestrator", server, run) for server, run in killed.items()])
    mine = [run for (name, _), run in runs.items() if name == "orchestrator"]
    _judge(paper, "under backlog", mine)
    _judge(paper, "across 8 kills", list(killed.values()))
    paper.close()


def _measure(server: Window, make: Callable[[bool], Limiter], windows: int, seed: int, kills: int = 0) -> Run:
    return virtual.run(lambda: saturate(server, make, windows=windows, seed=seed, kills=kills))


def _row(name: str, server: str, run: Run) -> report.Row:
    return {
        "client": name,
        "server": server,
        "budget used": f"{run.share:.2%}",
        "refused (429)": run.refused,
        "worst window": f"{run.worst / REQUESTS:.3f} N",
        "urgent p50 s": round(report.quantile(run.waits, 0.5), 3),
        "urgent p99 s": round(report.quantile(run.waits, 0.99), 3),
    }


def _judge(paper: report.Report, when: str, runs: list[Run]) -> None:
    least, refused = min(run.share for run in runs), sum(run.refused for run in runs)
    slowest = max(report.quantile(run.waits, 0.99) for run in runs)
    aim = 0.995 * BOUND
    paper.verdict(f"{when}: at least {aim:.2%} used", f"{least:.2%}", reached=least >= aim)
    paper.verdict(f"{when}: no 429", str(refused), reached=refused == 0)
    paper.verdict(f"{when}: an urgent request waits at most 1 s (p99)", f"{slowest:.2f} s", reached=slowest <= 1.0)


if __name__ == "__main__":
    main()
