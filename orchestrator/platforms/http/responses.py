"""Interprets HTTP responses: the rate limit headers, and the error that a status stands for.

| status | SAFE | UNSAFE |
| --- | --- | --- |
| 401 | Unauthorised | Unauthorised |
| 404, 410 | Missing | Missing |
| 429 | Throttled | Throttled |
| 408, 425, 1xx, 3xx (no redirect is followed) | Transient | Unconfirmed |
| 404, 405, 407, 410 with a web page, as by a proxy | as without | Transient |
| other 4xx | Refused | Refused |
| 503 with Retry-After | Throttled | Unconfirmed |
| other 5xx | Transient | Unconfirmed |

A platform's `Classifier` is asked first and takes precedence.

Responses may come from gateways and proxies, so nothing here relies on their type, size or language.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from orchestrator.clock import SECOND, Micros
from orchestrator.domain.errors import (
    Missing,
    PlatformError,
    Refused,
    Throttled,
    Transient,
    Unauthorised,
    Unconfirmed,
)
from orchestrator.platforms.http.calls import Call, Effect
from orchestrator.telemetry.redaction import Redactor

_PROBLEM: Final = "application/problem+json"
_SUCCESSES: Final = range(200, 300)
REDIRECTS: Final = range(300, 400)
_CLIENT_ERRORS: Final = range(400, 500)
_SERVER_ERRORS: Final = range(500, 600)
NO_SUCH_PATH: Final = frozenset({404, 405, 407, 410})
"""Statuses of a path that does not exist, and of a proxy or gateway that does not pass a request on."""
_SAID_TOO_EARLY: Final = frozenset({408, 425})
"""Statuses sent before the request was understood: not a refusal, and not certainly without effect."""
COMPLAINT_BYTES: Final = 65_536
"""Maximum bytes that are read of an error response."""
_SHOWN: Final = 500
"""Maximum characters of foreign text in a message."""
_MILLISECONDS_FROM: Final = 1e11
"""A time stamp above this counts milliseconds: in seconds it would be the year 5138."""
_STAMP_FROM: Final = 1e9
"""A number above this is a point in time, below it a duration."""
_LONGEST_WINDOW: Final = 3600.0
"""Maximum seconds of a rate limit window on any known platform."""
_SECRET_FROM: Final = 8
"""Minimum characters of a credential; shorter text would occur in ordinary words."""
_PLAIN_HEADERS: Final = frozenset({"accept", "content-type", "idempotency-key", "user-agent"})
REDACTED: Final = "[redacted]"
"""The replacement of a credential."""
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Hints:
    """The headers of a response about time and rate limit; None for absent or invalid ones."""

    date: Micros | None
    remaining: int | None
    """Requests left in the window."""
    reset_in: float | None
    """Seconds until the window ends."""
    retry_after: float | None
    """Seconds that the platform asks to wait."""


def read_hints(headers: Mapping[str, str], now: Micros, window: float = _LONGEST_WINDOW) -> Hints:
    """Parse the headers, relative to the platform's `Date`, or to the local time `now` without one.

    Platforms report the end of the window as a point in time or as a duration, in seconds or milliseconds. The size of
    a point in time shows its unit. A duration is in seconds unless it is longer than `window`: then it must be in
    milliseconds. A short duration in milliseconds is thus taken for seconds, which is too long; the rate limiter holds
    no reset for longer than one window, and its probes notice the error before that.
    """
    date = _moment(headers.get("date"))
    here = date if date is not None else now
    remaining = _number(headers.get("x-ratelimit-remaining"))
    return Hints(
        date=date,
        remaining=int(remaining) if remaining is not None else None,
        reset_in=_seconds_until(_number(headers.get("x-ratelimit-reset")), here, window),
        retry_after=_retry_after(headers.get("retry-after"), here),
    )


@dataclass(frozen=True, slots=True)
class Head:
    """A response without its body."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive."""
    hints: Hints

    @property
    def success(self) -> bool:
        return self.status in _SUCCESSES


@dataclass(frozen=True, slots=True)
class Complaint:
    """The error code and explanation in the body of a response other than 2xx."""

    code: str | None = None
    detail: str | None = None
    problem: bool = False
    """Whether it is a problem document (RFC 9457), so written by the platform itself and not by a gateway."""


Classifier = Callable[[Call, Head, Complaint], type[PlatformError] | None]
"""Returns the error that a response stands for on one platform; None for the meaning in the table."""


def unclassified(call: Call, head: Head, complaint: Complaint) -> None:
    """The classifier of platforms whose responses mean what the table says."""
    del call, head, complaint


def error_of(
    call: Call,
    host: str,
    head: Head,
    body: bytes,
    *,
    secrets: Sequence[str] = (),
    classify: Classifier = unclassified,
) -> PlatformError:
    """The error that a response other than 2xx stands for. Its body may be truncated or empty.

    `secrets` and the credentials in the call's headers are redacted.
    """
    complaint = _complaint(head.headers.get("content-type", ""), body, (*secrets_of(call), *secrets))
    said = ": ".join(part for part in (complaint.code, complaint.detail) if part)
    if head.status in REDIRECTS:
        target = one_line(head.headers.get("location", "").partition("?")[0], (*secrets_of(call), *secrets))
        said = f"redirects to {target}" if target else said or "redirects to nowhere"
    message = f"{call.label} at {host}: {head.status} {said or 'and no reason'}"
    facts = (message, head.status, complaint.code, complaint.detail, head.hints.date, body)
    classified = classify(call, head, complaint)
    kind = classified or _kind(call.effect, head)
    if issubclass(kind, Refused) and call.effect is Effect.UNSAFE and _is_of_gateway(head, body):
        kind = Transient
    if kind is Throttled:
        return Throttled(*facts, retry_after=head.hints.retry_after, whole_account=classified is Throttled)
    if issubclass(kind, Unconfirmed):
        return kind(*facts, by_platform=head.status in _SERVER_ERRORS and complaint.problem)
    return kind(*facts)


def _kind(effect: Effect, head: Head) -> type[PlatformError]:
    kind: type[PlatformError]
    unsafe = effect is Effect.UNSAFE
    match head.status:
        case 401:
            kind = Unauthorised
        case 404 | 410:
            kind = Missing
        case 429:
            kind = Throttled
        case 503 if head.hints.retry_after is not None and not unsafe:
            kind = Throttled
        case status if status in _CLIENT_ERRORS and status not in _SAID_TOO_EARLY:
            kind = Refused
        case _:
            kind = Unconfirmed if unsafe else Transient
    return kind


def _is_of_gateway(head: Head, body: bytes) -> bool:
    """Whether a web page says that there is no such path: no platform says so of work, and no item is to fail of it."""
    return head.status in NO_SUCH_PATH and page_of(head.headers.get("content-type", ""), body) is not None


def one_line(text: str, secrets: Iterable[str] = ()) -> str:
    """Foreign text for a message: one line of limited length, with credentials redacted."""
    text = Redactor(secrets).text(text)
    line = " ".join("".join(char if char.isprintable() else " " for char in text[:COMPLAINT_BYTES]).split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def secrets_of(call: Call) -> Iterator[str]:
    """The credentials in a call's headers, for `one_line`."""
    for name, value in call.headers.items():
        if name.lower() not in _PLAIN_HEADERS:
            yield from (part for part in value.split() if len(part) >= _SECRET_FROM)


def _complaint(content_type: str, body: bytes, secrets: Sequence[str]) -> Complaint:
    media_type = content_type.partition(";")[0].strip().lower()
    fields = _json_object(body)
    if fields is None:
        return Complaint(detail=one_line(_prose(media_type, body), secrets) or None)
    inner = fields.get("error")
    source = inner if isinstance(inner, dict) else fields
    code, detail = (
        one_line(text, secrets) if (text := _first_text(source, names)) else None
        for names in (("code", "title", "error"), ("detail", "message", "error_description"))
    )
    return Complaint(code, detail, problem=media_type == _PROBLEM and not fields.keys().isdisjoint(("title", "status")))


def _json_object(body: bytes) -> dict[str, object] | None:
    if len(body) > COMPLAINT_BYTES:
        return None
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None


def _first_text(fields: Mapping[str, object], names: Sequence[str]) -> str | None:
    """The value of the first of these fields that holds text or a number."""
    values = (fields.get(name) for name in names)
    return next((str(value) for value in values if isinstance(value, str | int) and value != ""), None)


def page_of(content_type: str, body: bytes) -> str | None:
    """A short description of a web page; None when the body is none."""
    text = body[:COMPLAINT_BYTES].lstrip()
    if content_type.partition(";")[0].strip().lower() != "text/html" and not text.startswith(b"<"):
        return None
    return one_line(_prose("text/html", body)) or "an empty page"


def _prose(media_type: str, body: bytes) -> str:
    """The text of a body; of a web page only its title."""
    text = body[:COMPLAINT_BYTES].decode("utf-8", "replace").strip()
    if media_type != "text/html" and not text.startswith("<"):
        return text
    title = _TITLE.search(text)
    return f"a page titled {title[1].strip()!r}" if title else "a page of markup" if text else ""


def _retry_after(text: str | None, here: Micros) -> float | None:
    seconds = _number(text)
    if seconds is None and (moment := _moment(text)) is not None:
        seconds = (moment - here) / SECOND
    return seconds if seconds is not None and seconds >= 0 else None


def _seconds_until(reset: float | None, here: Micros, window: float) -> float | None:
    if reset is None:
        return None
    if reset < _STAMP_FROM:
        return reset / 1000 if reset > window else reset
    return (reset / 1000 if reset > _MILLISECONDS_FROM else reset) - here / SECOND


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _moment(text: str | None) -> Micros | None:
    try:
        moment = parsedate_to_datetime(text) if text is not None else None
        if moment is None:
            return None
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * SECOND)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
