"""Which keys of a job stand twice: found in memory that does not grow with their number, reported as one mistake.

A digest of each key goes to a scratch file. At the end the file is gone over as often as it takes to hold a bounded
share of the digests at a time; a job of ordinary size takes one pass.
"""

import struct
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import IO, Any, Protocol

from orchestrator.domain.kinds import Kind
from orchestrator.domain.messages.mistake import Mistake, Path, spell
from orchestrator.domain.queue_file.template import filled_at

_RECORD = struct.Struct("<16sQQ")
_RECORDS = 2048
"""Written and read at a time."""
_BLOCK = _RECORD.size * _RECORDS
AT_A_TIME = 125_000
"""Digests held in memory: ten megabytes of them."""

_ONCE_IN_TABLE = "each may stand once: give each a key of its own, or gather rows that belong together with `group_by`"
_LISTED = 5
"""Places that the mistake lists."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key stands."""

    seq: int
    line: int
    """0 where it is not known."""


class Keys:
    """The keys of one job."""

    def __init__(self, file: IO[bytes], *, at_a_time: int = AT_A_TIME) -> None:
        self._file = file
        self._at_a_time = at_a_time
        self._fresh: list[bytes] = []
        self._count = 0

    def add(self, key: str, seq: int, line: int = 0) -> None:
        """The next key; `seq` grows."""
        self._fresh.append(_RECORD.pack(blake2b(key.encode(), digest_size=16).digest(), seq, line))
        if len(self._fresh) == _RECORDS:
            self._write()

    def twice(self, most: int | None = None) -> Generator[None, None, list[tuple[Place, Place]]]:
        """Each place of a key that stands somewhere before it, with the first place; yields now and then.

        No more than `most` of them, if that is given.
        """
        self._write()
        passes = self._count // self._at_a_time + 1
        repeated: set[bytes] = set()
        for turn in range(passes):
            seen: set[bytes] = set()
            for block in self._blocks():
                for digest, _, _ in _RECORD.iter_unpack(block):
                    if passes > 1 and int.from_bytes(digest[:4], "little") % passes != turn:
                        continue
                    if digest in seen:
                        repeated.add(digest)
                    seen.add(digest)
                yield
        if not repeated:
            return []
        return (yield from self._places(repeated, most))

    def _write(self) -> None:
        self._file.write(b"".join(self._fresh))
        self._count += len(self._fresh)
        self._fresh.clear()

    def _places(self, repeated: set[bytes], most: int | None) -> Generator[None, None, list[tuple[Place, Place]]]:
        first: dict[bytes, Place] = {}
        found: list[tuple[Place, Place]] = []
        for block in self._blocks():
            for digest, seq, line in _RECORD.iter_unpack(block):
                if digest in repeated:
                    place = Place(seq, line)
                    earlier = first.setdefault(digest, place)
                    if earlier is not place:
                        found.append((earlier, place))
                        if len(found) == most:
                            return found
            yield
        return found

    def _blocks(self) -> Iterator[bytes]:
        self._file.seek(0)
        while block := self._file.read(_BLOCK):
            yield block


class RowPlaces(Protocol):
    """A table, or the rows of an earlier job."""

    name: str

    def place(self, line: int) -> str:
        """The row on that line, for messages."""


def same_keys(
    twice: Sequence[tuple[Place, Place]],
    kind: Kind,
    job: Path,
    table: RowPlaces | None,
    template: Mapping[str, Any] | None,
) -> Mistake:
    """The mistake at the first item whose key stands before it, with the others; each pair has the first place first.

    `job` is the path of the job. Where no column fills the key, the template is to blame.
    """
    (first, again), *others = twice
    at: Path = kind.key_paths[0] if len(kind.keys) == 1 else ()
    if table is None:
        earlier: Path = (*job, "items", first.seq - 1)
        message = f"has the same {kind.identity} as {spell(earlier)}" + _others(
            f"items[{place.seq - 1}]" for _, place in others
        )
        path = (*job, "items", again.seq - 1, *at)
        return Mistake(message, "each may stand once", path, also=() if others else earlier)
    if template and not any(filled_at(template, path) for path in kind.identity_paths):
        message = f"is the same for {len(twice) + 1} rows of {table.name}, and each may stand once"
        return Mistake(message, "fill it from a column: `${...}`", (*job, "template", *at))
    message = f"has the same {kind.identity} as {table.place(first.line)}" + _others(
        table.place(it.line) for _, it in others
    )
    return Mistake(message, _ONCE_IN_TABLE, at, again.line, table.name)


def _others(places: Iterable[str]) -> str:
    """The end of the message where further items stand a second time."""
    found = list(places)
    more = ", ..." if len(found) > _LISTED else ""
    repeat = "repeats" if len(found) == 1 else "repeat"
    return f"; {len(found)} more {repeat} an earlier one: {', '.join(found[:_LISTED])}{more}" if found else ""
