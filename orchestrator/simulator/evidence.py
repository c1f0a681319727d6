"""What really happened on a platform, whatever its answers said, in one shape for all platforms."""

from abc import ABC, abstractmethod
from collections import Counter
from typing import Any, ClassVar

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


class EffectEvidence(Evidence):
    """Evidence on a platform where the ledger's effects, with their present statuses, say everything."""

    once: ClassVar[frozenset[str]]
    """Kinds of effects of which two of one name are one too many."""

    def duplicates(self) -> dict[tuple[str, str], int]:
        return {thing: count for thing, count in self.made().items() if thing[0] in self.once and count > 1}

    def summary(self) -> dict[str, Any]:
        """Effects by kind, and names that occur more than once."""
        return {
            "effects": dict(Counter(effect.kind for effect in self._ledger)),
            "duplicates": [
                {"kind": kind, "name": name, "made": count} for (kind, name), count in self.duplicates().items()
            ],
        }

    def report(self) -> dict[str, Any]:
        """Every effect, with the present status of what it made."""
        return {
            "summary": self.summary(),
            "effects": [
                {**effect._asdict(), "status": self.status(effect.kind, effect.name)} for effect in self._ledger
            ],
        }
