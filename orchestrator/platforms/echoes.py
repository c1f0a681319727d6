"""Removes credentials from what a platform answers: what is kept must hold them no more than what is logged.

A platform, or a gateway before it, may repeat the headers of a request in an error or in a status text, which then
goes into results and the database.
"""

from collections.abc import Sequence
from typing import Final

from orchestrator.platforms.answers import REDACTED

_SHORTEST: Final = 16
"""Characters; a shorter text may be a word of the platform's own, and replacing it would change what is read."""
_MOST: Final = 8
"""Credentials that are remembered: a key, and the tokens made from it lately."""


class Credentials:
    """The latest credentials of one account."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[bytes, ...]] = {}

    @property
    def texts(self) -> Sequence[str]:
        """The credentials, the longest first: one may begin with another."""
        return sorted(self._held, key=len, reverse=True)

    def learn(self, *secrets: str) -> None:
        """Remember these; a text too short to be a credential is left alone."""
        for secret in secrets:
            if len(secret) >= _SHORTEST:
                # The latest stay; what is used with every request is always among them.
                spellings = self._held.pop(secret, None) or _spellings(secret)
                self._held[secret] = spellings
                if len(self._held) > _MOST:
                    del self._held[next(iter(self._held))]

    def removed_from(self, body: bytes) -> bytes:
        """The body without any of them."""
        for secret in self.texts:
            for spelling in self._held[secret]:
                if spelling in body:
                    body = body.replace(spelling, REDACTED.encode())
        return body


def _spellings(secret: str) -> tuple[bytes, ...]:
    """As it is, and as JSON may write it."""
    plain = secret.encode()
    return tuple(dict.fromkeys((plain, plain.replace(b"/", rb"\/"), plain.replace(b"=", rb"\u003d"))))
