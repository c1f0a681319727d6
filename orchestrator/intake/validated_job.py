"""A job of a queue file that passed validation, with its items in a scratch file."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from orchestrator.domain.kinds import Kind
from orchestrator.domain.model import JobSpec, NewItem
from orchestrator.domain.queue_file.estimate import Cutter, Estimate, from_canonical
from orchestrator.intake.reading.spill import read_portions

StoredItem = tuple[str, bytes, bytes | None]
"""Key, request and row of an item that may be sent."""


@dataclass(frozen=True, slots=True)
class ValidatedJob:
    """A job that the store may have."""

    spec: JobSpec
    items: int
    estimate: Estimate
    counted: bool
    """Whether the file itself says how many there are."""
    size: int
    """Bytes of its items, as they will be sent, and of the rows that they were made from."""
    _batch_bytes: int
    _file: IO[bytes]
    _offset: int
    _qualified: Kind | None = None
    """The kind, where the items differ in what qualifies their keys."""

    def chunks(self) -> Iterator[list[NewItem]]:
        """Its items, portion by portion, as often as it is asked for."""
        seq = 1
        cutter = Cutter(self.spec.batch_size, self._batch_bytes)
        for portion in read_portions(self._file, self._offset, self.items, list[StoredItem]):
            stored = portion if self._qualified is None else _with_qualified_keys(portion, self._qualified)
            yield [NewItem(number, *each, cutter.add(len(each[1]))) for number, each in enumerate(stored, seq)]
            seq += len(portion)


def _with_qualified_keys(portion: Iterable[StoredItem], kind: Kind) -> list[StoredItem]:
    return [(kind.qualified_key_of(from_canonical(request)) or key, request, row) for key, request, row in portion]
