"""Decides which requests are allowed.

With the token everything is allowed. Without it, callers on this machine may read, and may write if no token is
configured. A browser on this machine runs pages of other origins. Therefore `Host` must be local (a page whose name was
rebound to 127.0.0.1 sends its own name) and writing requires a content type that a page cannot send across origins
without a preflight request, which is never answered. The status of the two probes is available to everyone.

Pages for operators are read under the same rules, or with a session, to which the login page leads. They change
something with the token, or with a session, from a page of this server (`Origin`), and with the session's CSRF token,
which the form carries (`web/pages/forms.py`). Without a configured token the pages are read-only, on this machine too.
"""

import hmac
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from enum import Enum, auto
from ipaddress import IPv6Address, ip_address
from types import MappingProxyType
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.clock import SECOND, Clock
from orchestrator.web.api.responses import Problems
from orchestrator.web.sessions import Session, Sessions

PROBES = frozenset({"/livez", "/readyz"})
QUEUE_FILE_SUFFIXES: Mapping[str, str] = MappingProxyType({"application/json": ".json", "application/yaml": ".yaml"})
"""The content types of queue files → their file suffixes."""
FORM = "multipart/form-data"
"""The content type of a queue file with its tables."""

LOGIN = "/login"
STATIC = "/static/"
LIVE = "x-live"
"""The header of a page that asks for its newer version: it is never redirected."""

_PAGES = frozenset({"", "jobs", "accounts", "files", "login", "logout", "static"})
"""First parts of the paths of pages."""
_READS = frozenset({"GET", "HEAD"})
_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        "Referrer-Policy": "same-origin",  # with `no-referrer` browsers send `Origin: null` with forms
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)
"""Of every answer that has no other value for them."""
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers that proxies add: a request with one of them does not come from this machine."""


class _Token(Enum):
    """The credentials of a request; if no token is configured, a token in it is ignored."""

    NONE = auto()
    RIGHT = auto()
    WRONG = auto()


class Guard:
    """The middleware before the app. It adds headers to every answer that restrict browsers and caches."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute] | None = None,
        token: str | None,
        clock: Clock,
        problems: Problems,
        sessions: Sessions | None = None,
    ) -> None:
        """`routes` are those of the app: what none of them takes is left to it, which answers 404 or 405."""
        self._app = app
        self._routes = routes
        self._token = token.encode() if token is not None else None
        self._clock = clock
        self._problems = problems
        self._sessions = sessions or Sessions(token, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only HTTP is served, not {scope['type']}")

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Date"] = formatdate(self._clock.now() / SECOND, usegmt=True)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._gate(scope)(scope, receive, stamped)

    def _gate(self, scope: Scope) -> ASGIApp:
        """The handler of the request: the app, or a refusal."""
        headers = Headers(scope=scope)
        shown = self._token_in(headers)
        session = self._sessions.find(headers) if shown is _Token.NONE else None
        local = is_local(scope, headers)
        trusted = shown is _Token.RIGHT or (shown is _Token.NONE and (local or session is not None))
        scope.setdefault("state", {}).update(trusted=trusted, session=session, bearer=shown is _Token.RIGHT)
        reads = scope["method"] in _READS
        if scope["path"] in PROBES and reads:
            return self._app
        if is_page(scope["path"]):
            return self._page(scope, headers, shown, session)
        needs_token = not reads and self._token is not None
        if not trusted or (needs_token and shown is not _Token.RIGHT):
            return self._refuse(scope, shown)
        # A page of another origin can send a form, but no bearer token.
        form = content_type(headers) == FORM and shown is _Token.RIGHT
        if not reads and not form and content_type(headers) not in QUEUE_FILE_SUFFIXES and self._is_routed(scope):
            wanted = " or ".join(QUEUE_FILE_SUFFIXES)
            return self._problems.answer(415, f"the content type must be {wanted}, or {FORM} with the server's token")
        return self._app

    def _is_routed(self, scope: Scope) -> bool:
        """Whether a route takes a request of this path and method."""
        return self._routes is None or any(route.matches(scope)[0] is Match.FULL for route in self._routes)

    def _page(self, scope: Scope, headers: Headers, shown: _Token, session: Session | None) -> ASGIApp:
        """The same for a page: reading may lead to the login page, changing needs more than a content type."""
        path, reads = scope["path"], scope["method"] in _READS
        for_all = shown is _Token.NONE and self._token is not None and (path == LOGIN or path.startswith(STATIC))
        if not (scope["state"]["trusted"] or for_all):
            if reads and self._token is not None and shown is _Token.NONE and LIVE not in headers:
                return RedirectResponse(f"{LOGIN}?next={quote(_target(scope), safe='')}", 303)
            return self._refuse(scope, shown)
        if reads or shown is _Token.RIGHT:
            return self._app
        return self._change(scope, headers, session)

    def _change(self, scope: Scope, headers: Headers, session: Session | None) -> ASGIApp:
        """The same for a form."""
        if self._token is None:
            text = "the pages are read-only: name a file with a token in `server.token_file`, restart and log in"
            return self._problems.refuse(scope, 403, text)
        if not _is_same_origin(headers):
            text = "the request came from a page of another server; nothing was changed"
            return self._problems.refuse(scope, 403, text)
        if session is None and scope["path"] != LOGIN:
            return self._problems.refuse(scope, 401, "you are not logged in, or no longer; nothing was changed")
        return self._app

    def _token_in(self, headers: Headers) -> _Token:
        if self._token is None or "authorization" not in headers:
            return _Token.NONE
        scheme, _, token = headers["authorization"].partition(" ")
        right = hmac.compare_digest(token.strip().encode("latin-1"), self._token)
        return _Token.RIGHT if right and scheme.lower() == "bearer" else _Token.WRONG

    def _refuse(self, scope: Scope, shown: _Token) -> ASGIApp:
        if self._token is None:
            text = "only callers on this machine are answered, under a local name for it"
            return self._problems.refuse(scope, 403, text)
        text = "the token is not the right one" if shown is _Token.WRONG else "send the token: Authorization: Bearer …"
        return self._problems.refuse(scope, 401, text, headers={"WWW-Authenticate": "Bearer"})


def content_type(headers: Headers) -> str:
    """The media type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def is_page(path: str) -> bool:
    """Whether a path belongs to the pages for operators."""
    return path.startswith("/") and path.split("/")[1] in _PAGES


def _target(scope: Scope) -> str:
    """The path and the query of a request."""
    query = scope.get("query_string", b"").decode("latin-1")
    return quote(scope["path"]) + (f"?{query}" if query else "")


def _is_same_origin(headers: Headers) -> bool:
    """Whether a page of this server sent the request.

    Browsers send `Origin` with every form. Behind a proxy, the name that the browser knows may be in another header,
    which a page of another server cannot set on a form.
    """
    scheme, _, host = headers.get("origin", "").partition("://")
    if scheme not in ("http", "https") or not host:
        return False
    return host.lower() in {headers.get(name, "").lower() for name in ("host", "x-forwarded-host")}


def is_local(scope: Scope, headers: Headers) -> bool:
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
