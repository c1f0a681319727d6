"""Removes secrets from log lines and messages.

It replaces values under keys such as `password`, known secrets, and text that looks like a credential (tokens fetched
at run time, passwords in URLs, signed links).
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

REDACTED = "[redacted]"

_KEY = re.compile(r"(authorization|token|api_?key|password|passwd|passphrase|secret|cookie|jwt)s?")
_PLACEHOLDER = (
    r"(?!(?:…|\.\.\.|<[^<>\s]*>|\$\w+|\$\{\w+\}|\{\w*\}|(?-i:[A-Z_]*(?:TOKEN|KEY|PASSWORD|SECRET))"
    r"|(?-i:\*{3,})|\[redacted\])(?![\w.~+/=-]))"
)
"""Not followed by what stands for a secret in advice and documentation: `…`, `<token>`, `$TOKEN`, `YOUR_TOKEN`."""
_SCHEMES = r"(?:bearer|basic|digest|negotiate|token)\b"
_HEADERS = r"(?:proxy-)?authorization|x-api-key|x-sbg-auth-token"


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a credential is found that nobody named as a secret."""

    hints: tuple[str, ...]
    """One of these, without regard to case, is in every text that the pattern matches."""
    pattern: re.Pattern[str]
    replacement: str = rf"\g<1>{REDACTED}"


_RULES = (
    # Authorization: Bearer …, and as it stands in the repr of a mapping or of pairs. Where a scheme follows, the
    # secret is what stands behind it: `?+` never takes the scheme itself for one.
    _Rule(
        ("authorization", "x-api-key", "x-sbg-auth-token"),
        re.compile(
            rf"(?i)((?:{_HEADERS})(?:[\"']\s*[:,]|\s*[:=])\s*(?:b(?=[\"']))?[\"']?(?:{_SCHEMES}\s+)?+)"
            rf"(?!{_SCHEMES}\W*(?:\s|$)){_PLACEHOLDER}[^\s\"',;}}]{{4,}}"
        ),
    ),
    # Prose continues in lower-case letters; a token has digits or capitals among its sixteen characters and more.
    _Rule(("bearer",), re.compile(rf"((?i:bearer)\s+)(?![a-z-]+(?![\w.~+/=-])){_PLACEHOLDER}[\w.~+/=-]{{16,}}")),
    _Rule(("eyj",), re.compile(r"eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), REDACTED),
    _Rule(("://",), re.compile(rf"(://[^\s/:@]*:){_PLACEHOLDER}[^\s/@]+(?=@)")),
    _Rule(
        ("x-amz-", "sig=", "signature=", "token="),
        re.compile(
            rf"(?i)([?&](?:x-amz-(?:signature|credential|security-token)|sig|signature|token)=)"
            rf"{_PLACEHOLDER}[^&\s\"']+"
        ),
    ),
    _Rule(("password=", "passwd="), re.compile(rf"(?i)(\b(?:password|passwd)=){_PLACEHOLDER}[^\s\"'&;,]+")),
)
_PUBLIC = frozenset(
    {"orchestrator", "simulator", "illumina", "postgres", "postgresql", "sqlite", "localhost"}
    | {"admin", "administrator", "apikey", "changeme", "password", "secret", "secrets", "test", "token", "user"}
    | {"account", "accounts", "database", "queue", "incoming", "accepted", "rejected", "results", "state", "server"}
)
"""Words that are everywhere in what is logged. As a secret such a word protects nothing, and to take it out of every
path and name would make the log unreadable, and would show what the secret is. Where a credential stands (under a
telling key, in a header, in a URL) it is taken out all the same."""
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
        kept = [secret for secret in secrets if len(secret) >= _SHORTEST and secret.lower() not in _PUBLIC]
        self._spelt |= {text for secret in kept for text in _spellings(secret)}
        # The longest first: of two secrets, one may begin with the other.
        known = sorted(self._spelt, key=len, reverse=True)
        self._known = re.compile("|".join(map(_pattern, known))) if known else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        lowered = text.casefold()  # to find a word in it takes a hundredth of the time of a pattern
        for rule in _RULES:
            if any(hint in lowered for hint in rule.hints):
                text = rule.pattern.sub(rule.replacement, text)
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


def _pattern(spelling: str) -> str:
    """What finds it: letters alone are no secret inside of a longer word, as `test` is none in `latest`."""
    if not (spelling.isascii() and spelling.isalpha()):
        return re.escape(spelling)
    # Letters may belong to an escape before it: %2F in a URL, \n in a repr.
    begins = r"(?:(?<![A-Za-z])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrtbf]))"
    return rf"{begins}{spelling}(?![A-Za-z])"


def _last_word(key: str) -> str:
    """The end of a key that says what it holds: `X-API-Key` and `psToken` end in a secret, `token_file` does not."""
    found = re.search(_KEY.pattern + r"\Z", key.lower().replace("-", "_"))
    return found[0] if found else ""
