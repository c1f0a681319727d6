"""The filters of a search body, for analyses and for workflow sessions."""

from collections.abc import Collection, Sequence
from typing import Literal

from orchestrator.simulator.ica.protocol import wire
from orchestrator.simulator.ica.protocol.bodies import Search
from orchestrator.simulator.ica.work.entities import Analysis
from orchestrator.simulator.ica.work.workflow_sessions import WorkflowSession

TagFilter = Literal["all", "any", "prefix"]


def matches(
    row: Analysis | WorkflowSession,
    *,
    search: Search,
    statuses: Collection[str],
    version: int,
    at: float,
    tag_filter: TagFilter,
) -> bool:
    """Whether a row, as it was at the instant `at`, is among those that a search asks for."""
    if not row.exists(at):
        return False
    if statuses:
        status = row.status(at)
        if (status if version == wire.V4 else wire.v3_analysis_status(status)) not in statuses:
            return False
    if isinstance(row, Analysis) and search.reference not in (None, row.reference):
        return False
    return (
        search.user_reference in (None, row.user_reference)
        and _tagged(search.technical_tags, row.tags.technical, tag_filter)
        and _tagged(search.user_tags, row.tags.user, tag_filter)
        and _tagged(search.reference_tags, row.tags.reference, tag_filter)
    )


def _tagged(asked: Sequence[str] | None, present: Sequence[str], tag_filter: TagFilter) -> bool:
    if not asked:
        return True
    match tag_filter:
        case "all":
            return all(tag in present for tag in asked)
        case "any":
            return any(tag in present for tag in asked)
        case "prefix":
            return any(tag.startswith(prefix) for prefix in asked for tag in present)
