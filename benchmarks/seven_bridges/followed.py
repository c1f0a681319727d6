"""What came of one client: how its tasks were asked about, and how late it saw their ends."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Final

from benchmarks import report
from benchmarks.fleet import PER
from benchmarks.seven_bridges.network import Network

BULK: Final = 100
"""Tasks that one request reads."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One client and one platform, to the end of the observation."""

    client: str
    network: Network
    seen: Mapping[str, float]
    """When the client saw each task end, by its name, on the monotonic clock."""
    until: float
    """The end of the observation."""

    def row(self, phase: str, begin: float, end: float) -> report.Row:
        """The figures of a span of time. An end that was not seen until the observation's counts as seen then."""
        asked = [each for each in self.network.statuses if begin <= each.at < end]
        moments = [begin + (end - begin) * part / 200 for part in range(201)]
        counts = self.network.open_at(moments)
        floor = mean(math.ceil(count / BULK) for count in counts)
        sweeps = sum(each.tasks for each in asked) / mean(counts)
        late = self.late(begin, end)
        return {
            "client": self.client,
            "while": phase,
            "tasks open": round(mean(counts)),
            "requests a sweep": round(len(asked) / sweeps, 1),
            "floor": round(floor, 1),
            "seconds a sweep": round((end - begin) / sweeps, 1),
            "by the budget": round(floor * PER / self.network.simulator.knobs.requests, 1),
            "ends": len(late),
            "seen late, p50 s": round(report.quantile(late, 0.5), 1),
            "p99 s": round(report.quantile(late, 0.99), 1),
            "429": sum(begin <= at < end for at in self.network.refused),
            "429 in all": len(self.network.refused),
            "kB an answer": round(mean(each.bytes for each in asked) / 1000, 1),
        }

    def late(self, begin: float, end: float) -> list[float]:
        """Seconds by which each end within a span was seen late."""
        ends = {name: ended for name, (_, ended) in self.network.spans().items() if begin <= ended < end}
        return [self.seen.get(name, self.until) - ended for name, ended in ends.items()]
