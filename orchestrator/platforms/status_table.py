"""Maps a platform's statuses to item states, by a table of the platform.

The vocabularies are open. A status that is not in the table is stored unchanged and counts as `running`.
"""

from collections.abc import Mapping

from orchestrator.domain.model import ItemState


def state_of(status: str, table: Mapping[str, ItemState]) -> tuple[ItemState, bool]:
    """The item state of a platform's status, and whether the table has it."""
    state = table.get(status)
    return (ItemState.RUNNING, False) if state is None else (state, True)
