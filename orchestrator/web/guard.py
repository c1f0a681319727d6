"""Decides which requests are allowed.

With the token everything is allowed. Without it, callers on this machine may read, and may write if no token is
configured. A browser on this machine runs pages of other origins. Therefore `Host` must be local (a page whose name was
rebound to 127.0.0.1 sends its own name) and writing requires a content type that a page cannot send across origins
without a preflight request, which is never answered. The status of the two probes is available to everyone.
"""

import hmac
from collections.abc import Mapping
from email.utils import formatdate
from enum import Enum, auto
from ipaddress import IPv6Address, ip_address
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.clock import SECOND, Clock
from orchestrator.web.api.responses import Problems

PROBES = frozenset({"/livez", "/readyz"})
QUEUE_FILE_SUFFIXES: Mapping[str, str] = MappingProxyType({"application/json": ".json", "application/yaml": ".yaml"})
"""The content types of queue files → their file suffixes."""
FORM = "multipart/form-data"
"""The content type of a queue file with its tables."""

_READS = frozenset({"GET", "HEAD"})
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers that proxies add: a request with one of them does not come from this machine."""


class _Token(Enum):
    """The credentials of a request; if no token is configured, a token in it is ignored."""

    NONE = auto()
    RIGHT = auto()
    WRONG = auto()


class Guard:
    """The middleware before the app. It adds headers to every answer that restrict browsers and caches."""

    def __init__(self, app: ASGIApp, *, token: str | None, clock: Clock, problems: Problems) -> None:
        self._app = app
        self._token = token.encode() if token is not None else None
        self._clock = clock
        self._problems = problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Date"] = formatdate(self._clock.now() / SECOND, usegmt=True)
                headers["Cache-Control"] = "no-store"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._gate(scope)(scope, receive, stamped)

    def _gate(self, scope: Scope) -> ASGIApp:
        """The handler of the request: the app, or a refusal."""
        headers = Headers(scope=scope)
        shown = self._token_in(headers)
        trusted = shown is _Token.RIGHT or (shown is _Token.NONE and _is_local(scope, headers))
        scope.setdefault("state", {})["trusted"] = trusted
        reads = scope["method"] in _READS
        if scope["path"] in PROBES and reads:
            return self._app
        needs_token = not reads and self._token is not None
        if not trusted or (needs_token and shown is not _Token.RIGHT):
            return self._refuse(shown)
        # A page of another origin can send a form, but no bearer token.
        form = content_type(headers) == FORM and shown is _Token.RIGHT
        if not reads and not form and content_type(headers) not in QUEUE_FILE_SUFFIXES:
            wanted = " or ".join(QUEUE_FILE_SUFFIXES)
            return self._problems.answer(415, f"the content type must be {wanted}, or {FORM} with the server's token")
        return self._app

    def _token_in(self, headers: Headers) -> _Token:
        if self._token is None or "authorization" not in headers:
            return _Token.NONE
        scheme, _, token = headers["authorization"].partition(" ")
        right = hmac.compare_digest(token.strip().encode("latin-1"), self._token)
        return _Token.RIGHT if right and scheme.lower() == "bearer" else _Token.WRONG

    def _refuse(self, shown: _Token) -> ASGIApp:
        if self._token is None:
            return self._problems.answer(403, "only callers on this machine are answered, under a local name for it")
        text = "the token is not the right one" if shown is _Token.WRONG else "send the token: Authorization: Bearer …"
        return self._problems.answer(401, text, headers={"WWW-Authenticate": "Bearer"})


def content_type(headers: Headers) -> str:
    """The media type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_local(scope: Scope, headers: Headers) -> bool:
    peer = scope.get("client")
    if peer is None or not _is_loopback(peer[0]) or any(name in headers for name in _FORWARDED):
        return False
    hosts = headers.getlist("host")
    return len(hosts) == 1 and _is_local_host(hosts[0])


def _is_local_host(host: str) -> bool:
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname
    except ValueError:
        return False
    if name is None or parts.netloc != host or "@" in host:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
