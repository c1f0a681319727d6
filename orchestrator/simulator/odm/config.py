"""What a simulated ODM starts with."""

from dataclasses import dataclass, field

from orchestrator.simulator.faults import Fault
from orchestrator.simulator.odm.knobs import Knobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The same configuration and the same calls at the same times give the same answers."""

    seed: int = 0
    """Of ids, jitter and random faults."""
    tokens: tuple[str, ...] = ("simulator",)
    """Accepted in `Genestack-API-Token` and as bearer tokens; each is a user of its own."""
    studies: tuple[str, ...] = ("GSF100001", "GSF100002", "GSF100003")
    """With changes that nobody has published; others are known once they are named."""
    knobs: Knobs = field(default_factory=Knobs)
    faults: tuple[Fault, ...] = ()
