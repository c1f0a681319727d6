"""Whether a look through incoming/ gets on: a mount that is gone raises nothing, it never answers."""

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.clock import Clock

LONGEST_STANDSTILL = 120.0
"""Seconds without a step after which a look counts as stuck: each step of the largest file takes a few at most."""


class Progress:
    """Notes when a look began and when it last got on. Steps may be noted from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began: float | None = None
        self._stepped = 0.0

    @contextmanager
    def observe(self) -> Iterator[None]:
        """For as long as a look lasts."""
        self._stepped = self._began = self._clock.monotonic()
        try:
            yield
        finally:
            self._began = None

    def step(self) -> None:
        """Something was done: a file was looked at, a part of one was read, a portion of rows was written."""
        self._stepped = self._clock.monotonic()

    @property
    def standstill(self) -> str | None:
        """What to say of a look that is stuck; None while it gets on, and between two looks."""
        now, began = self._clock.monotonic(), self._began
        if began is None or now - self._stepped <= LONGEST_STANDSTILL:
            return None
        idle = now - self._stepped
        return f"has been scanning incoming/ for {now - began:.0f} s, without a step for {idle:.0f} s"
