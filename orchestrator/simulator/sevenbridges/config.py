"""What a simulated Seven Bridges starts with."""

from dataclasses import dataclass, field

from orchestrator.simulator.faults import Fault
from orchestrator.simulator.sevenbridges.knobs import Knobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The same configuration and the same calls at the same times give the same answers."""

    seed: int = 0
    """Of ids, jitter, shuffled rows and random faults."""
    tokens: tuple[str, ...] = ("simulator",)
    """Accepted in `X-SBG-Auth-Token` and as bearer tokens; each is a user of its own."""
    knobs: Knobs = field(default_factory=Knobs)
    faults: tuple[Fault, ...] = ()
