"""JSON answers, and problem details as defined by RFC 9457."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from orchestrator.store.errors import StoreError
from orchestrator.telemetry.redaction import Redactor

JSON = "application/json"
PROBLEM = "application/problem+json"


def document(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON document."""
    return Response(msgspec.json.encode(content) + b"\n", status, headers, media_type=JSON)


class Problems:
    """Builds every error answer, with secrets removed."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def answer(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: object) -> Response:
        """`detail` says what happened and what to do; `more` are additional members."""
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
        } | more
        body = msgspec.json.encode(self._redactor.value(problem)) + b"\n"
        return Response(body, status, headers, media_type=PROBLEM)

    def handle(self, app: FastAPI) -> None:
        """Convert an exception of a route to an answer."""
        app.add_exception_handler(HTTPException, self._of_routing)
        app.add_exception_handler(RequestValidationError, self._of_parameters)
        app.add_exception_handler(StoreError, self._of_store)
        app.add_exception_handler(Exception, self._of_bug)

    async def _of_routing(self, _request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        return self.answer(error.status_code, str(error.detail), headers=error.headers)

    async def _of_parameters(self, _request: Request, error: Exception) -> Response:
        if not isinstance(error, RequestValidationError):
            raise error
        wrong = [{"parameter": str(found["loc"][-1]), "message": found["msg"]} for found in error.errors()]
        text = "; ".join(f"{each['parameter']}: {each['message']}" for each in wrong)
        return self.answer(422, text, parameters=wrong)

    async def _of_store(self, _request: Request, error: Exception) -> Response:
        return self.answer(503, str(error), headers={"Retry-After": "5"})

    async def _of_bug(self, _request: Request, _error: Exception) -> Response:
        """The server logs the error itself."""
        return self.answer(500, "an unexpected error occurred; the daemon's log has the details")
