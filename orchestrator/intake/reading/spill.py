"""A list too long for memory: written to a scratch file entry by entry, read back portion by portion.

A file operation, an encoding and a decoding for each of a hundred thousand entries would take longer than all that is
done with them.
"""

import struct
from collections.abc import Iterator
from typing import IO, Generic, TypeVar

import msgspec

MOST_ENTRIES = 2000
"""Entries of a portion..."""
MOST_BYTES = 1024 * 1024
"""... and their bytes, so that a portion of large entries is a short one."""

_LENGTH = struct.Struct("<Q")
_encode = msgspec.msgpack.Encoder().encode
Entry = TypeVar("Entry")


class PortionWriter(Generic[Entry]):
    """Writes one list at the end of a file. What `flush` has not been called for is not there."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._entries: list[Entry] = []
        self._bytes = 0

    def add(self, entry: Entry, size: int) -> None:
        """One more entry, of about `size` bytes."""
        self._entries.append(entry)
        self._bytes += size
        if len(self._entries) == MOST_ENTRIES or self._bytes >= MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory."""
        if self._entries:
            portion = _encode(self._entries)
            self._file.write(_LENGTH.pack(len(portion)) + portion)
            self._entries, self._bytes = [], 0


def read_portions(file: IO[bytes], offset: int, entries: int, kind: type[list[Entry]]) -> Iterator[list[Entry]]:
    """The list of so many entries that was written at `offset`; the file may be used otherwise in between."""
    decode = msgspec.msgpack.Decoder(kind).decode
    while entries > 0:
        file.seek(offset)
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        portion = decode(file.read(length))
        offset += _LENGTH.size + length
        entries -= len(portion)
        yield portion
