"""Logs the events of the bus: the name in snake case, and the fields that are not None."""

import re
from dataclasses import fields
from typing import Any

import structlog

from orchestrator.telemetry.events import Event

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


class Journal:
    """A subscriber of the bus that logs every event."""

    def __init__(self, logger: structlog.typing.FilteringBoundLogger) -> None:
        self._logger = logger

    def __call__(self, event: Event) -> None:
        getattr(self._logger, event.level.value)(name_of(event), **_fields(event))


def name_of(event: Event) -> str:
    """`BatchSubmitted` → `batch_submitted`."""
    return _WORD.sub("_", type(event).__name__).lower()


def _fields(event: Event) -> dict[str, Any]:
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in values.items()
        if value is not None
    }
