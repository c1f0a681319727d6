"""Problems in the configuration or the environment, as values."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from orchestrator.domain.errors import OrchestratorError


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem."""

    key: str
    """The key as written (`accounts.ica.budget.per`), the name of a variable, or a position in the file."""
    text: str
    """What is wrong and what to do; never contains a secret."""

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


class SettingsError(OrchestratorError):
    """The configuration cannot be used. Its text has one line for each problem."""

    def __init__(self, problems: Iterable[Problem], path: Path | None = None) -> None:
        self.problems = tuple(problems)
        self.path = path
        """The configuration file, where one was found."""
        super().__init__("\n".join(str(problem) for problem in self.problems))
