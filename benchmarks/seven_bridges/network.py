"""The simulated platform at the end of a network, and a record of what was asked of it and when."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx

from benchmarks import report
from benchmarks.fleet import PER, Distant
from benchmarks.virtual import LoopClock
from orchestrator.simulator.sevenbridges import Config, Knobs, Simulator

BASE_URL: Final = "https://sevenbridges.example/v2"
PROJECT: Final = "lab/cohort"
APP: Final = "lab/cohort/germline/4"
TOO_MANY: Final = 429
LENGTH: Final = 4 * 3600.0
"""Seconds that a task takes: from one to two hundred percent of this, evenly spread."""


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """A request for the statuses of tasks, answered at a moment of the monotonic clock."""

    at: float
    tasks: int
    bytes: int


@dataclass
class Network(httpx.AsyncBaseTransport):
    """Round trips of 5 to 150 ms to one simulator."""

    simulator: Simulator
    statuses: list[StatusRequest] = field(default_factory=list)
    submissions: list[float] = field(default_factory=list)
    """When each request that creates or runs a task was answered."""
    refused: list[float] = field(default_factory=list)
    """When each 429 was answered."""

    def __post_init__(self) -> None:
        self._distant = Distant(self.simulator)
        self._clock = LoopClock()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._distant.handle_async_request(request)
        body = await response.aread()
        now, path = self._clock.monotonic(), request.url.path.removeprefix("/v2")
        if response.status_code == TOO_MANY:
            self.refused.append(now)
        elif path == "/bulk/tasks/get":
            asked = json.loads(request.content)["task_ids"]
            self.statuses.append(StatusRequest(now, len(asked), len(body)))
        elif request.method == "GET" and path.startswith("/tasks/"):
            self.statuses.append(StatusRequest(now, 1, len(body)))
        elif request.method == "POST" and path.startswith("/tasks"):
            self.submissions.append(now)
        return response

    def spans(self) -> dict[str, tuple[float, float]]:
        """When each task was run, and when it ends, by its name."""
        tasks, parent_end = self.simulator._world.tasks.values(), self.simulator.knobs.parent_end  # noqa: SLF001
        return {task.name: (task.started, task.end(parent_end)) for task in tasks if task.started is not None}

    def open_at(self, moments: Sequence[float]) -> list[int]:
        """How many tasks were under way at each of these moments, in ascending order."""
        spans = self.spans().values()
        changes = sorted([*((begin, 1) for begin, _ in spans), *((end, -1) for _, end in spans)])
        counts, count, at = [], 0, 0
        for moment in moments:
            while at < len(changes) and changes[at][0] <= moment:
                count += changes[at][1]
                at += 1
            counts.append(count)
        return counts


def network(requests: int) -> Network:
    """A new platform, at so many requests in 300 s, and the way to it."""
    knobs = Knobs(requests=requests, per=PER, task_seconds=LENGTH, jitter=0.99)
    return Network(Simulator(Config(knobs=knobs), LoopClock()))


class Progress:
    """Waits, and reports the requests so far once a window."""

    def __init__(self, net: Network, began: float) -> None:
        self._network = net
        self._began = began
        self._clock = LoopClock()
        self._reported_at = began

    async def sleep(self, seconds: float) -> None:
        """Sleep in virtual time."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            await self._clock.sleep(min(left, PER))
            if self._clock.monotonic() >= self._reported_at + PER:
                self._reported_at = self._clock.monotonic()
                self._report()

    def _report(self) -> None:
        net = self._network
        report.progress(
            f"after {self._reported_at - self._began:,.0f} s: {len(net.submissions):,} requests submitted, "
            f"{len(net.statuses):,} asked for statuses, {len(net.refused):,} were refused"
        )
