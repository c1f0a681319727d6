"""Which keys of a job stand twice, found in memory that does not grow with their number.

A digest of each key goes to a scratch file. At the end the file is gone over as often as it takes to hold a bounded
share of the digests at a time; a job of ordinary size takes one pass.
"""

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import IO

_RECORD = struct.Struct("<16sQQ")
_RECORDS = 2048
"""Written and read at a time."""
_BLOCK = _RECORD.size * _RECORDS
AT_A_TIME = 125_000
"""Digests held in memory: ten megabytes of them."""


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
