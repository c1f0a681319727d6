"""The meaning of ICA's errors beyond their status."""

from typing import Final

from orchestrator.domain.errors import StillRunning
from orchestrator.platforms.http.calls import Call
from orchestrator.platforms.http.responses import Complaint, Head

_KEY: Final = "Idempotency-Key"
"""The header with the key of a submission."""
_CONFLICT: Final = 409


def classify(call: Call, head: Head, complaint: Complaint) -> type[StillRunning] | None:
    """ICA answers 409 to a submission while it executes an earlier one under the same key; without a key it refuses."""
    del complaint
    return StillRunning if head.status == _CONFLICT and _KEY in call.headers else None
