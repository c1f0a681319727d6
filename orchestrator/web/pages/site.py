"""What all pages share: who reads them, how they are rendered, kept and answered."""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from orchestrator import __version__
from orchestrator.clock import Clock
from orchestrator.telemetry.redaction import Redactor
from orchestrator.web.guard import LIVE, is_page
from orchestrator.web.pages.page_cache import CSRF_MARK, SESSION_MARK, KeptPage, PageCache
from orchestrator.web.pages.rendering import CONTENT_SECURITY_POLICY, Templates
from orchestrator.web.sessions import Session

Read = Callable[[], Awaitable[Mapping[str, Any]]]


class Role(StrEnum):
    """What the reader of a page may do."""

    CHANGE = "change"
    READ = "read"
    """May log in to change something."""
    READ_ONLY = "read-only"
    """No token is configured: nothing can be changed here."""


class Site:
    """Answers the requests for pages."""

    def __init__(
        self, instance: str, clock: Clock, version: Callable[[], int], *, has_token: bool, redactor: Redactor
    ) -> None:
        """`version` returns a number that changes whenever something was written to the database."""
        self.templates = Templates()
        self.cache = PageCache(clock, version)
        self._clock = clock
        self._instance = instance
        self._has_token = has_token
        self._redactor = redactor

    def role(self, request: Request) -> Role:
        """What the sender of a request may do."""
        if request.state.session is not None or request.state.bearer:
            return Role.CHANGE
        return Role.READ if self._has_token else Role.READ_ONLY

    async def page(self, request: Request, template: str, read: Read, *, live: bool = False) -> Response:
        """A page that may be kept. `read` returns the template's values; `live`: they change without a write."""
        role = self.role(request)

        async def render() -> str:
            return self._render(template, role, **await read())

        is_open = LIVE in request.headers
        key = f"{role} {request.url.path}?{request.url.query}"
        kept = await self.cache.get(key, render, live=live, is_open=is_open)
        if is_open and request.headers.get("if-none-match") == kept.etag:
            return Response(status_code=304, headers={"ETag": kept.etag})
        return self._answer(request, kept)

    def single(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:  # noqa: ANN401 - the template's
        """A page that is not kept: the outcome of a form, or a page before login."""
        html = self._render(template, self.role(request), **values)
        return self._answer(request, KeptPage(html, "", 0, 0.0), status)

    def error_page(self, scope: Scope, status: int, detail: str) -> Response | None:
        """The page in place of a problem document, for a browser that asked for a page."""
        request = Request(scope)
        if not is_page(request.url.path) or "text/html" not in request.headers.get("accept", ""):
            return None
        return self.single(request, "error.html", status=status, code=status, detail=detail, section="")

    def _render(self, template: str, role: Role, **values: Any) -> str:  # noqa: ANN401 - the template's
        html = self.templates.render(
            template,
            role=role,
            can_change=role is Role.CHANGE,
            csrf=CSRF_MARK,
            session=SESSION_MARK,
            instance=self._instance,
            version=__version__,
            now=self._clock.now(),
            **values,
        )
        return self._redactor.text(html)

    def _answer(self, request: Request, kept: KeptPage, status: int = 200) -> Response:
        session: Session | None = request.state.session
        notices: tuple[str, ...] = ()
        if session is not None and LIVE not in request.headers:
            notices = tuple(session.notices)
            session.notices.clear()
        own = self.templates.render("session.html", session=session, csrf=CSRF_MARK, notices=notices)
        html = kept.html.replace(SESSION_MARK, own).replace(CSRF_MARK, session.csrf if session is not None else "")
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY} | ({"ETag": kept.etag} if kept.etag else {})
        return HTMLResponse(html, status, headers)
