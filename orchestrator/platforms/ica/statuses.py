"""The statuses of ICA, and the item states that they map to.

The vocabularies are open: ICA may add statuses. An unknown status is stored unchanged and counts as `running`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from orchestrator.domain.model import ItemState

CREATION: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        "WAITING_RESOURCES": ItemState.SUBMITTED,
        "RUNNING": ItemState.SUBMITTED,
        "SUCCEEDED": ItemState.SUBMITTED,  # created; the analysis has its own status
        "FAILED": ItemState.FAILED,
    }
)
"""The status of an item of an analysis creation batch."""

ANALYSIS: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        "REQUESTED": ItemState.SUBMITTED,
        "QUEUED": ItemState.SUBMITTED,
        "INITIALIZING": ItemState.RUNNING,
        "PREPARING_INPUTS": ItemState.RUNNING,
        "IN_PROGRESS": ItemState.RUNNING,
        "GENERATING_OUTPUTS": ItemState.RUNNING,
        "AWAITING_INPUT": ItemState.ATTENTION,
        "ABORTING": ItemState.RUNNING,
        "SUCCEEDED": ItemState.SUCCEEDED,
        "FAILED": ItemState.FAILED,
        "FAILED_FINAL": ItemState.FAILED,
        "ABORTED": ItemState.ABORTED,
    }
)
"""The status of an analysis (API version 4)."""

LINK: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        "INITIALISED": ItemState.SUBMITTED,
        "WAITING_RESOURCES": ItemState.SUBMITTED,
        "RUNNING": ItemState.RUNNING,
        "LINKED": ItemState.SUCCEEDED,
        "ALREADY_LINKED": ItemState.SUCCEEDED,
        "PARTIALLY_LINKED": ItemState.PARTIAL,
        "FAILED": ItemState.FAILED,
    }
)
"""The status of an item of a data linking batch (API version 4)."""

OPEN_ANALYSIS: Final = tuple(status for status, state in ANALYSIS.items() if not state.final)
"""The statuses of open analyses, for searches."""
FINAL_ANALYSIS: Final = tuple(status for status, state in ANALYSIS.items() if state.final)
"""The statuses of analyses that have ended."""

UNRESOLVED_CREATION: Final = ("WAITING_RESOURCES", "RUNNING")
"""The statuses of a batch's items that are not created yet."""
UNRESOLVED_LINK: Final = tuple(status for status, state in LINK.items() if not state.final)
"""The statuses of open links."""

IDLE_JOB: Final = frozenset({"INITIALIZED", "WAITING_FOR_RESOURCES"})
"""The statuses of a batch's job that has not begun."""
FINAL_JOB: Final = frozenset({"SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "STOPPED"})
"""The final statuses of a batch's job."""
