"""`/login` and `/logout`: a session for a user who knows the server's token."""

import math
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orchestrator.web.guard import LOGIN, is_local
from orchestrator.web.pages.actions import address_of
from orchestrator.web.pages.forms import Query, field, read_form
from orchestrator.web.pages.site import Role, Site
from orchestrator.web.sessions import COOKIE, LIFETIME, Sessions, TooManyFailuresError, WrongTokenError, cookie_in

_DONE = "done"
"""The parameter of the redirect after a login, which finds out whether the browser kept the cookie."""


class Login:
    """Logs operators in and out."""

    def __init__(self, site: Site, sessions: Sessions) -> None:
        self._site = site
        self._sessions = sessions

    async def get(self, request: Request) -> Response:
        """The form; after a login, the page that it was for."""
        query = Query.of(request.query_params)
        target = _inside(query.exact("next"))
        if request.state.session is not None and query.text(_DONE):
            return RedirectResponse(target, 303)
        return self._form(request, target, cookie_lost=bool(query.text(_DONE)) and request.state.session is None)

    async def post(self, request: Request) -> Response:
        """Log in."""
        form = await read_form(request)
        target, name = _inside(field(form, "next")), field(form, "name")
        try:
            value = self._sessions.log_in(field(form, "token"), name, address_of(request))
        except WrongTokenError:
            return self._form(request, target, 401, name=name, error="This is not the token of this server.")
        except TooManyFailuresError as error:
            answer = self._form(request, target, 429, name=name, error=f"{str(error).capitalize()}.")
            answer.headers["Retry-After"] = str(math.ceil(error.retry_in))
            return answer
        answer = RedirectResponse(Query({"next": target, _DONE: "1"}).link(LOGIN), 303)
        answer.set_cookie(
            COOKIE,
            value,
            max_age=round(LIFETIME),
            secure=not is_local(request.scope, request.headers),
            httponly=True,
            samesite="strict",
        )
        return answer

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        await read_form(request)
        if (value := cookie_in(request.headers)) is not None:
            self._sessions.end(value)
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    def _form(
        self,
        request: Request,
        target: str,
        status: int = 200,
        *,
        name: str = "",
        error: str = "",
        cookie_lost: bool = False,
    ) -> Response:
        return self._site.single(
            request,
            "login.html",
            status=status,
            section="",
            target=target,
            name=name,
            error=error,
            cookie_lost=cookie_lost,
            possible=self._site.role(request) is not Role.READ_ONLY,
        )


def _inside(target: str) -> str:
    """The path to go to after the login: only one of this server."""
    parts = urlsplit(target)
    inside = target.startswith("/") and not target.startswith("//") and "\\" not in target and not parts.netloc
    return target if inside and target.isprintable() else "/"
