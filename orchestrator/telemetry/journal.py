"""Writes what is published on the bus into the log: the event's name in snake case, its fields beside it."""

import re
from dataclasses import fields
from typing import Any

import structlog

from orchestrator.telemetry.events import Event

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class Journal:
    """A subscriber of the bus. The one place where the engine's doings become log lines."""

    def __init__(self, logger: structlog.typing.FilteringBoundLogger) -> None:
        self._logger = logger

    def __call__(self, event: Event) -> None:
        getattr(self._logger, event.level.value)(name_of(event), **_told(event))


def name_of(event: Event) -> str:
    """`BatchSubmitted` → `batch_submitted`."""
    return _WORD.sub("_", type(event).__name__).lower()


def _told(event: Event) -> dict[str, Any]:
    told = {field.name: getattr(event, field.name) for field in fields(event)}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in told.items()}
