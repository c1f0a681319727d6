"""What was asked and what it caused: the evidence that tests judge by."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Effect(NamedTuple):
    """One thing that the platform did, at the time of the call that asked for it."""

    kind: str
    """What was done, in the platform's terms: `analysis`, `link`, `run`, `import`, …"""
    id: str
    project: str
    name: str
    """What the client calls it: a userReference, the name of a task, the location of a file."""
    tags: tuple[str, ...]
    at: float
    """Seconds on the simulator's monotonic clock."""
    key: str | None
    """The idempotency key of the call, where it had one."""


class Ledger:
    """Only ever grows."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        """Requests that arrived, by operation; a platform may add finer counts, such as `operation/v3`."""
        self.answers: Counter[tuple[str, int]] = Counter()
        """Answers, by operation and status; 0 stands for none at all."""
        self._effects: dict[str, list[Effect]] = {}
        self._latest: dict[tuple[str, str], Effect] = {}

    def record(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self._effects.setdefault(effect.kind, []).append(effect)
            self._latest[effect.kind, effect.name] = effect

    def __iter__(self) -> Iterator[Effect]:
        """All effects, kind by kind."""
        for effects in self._effects.values():
            yield from effects

    def effects(self, kind: str) -> Sequence[Effect]:
        """In the order in which they happened."""
        return self._effects.get(kind, [])

    def latest(self, kind: str, name: str) -> Effect | None:
        """The last effect of that kind and name, if any."""
        return self._latest.get((kind, name))

    def answers_by_operation(self) -> dict[str, dict[str, int]]:
        """For people and JSON: `{operation: {status: count}}`."""
        table: dict[str, dict[str, int]] = {}
        for (operation, status), count in sorted(self.answers.items()):
            table.setdefault(operation, {})[str(status)] = count
        return table
