"""What a simulated ICA starts with."""

from dataclasses import dataclass, field

from orchestrator.simulator.faults import Fault
from orchestrator.simulator.ica.knobs import Knobs


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The same configuration and the same calls at the same times give the same answers."""

    seed: int = 0
    """Of ids, jitter, page order and random faults."""
    api_keys: tuple[str, ...] = ("simulator",)
    """Accepted in `X-API-Key`; each is a user of its own."""
    logins: tuple[tuple[str, str], ...] = (("user@example.org", "simulator"),)
    """E-mail and password for Basic authentication, which `POST tokens` accepts; such tokens can be refreshed."""
    knobs: Knobs = field(default_factory=Knobs)
    faults: tuple[Fault, ...] = ()
