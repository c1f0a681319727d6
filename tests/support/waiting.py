"""Waiting in real time for what another process or thread does: for the condition, never for a number of seconds."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import anyio

from orchestrator.clock import SystemClock

PATIENCE = 600.0
"""Real seconds after which a test fails instead of hanging: long enough for no outcome to depend on them."""


def patience() -> AbstractContextManager[anyio.CancelScope]:
    """Raises TimeoutError where what runs inside hangs."""
    return anyio.fail_after(PATIENCE)


async def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    clock = SystemClock()
    with patience():
        while not condition():
            await clock.sleep(0.01)
