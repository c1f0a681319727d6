"""Keeping secrets out of what is told.

Three nets, one behind the other: values under telling keys, secrets that we know by their text, and texts that look
like a credential (tokens fetched at run time, passwords in URLs, signed links).
"""

import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

REDACTED = "[redacted]"

_KEY = re.compile(r"(authorization|token|api_?key|password|passwd|passphrase|secret|cookie|jwt)s?")
_PATTERNS = MappingProxyType(
    {
        # Authorization: Bearer …, and as it stands in the repr of a mapping of headers
        re.compile(r"(?i)(authorization\W{1,4}(?:(?:bearer|basic)\s+)?)[^\s\"',;}]{4,}"): rf"\g<1>{REDACTED}",
        re.compile(r"(?i)(bearer\s+)[\w.~+/=-]{16,}"): rf"\g<1>{REDACTED}",
        re.compile(r"eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"): REDACTED,
        re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)"): rf"\g<1>{REDACTED}",
        re.compile(r"(?i)([?&](?:x-amz-(?:signature|credential|security-token)|sig|signature|token)=)[^&\s\"']+"): (
            rf"\g<1>{REDACTED}"
        ),
    }
)
_SHORTEST = 4
"""A shorter text is no secret, and replacing it everywhere would make the log unreadable."""
_DEEPEST = 8


class Redactor:
    """Replaces secrets in texts and in nested values."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._spelt: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.learn(*secrets)

    def learn(self, *secrets: str) -> None:
        """Keep these secret too; any thread may call it."""
        self._spelt |= {text for secret in secrets if len(secret) >= _SHORTEST for text in _spellings(secret)}
        # The longest first: of two secrets, one may begin with the other.
        known = sorted(self._spelt, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        for pattern, replacement in _PATTERNS.items():
            text = pattern.sub(replacement, text)
        return text

    def value(self, value: object, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
        """The value as JSON can hold it, without secrets; what is no JSON becomes its text."""
        if isinstance(value, (Mapping, list, tuple, set, frozenset)):
            return self._nested(value, depth + 1)
        if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        return self.text(str(value))

    def _nested(self, value: Mapping[Any, object] | Iterable[object], depth: int) -> Any:  # noqa: ANN401 - as above
        if depth > _DEEPEST:
            return "…"
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._under(str(key), held, depth) for key, held in value.items()}
        return [self.value(held, depth) for held in value]

    def _under(self, key: str, value: object, depth: int) -> Any:  # noqa: ANN401 - any JSON value
        named = _KEY.fullmatch(_last_word(key))
        return REDACTED if named and value is not None and value != "" else self.value(value, depth)


def _spellings(secret: str) -> tuple[str, ...]:
    """A secret as it is, inside a repr, and inside a URL."""
    return secret, repr(secret)[1:-1], quote(secret, safe="")


def _last_word(key: str) -> str:
    """The end of a key that tells what it holds: `X-API-Key` and `psToken` end in a secret, `token_file` does not."""
    found = re.search(_KEY.pattern + r"\Z", key.lower().replace("-", "_"))
    return found[0] if found else ""
