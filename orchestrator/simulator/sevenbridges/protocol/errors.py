"""Refusals of the simulated Seven Bridges: HTTP status, code, message."""

from typing import Any

UNAUTHORISED, NOT_FOUND, BAD_REQUEST, THROTTLED, UNAVAILABLE = 401, 404, 400, 429, 503

_CODES = {THROTTLED: 1000, UNAVAILABLE: 7000, 403: 7001, NOT_FOUND: 7002, 409: 7003}
_MESSAGES = {
    UNAUTHORISED: "Unauthorized",
    403: "Forbidden",
    NOT_FOUND: "Requested resource does not exist.",
    409: "Conflict",
    THROTTLED: "Rate limit exceeded! Check response headers.",
    UNAVAILABLE: "Service is not available.",
}
_MORE = "http://docs.sevenbridges.com/docs/the-api#error-codes"


class Refusal(Exception):
    """A request, or one row of it, that the platform declines."""

    def __init__(self, status: int, message: str | None = None, code: int | None = None) -> None:
        self.status = status
        self.code = code if code is not None else _CODES.get(status, status)
        self.message = message or _MESSAGES.get(status, "The request failed.")
        super().__init__(f"{self.status}/{self.code}: {self.message}")

    def body(self) -> dict[str, Any]:
        """As sent, alone or as the `error` of a row."""
        return {"status": self.status, "code": self.code, "message": self.message, "more_info": _MORE}


def maintenance() -> Refusal:
    """503 with code 0."""
    return Refusal(UNAVAILABLE, "API is undergoing maintenance.", 0)
