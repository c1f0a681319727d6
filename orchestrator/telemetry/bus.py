"""The event bus.

The engine publishes events (frozen dataclasses); the log and the metrics subscribe. Publishing calls the handlers
directly, in the order in which they subscribed; they must be quick and must not block.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

Event = TypeVar("Event")

log = structlog.get_logger(__name__)


class Bus(Generic[Event]):
    """Passes each event to every subscriber."""

    def __init__(self) -> None:
        self._handlers: tuple[Callable[[Event], None], ...] = ()

    def subscribe(self, handler: Callable[[Event], None]) -> None:
        """Call `handler` with every event published from now on."""
        self._handlers = (*self._handlers, handler)

    def publish(self, event: Event) -> None:
        """Call all subscribers. An exception in one is logged and affects neither the others nor the caller."""
        for handler in self._handlers:
            try:
                handler(event)
            except Exception:
                # A failing observer must not stop the work that it observes.
                log.exception("event_handler_error", subscriber=_name(handler), event_type=type(event).__name__)


def _name(handler: object) -> str:
    return str(getattr(handler, "__qualname__", type(handler).__qualname__))
