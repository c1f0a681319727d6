"""Reads what platforms send: JSON with characters that no database keeps, and answers that are no JSON at all."""

import re
from typing import Final, TypeVar

import msgspec

from orchestrator.domain.errors import Transient
from orchestrator.platforms.calls import Answer

Read = TypeVar("Read")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises. The last one stands for a text of millions of brackets, each inside the one before."""

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
"""The escapes of a JSON text that matter here."""


def read(answer: Answer, decoder: msgspec.json.Decoder[Read]) -> Read:
    """What `answer` says.

    Raises:
        Transient: it is not what was asked for; an HTML page of a gateway, or half of an answer.
    """
    try:
        return decode(decoder, answer.body)
    except UNREADABLE as error:
        raise unreadable(answer, error) from error


def decode(decoder: msgspec.json.Decoder[Read], body: bytes | msgspec.Raw) -> Read:
    """Decode what may hold characters that no database keeps as text: each becomes U+FFFD and spoils nothing else.

    PostgreSQL's text has no U+0000, and half of a surrogate pair is no character at all, so the decoder refuses it.
    """
    text = bytes(body)
    if b"\\" in text and _NUL in text:  # a single character is found ten times as fast, and is in few pages
        text = _ESCAPES.sub(_legible, text)
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = _ESCAPES.sub(_legible, text)
        if mended == text:
            raise
        return decoder.decode(mended)


def _legible(escape: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if escape["wrong"] else escape[0]


def unreadable(answer: Answer, error: Exception) -> Transient:
    """An answer that came with success and cannot be read."""
    kind = answer.headers.get("content-type") or "no content type"
    return Transient(
        f"the platform answered {answer.status} with {len(answer.body)} bytes ({kind}) that cannot be read: {error}",
        status=answer.status,
        server_date=answer.server_date,
    )
