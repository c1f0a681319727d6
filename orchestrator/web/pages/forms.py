"""What a request of a page brings: its query and its form, checked."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from python_multipart.exceptions import FormParserError
from starlette.datastructures import FormData, QueryParams, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request

from orchestrator.web.bounded_body import bounded, parts_in
from orchestrator.web.guard import content_type
from orchestrator.web.sessions import Session

LONGEST_TEXT = 1000
"""Characters of a search: more than the longest label, and than most keys."""
LARGEST_FORM = 64 * 1024
"""Bytes of a form without a file."""
LARGEST_FIELD = 1024 * 1024
"""Bytes of a field of a form with files, such as a queue file that was typed into it."""
_MULTIPART = "multipart/form-data"
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", _MULTIPART})
_MOST_FIELDS = 100
_LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a page; the empty ones are left out, as forms send all of their fields."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, parameters: QueryParams) -> "Query":
        return cls({name: value for name, value in parameters.items() if value and "\0" not in value})

    def text(self, name: str) -> str:
        """What is searched for, or a choice: without spaces around it, and cut."""
        return self.exact(name).strip()[:LONGEST_TEXT]

    def exact(self, name: str) -> str:
        """A key or an address, as it is; empty where there is none."""
        return self.values.get(name, "")

    def number(self, name: str) -> int:
        """A number from 0; 0 where there is none. A hand-made one that is out of range counts as none."""
        value = self.values.get(name, "")
        possible = value.isascii() and value.isdecimal() and len(value) <= len(str(_LARGEST_NUMBER))
        return int(value) if possible and int(value) <= _LARGEST_NUMBER else 0

    def link(self, path: str, **changes: str | int | None) -> str:
        """The address of another page with the same parameters but these; None takes one out."""
        merged = {**self.values, **changes}
        query = urlencode({name: value for name, value in merged.items() if value not in (None, "")})
        return f"{path}?{query}" if query else path


async def read_form(request: Request, *, most_bytes: int = LARGEST_FORM, most_files: int = 0) -> FormData:
    """The form of a request, once it carries its session's CSRF token. A caller with the bearer token needs none.

    Raises:
        HTTPException: no form, too large, malformed, or not from a page of this session.
    """
    kind = content_type(request.headers)
    if kind not in FORM_TYPES:
        raise HTTPException(415, "send a form: application/x-www-form-urlencoded or multipart/form-data")
    most = most_bytes if kind == _MULTIPART else min(most_bytes, LARGEST_FIELD)
    too_large = f"the form is larger than {most} bytes; nothing was changed"
    limited = bounded(request, most, lambda: HTTPException(413, too_large))
    try:
        if kind == _MULTIPART:
            text = min(most, LARGEST_FIELD)
            form = await parts_in(limited, most_files=most_files, most_fields=_MOST_FIELDS, most_text=text)
        else:
            form = await limited.form(max_fields=_MOST_FIELDS)
    except (MultiPartException, FormParserError) as error:
        raise HTTPException(400, f"the form cannot be read: {error}") from None
    except ClientDisconnect:
        raise HTTPException(400, "the request ended early; nothing was changed") from None
    if not all(map(_is_text, form.multi_items())):
        await form.close()
        raise HTTPException(400, "the form is not UTF-8; nothing was changed")
    session: Session | None = request.state.session
    if not request.state.bearer and session is not None:
        sent = form.get("csrf")
        if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), session.csrf.encode()):
            await form.close()
            raise HTTPException(403, "the form is not from a page of your session: reload the page and send it again")
    return form


def _is_text(field: tuple[str, str | UploadFile]) -> bool:
    """Whether a field can be written as text: the character set that a form names may make half characters."""
    name, value = field
    given = value if isinstance(value, str) else value.filename or ""
    try:
        f"{name}{given}".encode()
    except UnicodeEncodeError:
        return False
    return True


def field(form: FormData, name: str) -> str:
    """A text of a form; empty where there is none."""
    value = form.get(name)
    return value if isinstance(value, str) else ""
