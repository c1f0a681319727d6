"""What happened, told once to whoever wants to know.

The engine publishes events (frozen dataclasses); the log and the metrics subscribe. Publishing is a plain call:
handlers are quick, do no I/O that could wait, and run in the order in which they subscribed.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

Event = TypeVar("Event")

log = structlog.get_logger(__name__)


class Bus(Generic[Event]):
    """Hands each event to every subscriber."""

    def __init__(self) -> None:
        self._handlers: tuple[Callable[[Event], None], ...] = ()

    def subscribe(self, handler: Callable[[Event], None]) -> None:
        """Call `handler` with every event published from now on."""
        self._handlers = (*self._handlers, handler)

    def publish(self, event: Event) -> None:
        """Tell all subscribers. What one of them raises is logged, and neither the others nor the caller notice."""
        for handler in self._handlers:
            try:
                handler(event)
            except Exception:
                # An observer must never decide whether the work it observes goes on.
                log.exception("event_handler_error", subscriber=_name(handler), told=type(event).__name__)


def _name(handler: object) -> str:
    return str(getattr(handler, "__qualname__", type(handler).__qualname__))
