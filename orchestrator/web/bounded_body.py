"""Requests whose body is bounded while it is received, and of which little is kept in memory."""

from collections.abc import Callable

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartParser
from starlette.requests import Request
from starlette.types import Message

MOST_IN_MEMORY = 64 * 1024
"""Bytes of one uploaded file that are kept in memory; the others wait on disk."""


def bounded(request: Request, most: int, too_large: Callable[[], Exception]) -> Request:
    """The same request; receiving more than `most` bytes of its body raises what `too_large` returns."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:
            raise too_large()
        return message

    return Request(request.scope, receive)


async def parts_in(request: Request, *, most_files: int, most_fields: int, most_text: int) -> FormData:
    """The parts of a multipart form; those that are no file may have `most_text` bytes each.

    Raises:
        MultiPartException: it has more or larger parts, or is malformed.
        ClientDisconnect: it ended early.
    """
    parser = _Parser(
        request.headers, request.stream(), max_files=most_files, max_fields=most_fields, max_part_size=most_text
    )
    return await parser.parse()


class _Parser(MultiPartParser):
    """Writes files to disk early: many requests of many files may arrive at a time."""

    spool_max_size = MOST_IN_MEMORY
