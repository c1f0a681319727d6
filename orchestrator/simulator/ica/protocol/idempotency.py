"""Answers kept under an idempotency key, as ICA keeps them: by endpoint, user and key, for seven days, if below 400."""

import hashlib
from dataclasses import dataclass

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.ica.protocol.problems import BAD_REQUEST, CONFLICT, UNPROCESSABLE, Problem

MAX_KEY = 255
_DAY = 86_400.0


@dataclass(slots=True)
class Entry:
    """One call under a key."""

    digest: bytes
    running: bool = True
    reply: Reply | None = None
    kept_at: float = 0.0


class IdempotencyKeys:
    """All calls that carried a key."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str, str], Entry] = {}

    def open(self, place: tuple[str, str, str], body: bytes, now: float, days: float) -> Entry:
        """The entry for (endpoint, user, key): with its reply when the call was made before, else new and running.

        Raises Problem: 400 for a key that is too long, 409 while the first call runs, 422 for another body.
        """
        key = place[2]
        if not 0 < len(key) <= MAX_KEY:
            raise Problem(BAD_REQUEST, f"The Idempotency-Key must have 1 to {MAX_KEY} characters")
        digest = hashlib.sha256(body).digest()
        known = self._entries.get(place)
        if known is not None and not known.running and now >= known.kept_at + days * _DAY:
            known = None
        if known is None:
            entry = self._entries[place] = Entry(digest)
            return entry
        if known.digest != digest:
            raise Problem(UNPROCESSABLE, "The Idempotency-Key was used before with another request body")
        if known.running:
            raise Problem(CONFLICT)
        return known

    def forget(self, place: tuple[str, str, str]) -> None:
        """Keep nothing: the answer was an error."""
        self._entries.pop(place, None)
