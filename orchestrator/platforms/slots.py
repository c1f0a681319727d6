"""Where the slots of a budget outlive the process.

A slot is stamped twice: when it is taken, just before the request leaves, and when the answer has come. The stamps are
all that a budget must remember: `SlotFile` keeps them in a small mapped file, where kill -9 cannot undo them (the pages
belong to the kernel) and where a stamp costs a memory write. Power loss can, but then the machine has booted anew, and
stamps of another boot are worth nothing anyway.

    header   magic, version, number of slots, window in seconds, boot id, checksum of these
    a slot   taken, released: seconds on the boot-time clock; a slot is in flight exactly when taken > released

Every change is one aligned 8-byte store, so there is no instant at which a kill leaves half a stamp.
"""

import math
import mmap
import os
import struct
import uuid
import zlib
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Protocol

NEVER = -math.inf
"""The stamp of a slot that was never used."""

MARGIN = 2.0
"""Seconds within which a request that we gave up may still arrive and be counted."""

_MAGIC = b"ORCSLOTS"
_VERSION = 1
_HEADER = struct.Struct("<8sIId16s")
_CHECKSUM = struct.Struct("<Q")
_START = _HEADER.size + _CHECKSUM.size
_STAMP = struct.calcsize("d")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class SlotStore(Protocol):
    """What remembers the stamps of one account's slots. Slots are numbered from 0; times are boot-time seconds."""

    def open(self, count: int, window: float, now: float) -> list[float]:
        """From when each of `count` slots counts its window; `NEVER` for one that is free."""
        ...

    def take(self, slot: int, at: float) -> None:
        """A request is about to leave on this slot."""
        ...

    def release(self, slot: int, at: float) -> None:
        """The request was counted by the platform at `at`, or earlier."""
        ...

    def undo(self, slot: int) -> None:
        """The request never left: the slot is as it was before it was taken."""
        ...


class MemorySlots:
    """Slots that forget: for tests, benchmarks and what never outlives its process."""

    def open(self, count: int, window: float, now: float) -> list[float]:  # noqa: ARG002 - the protocol's signature
        return [NEVER] * count

    def take(self, slot: int, at: float) -> None:
        pass

    def release(self, slot: int, at: float) -> None:
        pass

    def undo(self, slot: int) -> None:
        pass


class SlotFile:
    """Slots in a mapped file. One process at a time; the daemon's own lock sees to that.

    A file that is missing is right only on a genuine `first_start`: then all slots are free. Otherwise, and when the
    file is cut, garbled or of another boot, nobody knows what was sent, so the window is taken as full and comes free
    evenly.
    """

    def __init__(self, path: Path, *, first_start: bool, boot_id: str | None = None) -> None:
        self._path = path
        self._first_start = first_start
        self._boot = _boot(boot_id)
        self._map: mmap.mmap | None = None
        self._stamps = memoryview(b"").cast("d")

    def open(self, count: int, window: float, now: float) -> list[float]:
        """Read what was, heal it, and map the file. A changed count or window takes over as much as is certain.

        Raises:
            OSError: the file cannot be read or written.
        """
        self.close()
        released = self._recall(count, window, now)
        self._write(released, window)
        with self._path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._stamps = memoryview(self._map)[_START:].cast("d")
        return released

    def close(self) -> None:
        """Unmap the file; its stamps stay."""
        self._stamps.release()
        self._stamps = memoryview(b"").cast("d")
        if self._map is not None:
            self._map.close()
            self._map = None

    def take(self, slot: int, at: float) -> None:
        self._stamps[2 * slot] = at

    def release(self, slot: int, at: float) -> None:
        self._stamps[2 * slot + 1] = at

    def undo(self, slot: int) -> None:
        self._stamps[2 * slot] = self._stamps[2 * slot + 1]

    def _recall(self, count: int, window: float, now: float) -> list[float]:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return [NEVER] * count if self._first_start else _unknown(count, window, now)
        parsed = _parse(raw, self._boot)
        if parsed is None:
            return _unknown(count, window, now)
        old_window, pairs = parsed
        released = _fit([_last_use(*pair, now) for pair in pairs], count)
        if window > old_window:  # a slot used twice within the longer window remembers only its second use
            return [max(known, guess) for known, guess in zip(released, _unknown(count, window, now), strict=True)]
        return released

    def _write(self, released: list[float], window: float) -> None:
        header = _HEADER.pack(_MAGIC, _VERSION, len(released), window, self._boot)
        stamps = struct.pack(f"{2 * len(released)}d", *chain.from_iterable((stamp, stamp) for stamp in released))
        draft = self._path.with_name(f".{self._path.name}.tmp")
        draft.write_bytes(header + _CHECKSUM.pack(zlib.crc32(header)) + stamps)
        draft.replace(self._path)


def _parse(raw: bytes, boot: bytes) -> tuple[float, Iterable[tuple[float, float]]] | None:
    """The window and the stamps of a file of this boot; None when it tells nothing."""
    if len(raw) < _START:
        return None
    magic, version, count, window, file_boot = _HEADER.unpack_from(raw)
    (checksum,) = _CHECKSUM.unpack_from(raw, _HEADER.size)
    known = (_MAGIC, _VERSION, zlib.crc32(raw[: _HEADER.size]), boot, _START + 2 * _STAMP * count)
    if (magic, version, checksum, file_boot, len(raw)) != known:
        return None
    return window, struct.iter_unpack("2d", raw[_START:])


def _last_use(taken: float, released: float, now: float) -> float:
    """From when a slot counts its window: for one that was in flight, or makes no sense, from the end of the margin."""
    latest = now + MARGIN
    return released if taken <= released <= latest else latest


def _fit(released: list[float], count: int) -> list[float]:
    """The latest uses when slots were taken away, free ones on top when slots were added."""
    return sorted([*released, *[NEVER] * (count - len(released))])[-count:]


def _unknown(count: int, window: float, now: float) -> list[float]:
    """A full window of which nobody knows the past: its slots come free evenly, the last after margin + window."""
    return [now + MARGIN - window + window * (slot + 1) / count for slot in range(count)]


def _boot(boot_id: str | None) -> bytes:
    """The identity of this boot; without one from the kernel, every start counts as another boot."""
    if boot_id is None and _BOOT_ID.exists():
        boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
    return uuid.UUID(boot_id).bytes if boot_id else os.urandom(16)
