"""Whether a scan of incoming/ makes progress: a mount that is gone raises nothing, it never answers."""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.clock import Clock

LONGEST_STANDSTILL = 120.0
"""Seconds without a step after which a scan counts as stuck: each step of the largest file takes a few at most."""


class Progress:
    """Notes when a scan began and when it last made progress. Steps may be noted from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: float | None = None
        self._stepped = 0.0

    @contextmanager
    def observe(self) -> Iterator[None]:
        """For as long as a scan lasts."""
        self._stepped = self._began = self._clock.monotonic()
        try:
            yield
        finally:
            self._began = None

    def step(self) -> None:
        """Something was done: a file was examined, a part of one was read, a portion of rows was written."""
        self._stepped = self._clock.monotonic()

    @property
    def standstill(self) -> str | None:
        """What to report of a scan that is stuck; None while it makes progress, and between two scans."""
        now, began = self._clock.monotonic(), self._began
        if began is None or now - self._stepped <= LONGEST_STANDSTILL:
            return None
        idle = now - self._stepped
        return f"has been scanning incoming/ for {now - began:.0f} s, without a step for {idle:.0f} s"
