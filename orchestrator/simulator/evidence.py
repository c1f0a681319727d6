"""What really happened on a platform, whatever its answers said, in one shape for all platforms."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

from orchestrator.simulator.ledger import Ledger


class Evidence(ABC):
    """Judges one platform: by its ledger, and by the present statuses of what it holds."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def made(self) -> dict[tuple[str, str], int]:
        """How often each effect happened, by kind and the client's name of the thing: `("analysis", "run/s1"): 1`."""
        return Counter((effect.kind, effect.name) for effect in self._ledger)

    @abstractmethod
    def duplicates(self) -> dict[tuple[str, str], int]:
        """How often each thing was made that may be made once, where more often; by kind or project, and by name."""

    @abstractmethod
    def status(self, kind: str, name: str) -> str | None:
        """The true status now of the latest thing of that kind and name; None where there is none."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """Counts only, as JSON."""

    @abstractmethod
    def report(self) -> dict[str, Any]:
        """Everything, as JSON; the counts under `summary`."""
