"""The endpoints of a platform, and which of them a request means."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from orchestrator.simulator.exchange import Reply

_NAMES = re.compile(r"\{(\w+)\}")

Asked = TypeVar("Asked")
Op = TypeVar("Op", bound="Operation[Any]")


@dataclass(frozen=True, slots=True)
class Operation(Generic[Asked]):
    """One endpoint; `Asked` is what its platform hands to an operation that answers."""

    name: str
    method: str
    path: str
    """With `{names}` for ids."""
    answer: Callable[[Asked], Reply]
    public: bool = field(default=False, kw_only=True)
    """Whether it needs no credential, or judges credentials itself."""
    free: bool = field(default=False, kw_only=True)
    """Whether it uses up no request budget."""


class Routes(Generic[Op]):
    """Finds the operation that a request means."""

    def __init__(self, operations: Sequence[Op], base_path: str) -> None:
        self._routes = [(operation, _pattern(base_path + operation.path)) for operation in operations]

    def find(self, method: str, path: str) -> tuple[Op, Mapping[str, str]] | None:
        """The operation and the ids in its path; None when there is none."""
        for operation, pattern in self._routes:
            if operation.method == method and (match := pattern.fullmatch(path)) is not None:
                return operation, match.groupdict()
        return None


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_NAMES.sub(r"(?P<\1>[^/:]+)", path))
