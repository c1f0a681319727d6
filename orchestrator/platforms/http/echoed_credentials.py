"""Removes credentials from responses, so that they get into neither logs nor the database.

A platform or gateway may repeat the headers of a request in an error or in a status text, which is stored in results
and the database.
"""

from collections.abc import Sequence
from typing import Final

from orchestrator.platforms.http.responses import REDACTED

_SHORTEST: Final = 16
"""Minimum characters of a credential; a shorter text may occur in a response by chance."""
_MOST: Final = 8
"""Maximum credentials that are remembered: a key and its latest tokens."""


class Credentials:
    """The latest credentials of one account."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[bytes, ...]] = {}

    @property
    def texts(self) -> Sequence[str]:
        """The credentials, the longest first: one may begin with another."""
        return sorted(self._held, key=len, reverse=True)

    def learn(self, *secrets: str) -> None:
        """Remember credentials; texts that are too short are ignored."""
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                # The latest are kept, among them those that are sent with every request.
                spellings = self._held.pop(secret, None) or _spellings(secret)
                self._held[secret] = spellings
                if len(self._held) > _MOST:
                    del self._held[next(iter(self._held))]

    def removed_from(self, body: bytes) -> bytes:
        """The body with every credential redacted."""
        for secret in self.texts:
            for spelling in self._held[secret]:
                if spelling in body:
                    body = body.replace(spelling, REDACTED.encode())
        return body


def _spellings(secret: str) -> tuple[bytes, ...]:
    """A credential as it is, and as JSON may escape it."""
    plain = secret.encode()
    return tuple(dict.fromkeys((plain, plain.replace(b"/", rb"\/"), plain.replace(b"=", rb"\u003d"))))
