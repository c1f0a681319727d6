"""What refusals mean on Seven Bridges beyond their status; docs/platforms.md has the table."""

from typing import Final

from orchestrator.domain.errors import Throttled
from orchestrator.platforms.http.calls import Call
from orchestrator.platforms.http.responses import Complaint, Head

_UNAVAILABLE: Final = 503
_MAINTENANCE: Final = "0"


def classify(call: Call, head: Head, complaint: Complaint) -> type[Throttled] | None:
    """503 with code 0 is maintenance: nothing was done, and nothing will be for a while.

    Any other 503 may come from one service or from a gateway, and says nothing about what was done.
    """
    del call
    return Throttled if head.status == _UNAVAILABLE and complaint.code == _MAINTENANCE else None
