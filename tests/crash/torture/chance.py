"""What a round meets, drawn from its seed: the platform's ways, its faults, the work, the moments of the kills."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestrator.crash_points import CrashPoint
from orchestrator.simulator import Fault

if TYPE_CHECKING:
    from ground import Ground
    from verdict import Verdict

OUR_FAULTS = (500, 502, 503, 504)
REFUSALS = (400, 401, 403, 404, 409, 413, 422, 429)


@dataclass(frozen=True)
class Work:
    """One job to be dropped."""

    document: dict[str, Any]
    keys: tuple[str, ...]
    table: str | None = None
    """The text of its table; the document names it."""
    doomed: bool = False
    """It will be cancelled."""

    @property
    def name(self) -> str:
        name: str = self.document["name"]
        return name

    @property
    def kind(self) -> str:
        kind: str = self.document["kind"]
        return kind

    @property
    def attempts(self) -> int:
        retry: dict[str, int] = self.document.get("retry", {})
        return retry.get("attempts", 1)


@dataclass(frozen=True)
class Kill:
    """When a daemon dies: so many seconds after it began to work, or at a named moment if that comes first."""

    after: float
    early: bool = False
    """Count from the start of the process instead: it may die before it has begun."""
    point: str | None = None


@dataclass(frozen=True)
class Tortured:
    """One platform: what is drawn for it, how it is simulated, and who compares its results."""

    name: str
    knobs: Callable[[random.Random], Any]
    account: Callable[[random.Random, Any], Mapping[str, Any]]
    faults: Callable[[random.Random], Callable[[], Fault]]
    """Draws what all faults of a round share, and returns what draws one."""
    work: Callable[[random.Random, Any], Sequence[Work]]
    simulate: Callable[..., Any]
    """From a seed, knobs, the accepted secret and a clock."""
    judge: "Callable[[Verdict, Ground, Mapping[str, Any]], None]"
    help: "Callable[[Ground, Mapping[str, Any]], Sequence[Mapping[str, Any]]]"
    """The controls by which an operator who has checked the platform continues a blocked job."""
    calm: Mapping[str, Any] = field(default_factory=dict)
    """Knobs that change once the faults are over."""


@dataclass
class Plan:
    """Everything that the seed decides."""

    seed: int
    platform: Tortured
    knobs: Any
    account: Mapping[str, Any]
    work: Sequence[Work]
    kills: Sequence[Kill]
    faults: Sequence[Sequence[Fault]]
    """The rules in force until the n-th kill."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Files that must be rejected."""

    @classmethod
    def draw(cls, seed: int, platform: Tortured, *, kills: int, faults: int) -> "Plan":
        """`kills` in a round and `faults` rules at a time, on average."""
        chance = random.Random(seed)
        deaths = [_kill(chance) for _ in range(chance.randint(max(1, kills // 2), kills + kills // 2))]
        knobs = platform.knobs(chance)
        fault = platform.faults(chance)
        rules = [[fault() for _ in range(chance.randint(faults // 2, faults * 2))] for _ in deaths]
        return cls(
            seed=seed,
            platform=platform,
            knobs=knobs,
            account=platform.account(chance, knobs),
            work=platform.work(chance, knobs),
            kills=deaths,
            faults=rules,
            broken={"broken.yaml": "version: 1\njobs: nonsense\n"} if chance.random() < 0.5 else {},
        )


def word(chance: random.Random, words: Sequence[str]) -> str:
    """What becomes of an item: mostly nothing special."""
    return chance.choice(words) if chance.random() < 0.15 else "x"


def _kill(chance: random.Random) -> Kill:
    match chance.random():
        case share if share < 0.1:
            return Kill(chance.uniform(0.3, 1.5), early=True)
        case share if share < 0.5:
            return Kill(3.0, point=f"{chance.choice(list(CrashPoint))}:{chance.choice((1, 1, 2, 3, 7))}")
        case _:
            return Kill(chance.uniform(0.0, 2.5))
