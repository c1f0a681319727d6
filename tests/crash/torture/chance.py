"""What a round meets, drawn from its seed: the platforms' ways, their faults, the work, the moments of the kills."""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from orchestrator.crash_points import CrashPoint
from orchestrator.simulator import Fault, FaultKind

if TYPE_CHECKING:
    from ground import Site
    from verdict import Verdict

OUR_FAULTS = (500, 502, 503, 504)
REFUSALS = (400, 401, 403, 404, 409, 413, 422, 429)
ENDS = ("succeeded", "partial", "failed", "cancelled")
HALF = 0.5
EVERYWHERE = 0.4
"""How many of the faults that may befall any call befall all of them: a round has work of a few kinds."""
AFTER = 0.2
"""How many jobs wait for the one before, which may be of another platform."""
SMALL = 0.1
"""The share of the usual number of items, where a round has a job of every kind."""


@dataclass
class Work:
    """One job to be dropped."""

    document: dict[str, Any]
    keys: tuple[str, ...]
    table: str | None = None
    """The text of its table; the document names it."""
    doomed: bool = False
    """It will be cancelled."""
    events: Sequence[Mapping[str, Any]] = ()
    """What happens on its platform by itself, from the beginning of the round on."""

    @property
    def name(self) -> str:
        name: str = self.document["name"]
        return name

    @property
    def kind(self) -> str:
        kind: str = self.document["kind"]
        return kind

    @property
    def platform(self) -> str:
        return self.kind.partition(".")[0]

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


Draw = Callable[[random.Random, str, Any, float], Work]
"""Draws one job, from a name, the knobs of its platform, and the share of the usual number of items."""


@dataclass(frozen=True)
class Tortured:
    """One platform: what is drawn for it, how it is simulated, and who compares its results."""

    name: str
    knobs: Callable[[random.Random], Any]
    account: Callable[[random.Random, Any], Mapping[str, Any]]
    faults: Callable[[random.Random], Callable[[], Fault]]
    """Draws what all faults of a round share, and returns what draws one."""
    kinds: Sequence[tuple[Draw, int]]
    """What draws a job of each kind, and how often it is drawn in relation to the others."""
    simulate: Callable[..., Any]
    """From a seed, knobs, the accepted secret and a clock."""
    judge: "Callable[[Verdict, Site, Mapping[str, Any]], None]"
    help: "Callable[[Site, Mapping[str, Any]], Sequence[Mapping[str, Any]]]"
    """The controls by which an operator who has checked the platform continues a blocked job."""
    calm: Mapping[str, Any] = field(default_factory=dict)
    """Knobs that change once the faults are over."""

    def work(self, chance: random.Random, knobs: Any, jobs: int | None) -> Sequence[Work]:
        """So many jobs of any kinds; None: one small job of every kind."""
        draws = [draw for draw, _ in self.kinds]
        if jobs is not None:
            draws = chance.choices(draws, weights=[weight for _, weight in self.kinds], k=jobs)
        share = SMALL if jobs is None else 1.0
        return [draw(chance, f"{self.name}{number}", knobs, share) for number, draw in enumerate(draws)]


@dataclass
class Side:
    """One platform in one round."""

    platform: Tortured
    knobs: Any
    account: Mapping[str, Any] = field(default_factory=dict)
    faults: Sequence[Sequence[Fault]] = ()
    """The rules in force until the n-th kill."""


@dataclass
class Plan:
    """Everything that the seed decides."""

    seed: int
    sides: Sequence[Side]
    work: Sequence[Work]
    kills: Sequence[Kill] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    """Files that must be rejected."""

    @classmethod
    def draw(
        cls, seed: int, platforms: Sequence[Tortured], *, kills: int, faults: int, every_kind: bool = False
    ) -> "Plan":
        """`kills` in a round and `faults` rules at a time, on average; with `every_kind` a small job of each kind."""
        chance = random.Random(seed)
        deaths = [_kill(chance) for _ in range(chance.randint(max(1, kills // 2), kills + kills // 2))]
        most = 6 if len(platforms) == 1 else 3
        sides, work = list[Side](), list[Work]()
        for platform in platforms:
            knobs = platform.knobs(chance)
            fault = platform.faults(chance)
            rules = [[fault() for _ in range(chance.randint(faults // 2, faults * 2))] for _ in deaths]
            sides.append(Side(platform, knobs, platform.account(chance, knobs), rules))
            work += platform.work(chance, knobs, None if every_kind else chance.randint(most // 2, most))
        chance.shuffle(work)
        for before, job in pairwise(work):
            if chance.random() < AFTER:
                job.document["after"] = {"jobs": [before.name], "accept": ENDS}
        broken = {"broken.yaml": "version: 1\njobs: nonsense\n"} if chance.random() < HALF else {}
        return cls(seed, sides, work, deaths, broken)


def how_many(chance: random.Random, least: int, most: int, share: float) -> range:
    """The numbers of the items of a job."""
    return range(max(1, round(chance.randint(least, most) * share)))


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


# ---------------------------------------------------------------- faults


def kinds_of_faults(quirks: Iterable[str]) -> Sequence[tuple[FaultKind, str]]:
    """What goes wrong on every platform, and these quirks of one."""
    general = [(kind, "") for kind in FaultKind if kind is not FaultKind.QUIRK]
    return (*general, *((FaultKind.QUIRK, quirk) for quirk in quirks))


def an_operation(chance: random.Random, among: Sequence[str], everything: Sequence[str]) -> str:
    """One of these; of everything often all at once, as most calls never come."""
    operation = chance.choice(among)
    return "*" if among is everything and chance.random() < EVERYWHERE else operation


def a_fault(
    chance: random.Random,
    kind: FaultKind,
    quirk: str,
    operation: str,
    statuses: Sequence[int],
    *,
    lasts: tuple[float, float] | None = None,
) -> Fault:
    """A fault of this kind on this operation, answered with one of these statuses; `lasts`: at least and at most."""
    return Fault(
        kind=kind,
        quirk=quirk,
        operation=operation,
        probability=chance.choice((0.1, 0.3, 0.6)),
        count=chance.choice((None, 1, 5, 20)),
        lasts=chance.uniform(*lasts) if lasts is not None else None,
        status=chance.choice(statuses),
        html=chance.random() < 0.3,
        retry_after=chance.choice((None, 1.0, 30.0)),
        seconds=chance.uniform(1, 60),
    )
