"""The notices of a job that were not delivered, for `show` and the API."""

from collections.abc import Sequence
from typing import Any

from orchestrator.domain.units import rfc3339
from orchestrator.store.notices import PendingNotice


def describe_notices(pending: Sequence[PendingNotice]) -> list[dict[str, Any]]:
    """Each with its attempts so far; one that is given up has no next try."""
    return [
        {
            "id": each.id,
            "event": each.notice,
            "round": each.round,
            "at": rfc3339(each.at),
            "tries": each.tries,
            "next_try": rfc3339(max(each.due_at, each.at)) if each.due_at is not None else None,
            "last_error": each.last_error,
            "given_up": each.due_at is None,
        }
        for each in pending
    ]
