"""What every simulated platform holds: a clock, its knobs, its ledger, and random numbers that repeat themselves."""

import random
import uuid
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from orchestrator.clock import Clock, Micros
from orchestrator.simulator.ledger import Ledger

K = TypeVar("K")


@dataclass(slots=True)
class PlatformState(Generic[K]):
    """The part that does not depend on the platform; each platform adds its own objects."""

    seed: int
    clock: Clock
    knobs: K
    ledger: Ledger = field(default_factory=Ledger)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - ids that repeat themselves, no secret

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def wall_at(self, instant: float) -> Micros:
        """Wall microseconds at an instant of the monotonic clock."""
        return self.clock.now() + round((instant - self.clock.monotonic()) * 1_000_000)

    def order(self, seed: str) -> random.Random:
        """The generator of a shuffled order: the same for the same seed and thing."""
        return random.Random(f"{self.seed}:{seed}")  # noqa: S311 - an order that repeats itself, no secret
