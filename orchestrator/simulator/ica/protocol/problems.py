"""ICA's errors, as problem documents."""

import msgspec

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica.protocol.wire import iso

MEDIA_TYPE = "application/problem+json"

BAD_REQUEST, UNAUTHORISED, NOT_FOUND, CONFLICT, UNPROCESSABLE, THROTTLED = 400, 401, 404, 409, 422, 429

_TITLES = {
    UNAUTHORISED: "ICA_SEC_002",
    403: "ICA_SEC_001",
    NOT_FOUND: "ICA_API_404",
    THROTTLED: "ICA_API_429",
    503: "ICA_API_503",
}
_DETAILS = {
    UNAUTHORISED: "Unauthorized",
    403: "Forbidden",
    NOT_FOUND: "Not found",
    CONFLICT: "A request with this Idempotency-Key is still being processed",
    THROTTLED: "Too many requests. Please try again later!",
    503: "The service is not available",
}


class Problem(Exception):
    """A request that ICA declines; becomes the answer."""

    def __init__(self, status: int, detail: str | None = None, title: str | None = None) -> None:
        self.status = status
        self.title = title or _TITLES.get(status, f"ICA_API_{status:03}")
        self.detail = detail or _DETAILS.get(status, "The request failed")
        super().__init__(f"{status} {self.title}: {self.detail}")

    def reply(self, path: str, reference: str, now: int, headers: dict[str, str] | None = None) -> Reply:
        """As sent: `reference` is the id under which support would find it, `now` wall microseconds."""
        document = {
            "id": reference,
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": f"http://ica.example.org{path}",
            "parameters": {},
            "timestamp": iso(now),
        }
        return Reply(self.status, msgspec.json.encode(document), MEDIA_TYPE, headers or {})
