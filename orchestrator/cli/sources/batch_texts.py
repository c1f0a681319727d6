"""How a batch is described in a line of text."""

from collections.abc import Mapping
from typing import Any

from orchestrator.domain.messages.counting import counted


def stage_status(batch: Mapping[str, Any]) -> str | None:
    """`creation: SUCCEEDED`: the platform's status of a batch, and what it is about; None while there is none."""
    return f"{batch['stage']}: {batch['status']}" if batch["status"] is not None else None


def batch_items(batch: Mapping[str, Any]) -> str:
    """`98 succeeded, 2 failed`; the plain number of items of a batch whose items were all sent again in others."""
    return ", ".join(f"{count} {state}" for state, count in batch["counts"].items()) or counted(batch["items"], "item")
