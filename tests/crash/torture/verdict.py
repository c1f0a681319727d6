"""What a round came to."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAY_BE_THERE = "it may be on the platform"
"""What the daemon says of an item that was cancelled while nobody could tell: the one thing that it leaves open."""

GIVEN_UP = "given up by"
"""What it says of an item that an operator gave up."""

Item = Mapping[str, Any]


@dataclass
class Verdict:
    """What was found wrong, one line each, and what was counted."""

    lost: list[str] = field(default_factory=list)
    """Items, jobs or files that are nowhere."""
    twice: list[str] = field(default_factory=list)
    """Work created or run more than once, or that no item knows of."""
    differ: list[str] = field(default_factory=list)
    """Results that are not what the platform did."""
    over_budget: list[str] = field(default_factory=list)
    items: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """The items of each kind."""
    created: int = 0
    """Analyses, tasks, runs, copies: what must not be made twice."""
    repeated: int = 0
    """What was sent once more where that changes nothing: links, moves, deletions."""
    given_up: int = 0
    """Items that the operator gave up, as nothing could be found out."""

    @property
    def wrong(self) -> list[str]:
        return [
            *(f"lost: {each}" for each in self.lost),
            *(f"twice: {each}" for each in self.twice),
            *(f"differs: {each}" for each in self.differ),
            *(f"over budget: {each}" for each in self.over_budget),
        ]

    def as_json(self) -> dict[str, Any]:
        return {**vars(self), "kinds": dict(self.kinds)}


def ids_of(item: Item) -> set[str]:
    """All that an item says it is or was on the platform."""
    return {each for each in (*item["previous_ids"], item["remote_id"]) if each}
