"""Refusals of the simulated ODM: an HTTP status, and a body only where there is something to say."""

import msgspec

from orchestrator.simulator.exchange import Reply

BAD_REQUEST, UNAUTHORISED, FORBIDDEN, NOT_FOUND, NOT_ALLOWED = 400, 401, 403, 404, 405
CONFLICT, THROTTLED = 409, 429


class Refusal(Exception):
    """A request that the platform declines."""

    def __init__(self, status: int, message: str | None = None) -> None:
        self.status = status
        self.message = message
        super().__init__(f"{status}: {message or 'no reason'}")

    def reply(self) -> Reply:
        """As sent: the specification has empty bodies, and import jobs an object with a message."""
        if self.message is None:
            return Reply(self.status, b"", "text/plain")
        return Reply(self.status, msgspec.json.encode({"error": {"message": self.message}}))
