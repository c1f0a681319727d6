"""Decodes JSON response bodies, including characters that databases cannot store, and bodies that are not JSON."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec

from orchestrator.domain.errors import PlatformError, Refused, Transient, Unauthorised, Unconfirmed
from orchestrator.platforms.http.calls import Answer

Read = TypeVar("Read")

MOST_ID: Final = 1024
"""Maximum characters of an id: it stands in paths and in the database, and a part of it is of no use."""
Id: TypeAlias = Annotated[str, msgspec.Meta(max_length=MOST_ID)]
"""An id that the platform gives; what has a longer one cannot be read."""
NumberId: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""An id that is a number."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors that decoding raises. RecursionError comes from millions of nested brackets."""

_SHOWN: Final = 60
"""Characters of a content type that are shown."""
_NUL: Final = rb"\u0000"
_REPLACEMENT: Final = rb"\ufffd"
_ESCAPES: Final = re.compile(
    rb"""\\(?:
        \\                                              # of a backslash: what follows is no escape
      | u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}    # a whole surrogate pair
      | (?P<wrong> u0000 | u[dD][89a-fA-F][\da-fA-F]{2} )
    )""",
    re.VERBOSE,
)
"""Matches the escapes of a JSON text that may have to be replaced."""


def read(answer: Answer, decoder: msgspec.json.Decoder[Read]) -> Read:
    """Decode the body of a response.

    Raises:
        Transient: the body is not valid, such as an HTML page of a gateway or a truncated document.
    """
    try:
        return decode(decoder, answer.body)
    except UNREADABLE as error:
        raise unreadable(answer, error) from error


@contextmanager
def unreadable_is_unconfirmed() -> Iterator[None]:
    """Reads the answer to a submission: one that cannot be read says nothing about what the platform has done.

    Raises:
        Unconfirmed: in place of Transient, which would have the submission sent again.
    """
    with _unconfirmed(Transient):
        yield


@contextmanager
def failure_is_unconfirmed() -> Iterator[None]:
    """Reads something after a submission was answered: that the read fails says nothing about the submission.

    Raises:
        Unconfirmed: in place of the errors that say that the submission was refused, or had no effect.
    """
    with _unconfirmed(Refused, Transient, Unauthorised):
        yield


@contextmanager
def _unconfirmed(*errors: type[PlatformError]) -> Iterator[None]:
    """Raise Unconfirmed in place of these errors."""
    try:
        yield
    except errors as error:
        raise Unconfirmed(str(error), status=error.status, server_date=error.server_date) from error


def decode(decoder: msgspec.json.Decoder[Read], body: bytes | msgspec.Raw) -> Read:
    """Decode JSON, with U+FFFD in place of characters that a database cannot store: U+0000 and unpaired surrogates.

    PostgreSQL's text cannot hold U+0000, and msgspec rejects unpaired surrogates.
    """
    text = bytes(body)
    if b"\\" in text and _NUL in text:  # few pages have a backslash, and one character is found ten times as fast
        text = _ESCAPES.sub(_replace, text)
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        replaced = _ESCAPES.sub(_replace, text)
        if replaced == text:
            raise
        return decoder.decode(replaced)


def _replace(escape: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if escape["wrong"] else escape[0]


def unreadable(answer: Answer, error: Exception) -> Transient:
    """The error of a successful response whose body cannot be decoded."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()[:_SHOWN] or "no content type"
    return Transient(
        f"the platform answered {answer.status} with {len(answer.body)} bytes ({kind}) that cannot be read: {error}",
        status=answer.status,
        server_date=answer.server_date,
    )
