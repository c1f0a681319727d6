"""A request whose body is bounded while it is received."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.types import Message


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
