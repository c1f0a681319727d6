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


def _item_of_data(waiting: str, running: str, done: str, **more: ItemState) -> Mapping[str, ItemState]:
    """The statuses of an item that works on data; names are separated by spaces."""
    return MappingProxyType(
        {
            **dict.fromkeys(waiting.split(), ItemState.SUBMITTED),
            running: ItemState.RUNNING,
            **dict.fromkeys(done.split(), ItemState.SUCCEEDED),
            f"PARTIALLY_{done.split(maxsplit=1)[0]}": ItemState.PARTIAL,
            "FAILED": ItemState.FAILED,
            **more,
        }
    )


_WAITING: Final = "INITIALISED WAITING_RESOURCES"
LINK: Final = _item_of_data(_WAITING, "RUNNING", "LINKED ALREADY_LINKED")
"""The status of an item that links data into a project (API version 4) or bundle."""
UNLINK: Final = _item_of_data(_WAITING, "RUNNING", "UNLINKED ALREADY_UNLINKED")
"""The status of an item that takes linked data out of a project or bundle."""
COPY: Final = _item_of_data("QUEUED", "COPYING", "COPIED")
"""The status of an item of a data copy batch."""
MOVE: Final = _item_of_data("QUEUED", "MOVING", "MOVED")
"""The status of an item of a data move batch."""
UPDATE: Final = _item_of_data(_WAITING, "UPDATING", "UPDATED")
"""The status of an item of a data update batch."""
SAMPLE: Final = _item_of_data("INITIALIZED WAITING_RESOURCES", "RUNNING", "SUCCEEDED", STOPPED=ItemState.ABORTED)
"""The status of an item of a sample creation batch."""
SAMPLE_OBJECT: Final[Mapping[str, ItemState]] = MappingProxyType(
    {"AVAILABLE": ItemState.SUCCEEDED, "PARTIAL": ItemState.PARTIAL, "DELETED": ItemState.FAILED}
)
"""The status of a sample itself."""

OPEN_ANALYSIS: Final = tuple(status for status, state in ANALYSIS.items() if not state.final)
"""The statuses of open analyses, for searches."""
FINAL_ANALYSIS: Final = tuple(status for status, state in ANALYSIS.items() if state.final)
"""The statuses of analyses that have ended."""

UNRESOLVED_CREATION: Final = ("WAITING_RESOURCES", "RUNNING")
"""The statuses of a batch's items that are not created yet."""


def unresolved(table: Mapping[str, ItemState]) -> tuple[str, ...]:
    """The statuses of items that have not ended."""
    return tuple(status for status, state in table.items() if not state.final)


IDLE_JOB: Final = frozenset({"INITIALIZED", "WAITING_FOR_RESOURCES"})
"""The statuses of a batch's job that has not begun."""
FINAL_JOB: Final = frozenset({"SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "STOPPED"})
"""The final statuses of a batch's job."""
