"""What a platform's statuses mean in our states, by a table of the platform's.

The vocabularies are open. A status that no table has is kept as it came and counts as `running`, which ends nothing.
"""

from collections.abc import Mapping

from orchestrator.domain.model import ItemState


def state_of(status: str, table: Mapping[str, ItemState]) -> tuple[ItemState, bool]:
    """Our state for one of a platform's statuses, and whether the table has it."""
    state = table.get(status)
    return (ItemState.RUNNING, False) if state is None else (state, True)
