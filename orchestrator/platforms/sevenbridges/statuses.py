"""The statuses of Seven Bridges and what they mean in our states.

A status that no table has is kept as it came and counts as `running`, which ends nothing. A task may go from RUNNING
back to QUEUED, several times.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from orchestrator.domain.model import ItemState

DRAFT: Final = "DRAFT"
"""Of a task that was not run yet."""
FINISHED: Final = "FINISHED"
"""Of a job over many files: each of its rows says how that file ended."""

TASK: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        DRAFT: ItemState.PENDING,
        "CREATING": ItemState.SUBMITTED,
        "QUEUED": ItemState.SUBMITTED,
        "RUNNING": ItemState.RUNNING,
        "ABORTING": ItemState.RUNNING,
        "COMPLETED": ItemState.SUCCEEDED,
        "FAILED": ItemState.FAILED,
        "ABORTED": ItemState.ABORTED,
    }
)

TRANSFER: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        "PENDING": ItemState.SUBMITTED,
        "RUNNING": ItemState.RUNNING,
        "COMPLETED": ItemState.SUCCEEDED,
        "FAILED": ItemState.FAILED,
    }
)
"""An import or an export."""

JOB: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        "SUBMITTED": ItemState.SUBMITTED,
        "RESOLVING": ItemState.SUBMITTED,
        "PENDING": ItemState.SUBMITTED,
        "RUNNING": ItemState.RUNNING,
    }
)
"""A job that copies, moves or deletes files, or imports them by DRS. FINISHED is in no table: its rows decide."""

RUN: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        "CREATED": ItemState.SUBMITTED,
        "QUEUED_FOR_EXECUTION": ItemState.SUBMITTED,
        "SENT_TO_EXECUTION": ItemState.SUBMITTED,
        "RUNNING": ItemState.RUNNING,
        "QUEUED_FOR_TERMINATION": ItemState.RUNNING,
        "FINISHED": ItemState.SUCCEEDED,
        "FAILED": ItemState.FAILED,
        "ABORTED": ItemState.ABORTED,
    }
)
"""A run of an automation."""
