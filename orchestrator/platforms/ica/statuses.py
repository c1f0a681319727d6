"""ICA's words and what they mean in ours.

The vocabularies are open: ICA announces that more words may come. A word that no table has is kept as it came and
counts as `running`, which ends nothing.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from orchestrator.domain.model import ItemState

CREATION: Final[Mapping[str, ItemState]] = MappingProxyType(
    {
        "WAITING_RESOURCES": ItemState.SUBMITTED,
        "RUNNING": ItemState.SUBMITTED,
        "SUCCEEDED": ItemState.SUBMITTED,  # created; what becomes of it, the analysis tells
        "FAILED": ItemState.FAILED,
    }
)
"""An item of an analysis creation batch."""

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
"""An analysis, in the words of version 4."""

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
"""An item of a data linking batch, in the words of version 4."""

OPEN_ANALYSIS: Final = tuple(word for word, state in ANALYSIS.items() if not state.final)
"""What a search asks for to find the analyses that go on."""
FINAL_ANALYSIS: Final = tuple(word for word, state in ANALYSIS.items() if state.final)
"""What a search asks for to find those that ended."""

UNRESOLVED_CREATION: Final = ("WAITING_RESOURCES", "RUNNING")
"""What a list of a batch's items is asked for to find those that are not created yet."""
UNRESOLVED_LINK: Final = tuple(word for word, state in LINK.items() if not state.final)
"""The same of links."""

IDLE_JOB: Final = frozenset({"INITIALIZED", "WAITING_FOR_RESOURCES"})
"""The words of a job that has not begun."""
FINAL_JOB: Final = frozenset({"SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "STOPPED"})
"""The words with which the job of a batch ends."""
