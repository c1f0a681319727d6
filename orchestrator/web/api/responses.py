"""JSON answers, and problem details as defined by RFC 9457."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from orchestrator.store.errors import StoreError
from orchestrator.telemetry.redaction import Redactor

JSON = "application/json"
PROBLEM = "application/problem+json"

ErrorPage = Callable[[Scope, int, str], Response | None]
"""The page for an operator in place of a problem, by request, status and text; None for a program."""


def document(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON document."""
    return Response(_encoded(content), status, headers, media_type=JSON)


def describe_problem(status: int, detail: str) -> dict[str, Any]:
    """The members that every problem has."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}


class Problems:
    """Builds every error answer, with secrets removed."""

    def __init__(self, redactor: Redactor, error_page: ErrorPage = lambda _scope, _status, _detail: None) -> None:
        self._redactor = redactor
        self._error_page = error_page

    def answer(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: object) -> Response:
        """`detail` says what happened and what to do; `more` are additional members."""
        body = _encoded(self._redactor.value(describe_problem(status, detail) | more))
        return Response(body, status, headers, media_type=PROBLEM)

    def refuse(
        self, scope: Scope, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: object
    ) -> Response:
        """`answer`, or a page with the same text where the request is a browser's for a page."""
        page = self._error_page(scope, status, str(self._redactor.value(detail)))
        if page is None:
            return self.answer(status, detail, headers=headers, **more)
        page.headers.update(headers or {})
        return page

    def handle(self, app: FastAPI) -> None:
        """Convert an exception of a route to an answer."""
        app.add_exception_handler(HTTPException, self._of_routing)
        app.add_exception_handler(RequestValidationError, self._of_parameters)
        app.add_exception_handler(StoreError, self._of_store)
        app.add_exception_handler(Exception, self._of_bug)

    async def _of_routing(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return self.refuse(request.scope, error.status_code, str(error.detail), headers=error.headers)

    async def _of_parameters(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        wrong = [{"parameter": str(found["loc"][-1]), "message": found["msg"]} for found in error.errors()]
        text = "; ".join(f"{each['parameter']}: {each['message']}" for each in wrong)
        return self.refuse(request.scope, 422, text, parameters=wrong)

    async def _of_store(self, request: Request, error: Exception) -> Response:
        return self.refuse(request.scope, 503, str(error), headers={"Retry-After": "5"})

    async def _of_bug(self, request: Request, _error: Exception) -> Response:
        """The server logs the error itself."""
        return self.refuse(request.scope, 500, "an unexpected error occurred; the daemon's log has the details")


def _encoded(content: object) -> bytes:
    r"""A JSON text. Bytes of a file name that are not UTF-8 are written as in the log: `\udcff`."""
    try:
        return msgspec.json.encode(content) + b"\n"
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(content), ensure_ascii=False)
        return f"{text}\n".encode(errors="backslashreplace")
