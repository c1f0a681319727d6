"""Where the slots of a budget outlive the process.

A slot is stamped twice: when it is taken, just before the request leaves, and when the answer has come. These stamps,
and how the account stands with the platform after a refusal, are all that a budget must remember: `SlotFile` keeps them
in a small mapped file, where kill -9 cannot undo them (the pages belong to the kernel) and where a stamp costs a memory
write. Power loss can, but then the machine has booted anew, and stamps of another boot are worth little anyway.

    header     magic, version, number of slots, window in seconds, boot id, checksum of these
    standing   closed until, slots held back for another client, since when these fade
    a slot     taken, released: a slot is in flight exactly when taken > released

All times are seconds on the boot-time clock. Every change is made of aligned 8-byte stores, each right by itself, so
there is no instant at which a kill leaves half a stamp.
"""

import math
import mmap
import os
import struct
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

from orchestrator.durable import private_file

NEVER = -math.inf
"""The stamp of a slot that was never used."""

MARGIN = 2.0
"""Seconds within which a request that we gave up may still arrive and be counted."""

LONGEST_TIMEOUT = 300.0
"""Seconds after its send within which any request has its answer, or is given up."""

_MAGIC = b"ORCSLOTS"
_VERSION = 2
_HEADER = struct.Struct("<8sIId16s")
_CHECKSUM = struct.Struct("<Q")
_START = _HEADER.size + _CHECKSUM.size
_STANDING = struct.Struct("3d")
_FIRST = 3
"""Where the stamps of the first slot lie, in words behind the header."""
_PAIR = struct.Struct("2d")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Standing:
    """How the account stands with the platform, which has refused requests."""

    closed_until: float = NEVER
    suspected: float = 0.0
    """Slots held back because somebody else seems to use the credential."""
    fades_at: float = NEVER
    """From when they are fewer and fewer."""

    def moved(self, by: float) -> "Standing":
        """The same on a clock that is ahead by so many seconds."""
        return Standing(self.closed_until + by, self.suspected, self.fades_at + by)

    def until(self, latest: float) -> "Standing":
        """The same, bounded; a time that makes no sense is taken for the latest."""
        return Standing(min(latest, self.closed_until), self.suspected, min(latest, self.fades_at))  # NaN: `latest`


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

    @property
    def standing(self) -> Standing:
        """What was kept last, once the slots are open."""
        ...

    def keep(self, standing: Standing) -> None:
        """The platform has refused a request."""
        ...


class MemorySlots:
    """Slots that forget: for tests, benchmarks and what never outlives its process."""

    standing = Standing()

    def open(self, count: int, window: float, now: float) -> list[float]:  # noqa: ARG002 - the protocol's signature
        return [NEVER] * count

    def take(self, slot: int, at: float) -> None:
        pass

    def release(self, slot: int, at: float) -> None:
        pass

    def undo(self, slot: int) -> None:
        pass

    def keep(self, standing: Standing) -> None:
        pass


class SlotFile:
    """Slots in a mapped file. One process at a time; the daemon's own lock sees to that.

    A file that is missing is right only on a genuine `first_start`: then all slots are free. Otherwise, and when the
    file is cut, garbled, of another version or of another boot, nobody knows what was sent, so the window is taken as
    full and comes free evenly. An account that was closed stays closed; if the machine has booted since then, for as
    long as it was to stay closed when the last request left, for nobody knows how long ago that was. No closure that
    is read here lasts longer than a window.
    """

    def __init__(self, path: Path, *, first_start: bool, boot_id: str | None = None) -> None:
        self._path = path
        self._first_start = first_start
        self._boot = _boot(boot_id)
        self._map: mmap.mmap | None = None
        self._words = memoryview(b"").cast("d")

    def open(self, count: int, window: float, now: float) -> list[float]:
        """Read what was, heal it, and map the file. A changed count or window takes over as much as is certain.

        Raises:
            OSError: the file cannot be read or written.
        """
        self.close()
        released, standing = self._recall(count, window, now)
        self._write(released, standing, window, now)
        with self._path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._words = memoryview(self._map)[_START:].cast("d")
        return released

    def close(self) -> None:
        """Unmap the file; its stamps stay."""
        self._words.release()
        self._words = memoryview(b"").cast("d")
        if self._map is not None:
            self._map.close()
            self._map = None

    def take(self, slot: int, at: float) -> None:
        self._words[_FIRST + 2 * slot] = at

    def release(self, slot: int, at: float) -> None:
        self._words[_FIRST + 2 * slot + 1] = at

    def undo(self, slot: int) -> None:
        self._words[_FIRST + 2 * slot] = self._words[_FIRST + 2 * slot + 1]

    @property
    def standing(self) -> Standing:
        return Standing(*self._words[:_FIRST])

    def keep(self, standing: Standing) -> None:
        self._words[0], self._words[1], self._words[2] = standing.closed_until, standing.suspected, standing.fades_at

    def _recall(self, count: int, window: float, now: float) -> tuple[list[float], Standing]:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return [NEVER] * count if self._first_start else _unknown(count, window, now), Standing()
        past = _parse(raw)
        if past is None:
            return _unknown(count, window, now), Standing()
        latest = now + window
        if past.boot != self._boot:
            return _unknown(count, window, now), past.standing.moved(now - past.last_taken).until(latest)
        released = _fit([_last_use(*pair, now) for pair in past.pairs], count)
        if window > past.window:  # a slot used twice within the longer window remembers only its second use
            released = [max(known, guess) for known, guess in zip(released, _unknown(count, window, now), strict=True)]
        return released, past.standing.until(latest)

    def _write(self, released: list[float], standing: Standing, window: float, now: float) -> None:
        header = _HEADER.pack(_MAGIC, _VERSION, len(released), window, self._boot)
        words = _STANDING.pack(standing.closed_until, standing.suspected, standing.fades_at)
        pairs = chain.from_iterable((min(stamp, now), stamp) for stamp in released)
        draft = self._path.with_name(f".{self._path.name}.tmp")
        stamps = struct.pack(f"{2 * len(released)}d", *pairs)
        private_file(draft, make=True)
        draft.write_bytes(header + _CHECKSUM.pack(zlib.crc32(header)) + words + stamps)
        draft.replace(self._path)


@dataclass(frozen=True, slots=True)
class _Past:
    """What a file tells."""

    window: float
    boot: bytes
    standing: Standing
    pairs: Sequence[tuple[float, float]]

    @property
    def last_taken(self) -> float:
        """When a request last left; infinity when none did, and so none was refused."""
        return max((taken for taken, _ in self.pairs if math.isfinite(taken)), default=math.inf)


def _parse(raw: bytes) -> _Past | None:
    """What is written there; None when it makes no sense."""
    if len(raw) < _START:
        return None
    magic, version, count, window, boot = _HEADER.unpack_from(raw)
    (checksum,) = _CHECKSUM.unpack_from(raw, _HEADER.size)
    known = (_MAGIC, _VERSION, zlib.crc32(raw[: _HEADER.size]), _START + _STANDING.size + _PAIR.size * count)
    if (magic, version, checksum, len(raw)) != known:
        return None
    standing = Standing(*_STANDING.unpack_from(raw, _START))
    return _Past(window, boot, standing, list(_PAIR.iter_unpack(raw[_START + _STANDING.size :])))


def _last_use(taken: float, released: float, now: float) -> float:
    """From when a slot counts its window: for one that was in flight, or makes no sense, from the end of the margin.

    A release lies ahead where the answer was lost: the platform may count that request until its time-out has passed.
    """
    latest = max(now, taken + LONGEST_TIMEOUT) + MARGIN
    return released if taken <= released <= latest and taken <= now else now + MARGIN


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
