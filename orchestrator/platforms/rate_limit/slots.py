"""Persists the state of a rate limiter, so that the limit holds across restarts.

A slot has two time stamps: when it was taken, just before the request is sent, and when the response came. These, and
the throttling of the account, are the whole state. `SlotFile` keeps it in a small memory-mapped file: a stamp costs a
memory write, and kill -9 cannot undo it, as the pages belong to the kernel. A power failure can, but stamps of another
boot are of little use anyway.

    header     magic, version, number of slots, window in seconds, boot id, checksum of these
    throttle   closed until, slots withheld for another client, from when these decay
    a slot     taken, released: a slot is in flight exactly when taken > released

All times are seconds on the boot-time clock. Every change consists of aligned 8-byte stores, each valid by itself, so a
kill never leaves half a stamp.
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
"""Seconds within which a request that timed out may still be counted by the platform."""

LONGEST_TIMEOUT = 300.0
"""Maximum seconds from the send of a request to its response or time-out."""

_MAGIC = b"ORCSLOTS"
_VERSION = 2
_HEADER = struct.Struct("<8sIId16s")
_CHECKSUM = struct.Struct("<Q")
_START = _HEADER.size + _CHECKSUM.size
_THROTTLE = struct.Struct("3d")
_FIRST = 3
"""Index of the first slot's stamps, in 8-byte words behind the header."""
_PAIR = struct.Struct("2d")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class ThrottleState:
    """How the platform has throttled the account (429)."""

    closed_until: float = NEVER
    suspected: float = 0.0
    """Slots withheld because another client seems to use the credential."""
    fades_at: float = NEVER
    """From when that number decays."""

    def moved(self, by: float) -> "ThrottleState":
        """The same state on a clock that is ahead by `by` seconds."""
        return ThrottleState(self.closed_until + by, self.suspected, self.fades_at + by)

    def until(self, latest: float) -> "ThrottleState":
        """The same state with times of at most `latest`; NaN becomes `latest`."""
        return ThrottleState(
            min(latest, self.closed_until), self.suspected, min(latest, self.fades_at)
        )  # NaN: `latest`


class SlotStore(Protocol):
    """Stores the stamps of one account's slots. Slots are numbered from 0; times are boot-time seconds."""

    def open(self, count: int, window: float, now: float) -> list[float]:
        """Open the store; returns for each of `count` slots when its window began, `NEVER` for a free one."""
        ...

    def take(self, slot: int, at: float) -> None:
        """Record that a request is about to be sent on this slot."""
        ...

    def release(self, slot: int, at: float) -> None:
        """Record that the platform counted the request at `at` or earlier."""
        ...

    def undo(self, slot: int) -> None:
        """Undo `take`: the request was not sent."""
        ...

    @property
    def throttle(self) -> ThrottleState:
        """The last state given to `keep`; valid after `open`."""
        ...

    def keep(self, throttle: ThrottleState) -> None:
        """Store the throttling of the account."""
        ...


class MemorySlots:
    """Slots that are not persisted, for tests and benchmarks."""

    throttle = ThrottleState()

    def open(self, count: int, window: float, now: float) -> list[float]:  # noqa: ARG002 - the protocol's signature
        return [NEVER] * count

    def take(self, slot: int, at: float) -> None:
        pass

    def release(self, slot: int, at: float) -> None:
        pass

    def undo(self, slot: int) -> None:
        pass

    def keep(self, throttle: ThrottleState) -> None:
        pass


class SlotFile:
    """Slots in a memory-mapped file. One process at a time, which the daemon's lock ensures.

    On a `first_start` the file may be missing, and all slots are free. Otherwise, and when the file is truncated,
    corrupt, of another version or of another boot, it is unknown what was sent: the window counts as full, and its
    slots become free evenly. A closed account stays closed. After a reboot it stays closed for as long as it still
    had to be when the last request was sent, as the time since then is unknown; at most for one window.
    """

    def __init__(self, path: Path, *, first_start: bool, boot_id: str | None = None) -> None:
        self._path = path
        self._first_start = first_start
        self._boot = _boot(boot_id)
        self._map: mmap.mmap | None = None
        self._words = memoryview(b"").cast("d")

    def open(self, count: int, window: float, now: float) -> list[float]:
        """Read the earlier state, write it back in valid form, and map the file. The count and window may change.

        Raises:
            OSError: the file cannot be read or written.
        """
        self.close()
        released, throttle = self._recall(count, window, now)
        self._write(released, throttle, window, now)
        with self._path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._words = memoryview(self._map)[_START:].cast("d")
        return released[:count]

    def close(self) -> None:
        """Unmap the file."""
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
    def throttle(self) -> ThrottleState:
        return ThrottleState(*self._words[:_FIRST])

    def keep(self, throttle: ThrottleState) -> None:
        self._words[0], self._words[1], self._words[2] = throttle.closed_until, throttle.suspected, throttle.fades_at

    def _recall(self, count: int, window: float, now: float) -> tuple[list[float], ThrottleState]:
        """The releases of `count` slots, then those of others that still count, and the throttling."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return [NEVER] * count if self._first_start else _unknown(count, window, now), ThrottleState()
        past = _parse(raw)
        if past is None:
            return _unknown(count, window, now), ThrottleState()
        latest = now + window
        if past.boot != self._boot:
            return _unknown(count, window, now), past.throttle.moved(now - past.last_taken).until(latest)
        released = _fit([_last_use(*pair, now) for pair in past.pairs], count, still_counts=now - 2 * window)
        if window > past.window:  # a slot used twice within the longer window remembers only its second use
            released = list(map(max, released, _unknown(count, window, now)))
        return released, past.throttle.until(latest)

    def _write(self, released: list[float], throttle: ThrottleState, window: float, now: float) -> None:
        header = _HEADER.pack(_MAGIC, _VERSION, len(released), window, self._boot)
        words = _THROTTLE.pack(throttle.closed_until, throttle.suspected, throttle.fades_at)
        pairs = chain.from_iterable((min(stamp, now), stamp) for stamp in released)
        draft = self._path.with_name(f".{self._path.name}.tmp")
        stamps = struct.pack(f"{2 * len(released)}d", *pairs)
        private_file(draft, make=True)
        draft.write_bytes(header + _CHECKSUM.pack(zlib.crc32(header)) + words + stamps)
        draft.replace(self._path)


@dataclass(frozen=True, slots=True)
class _SavedState:
    """The content of a file."""

    window: float
    boot: bytes
    throttle: ThrottleState
    pairs: Sequence[tuple[float, float]]

    @property
    def last_taken(self) -> float:
        """When a request was last sent; infinity when none was."""
        return max((taken for taken, _ in self.pairs if math.isfinite(taken)), default=math.inf)


def _parse(raw: bytes) -> _SavedState | None:
    """Decode a file; None when it is not valid."""
    if len(raw) < _START:
        return None
    magic, version, count, window, boot = _HEADER.unpack_from(raw)
    (checksum,) = _CHECKSUM.unpack_from(raw, _HEADER.size)
    known = (_MAGIC, _VERSION, zlib.crc32(raw[: _HEADER.size]), _START + _THROTTLE.size + _PAIR.size * count)
    if (magic, version, checksum, len(raw)) != known:
        return None
    throttle = ThrottleState(*_THROTTLE.unpack_from(raw, _START))
    return _SavedState(window, boot, throttle, list(_PAIR.iter_unpack(raw[_START + _THROTTLE.size :])))


def _last_use(taken: float, released: float, now: float) -> float:
    """When the window of a slot began; for a slot in flight, or with invalid stamps, the end of the margin.

    The release is in the future when the response was lost: the platform may count the request until its time-out.
    """
    latest = max(now, taken + LONGEST_TIMEOUT) + MARGIN
    return released if taken <= released <= latest and taken <= now else now + MARGIN


def _fit(released: list[float], count: int, *, still_counts: float) -> list[float]:
    """Adapt the releases to a new number of slots: the latest, or free ones in addition.

    Behind those come the others after `still_counts`: they are remembered, in case the number grows again.
    """
    ordered = sorted([*released, *[NEVER] * (count - len(released))])
    return ordered[-count:] + [at for at in ordered[:-count] if at > still_counts]


def _unknown(count: int, window: float, now: float) -> list[float]:
    """Releases of a full window with unknown past: its slots become free evenly, the last after margin + window."""
    return [now + MARGIN - window + window * (slot + 1) / count for slot in range(count)]


def _boot(boot_id: str | None) -> bytes:
    """The id of this boot; when the kernel has none, a random one, so that every start counts as a reboot."""
    if boot_id is None and _BOOT_ID.exists():
        boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
    return uuid.UUID(boot_id).bytes if boot_id else os.urandom(16)
