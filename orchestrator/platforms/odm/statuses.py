"""The statuses of ODM and what they mean in our states.

A status that no table has is kept as it came and counts as `running`, which ends nothing.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from orchestrator.domain.model import ItemState
from orchestrator.platforms.status_table import state_of

_BLOCKED: Final = "BLOCKED_BY_DEPENDENCY_FAILURE"

TASK: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        "CREATED": ItemState.SUBMITTED,
        "QUEUEING": ItemState.SUBMITTED,
        "QUEUED": ItemState.SUBMITTED,
        "STARTING": ItemState.SUBMITTED,
        "RUNNING": ItemState.RUNNING,
        _BLOCKED: ItemState.ATTENTION,
        "DONE": ItemState.SUCCEEDED,
        "FAILED": ItemState.FAILED,
        "KILLED": ItemState.ABORTED,
    }
)
"""A task: of a publication, or any other."""

JOB: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        "STARTING": ItemState.SUBMITTED,
        "STARTED": ItemState.RUNNING,
        "RUNNING": ItemState.RUNNING,
        "STOPPING": ItemState.RUNNING,
        "UNKNOWN": ItemState.ATTENTION,
        "COMPLETED": ItemState.SUCCEEDED,
        "FAILED": ItemState.FAILED,
        "ABANDONED": ItemState.FAILED,
        "STOPPED": ItemState.ABORTED,
    }
)
"""An import job. STARTED is in the vendor's own example and script, and not in the specification."""


def task_state(status: str, *, ended: bool) -> tuple[ItemState, bool]:
    """The state of a task, and whether its status is known. A blocked task may resume until it has an end."""
    state, known = state_of(status, TASK)
    return (ItemState.FAILED if state is ItemState.ATTENTION and ended else state), known


def ended_badly(status: str) -> bool:
    """Whether an import job has ended without importing: it may be restarted."""
    return state_of(status, JOB)[0] in {ItemState.FAILED, ItemState.ABORTED}
