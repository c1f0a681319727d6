"""One HTTP exchange as values, and the connection it travels on."""

import gzip
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

RESET = "simulator.reset"
"""ASGI extension: a function that ends the connection with a TCP reset, once what was written has left."""
CLOSE = "simulator.close"
"""ASGI extension: a function that ends the connection in order, in the middle of an answer."""

NO_CONTENT = 204

_GZIP_FROM = 512
_GZIP_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Request:
    """What the client sent; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What the platform answers."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class Connection:
    """One ASGI exchange, with the ways a network can spoil it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._gzip = False

    async def read(self) -> Request | None:
        """The whole request; None when the client left in the middle of it."""
        chunks = []
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self._scope["headers"]}
        self._gzip = "gzip" in headers.get("accept-encoding", "")
        return Request(
            method=self._scope["method"],
            path=self._scope["path"],
            query=parse_qs(self._scope["query_string"].decode("latin-1"), keep_blank_values=True),
            headers=headers,
            body=b"".join(chunks),
        )

    async def reply(self, reply: Reply) -> None:
        """Answer in full, compressed when the client asked for it."""
        body, headers = self._encode(reply)
        await self._start(reply.status, headers)
        await self._send({"type": "http.response.body", "body": body})

    async def cut(self, reply: Reply) -> None:
        """Announce the whole answer, send half of it and hang up."""
        body, headers = self._encode(reply)
        await self._start(reply.status, headers)
        close = self._extension(CLOSE)
        half = {"type": "http.response.body", "body": body[: len(body) // 2], "more_body": close is not None}
        await self._send(half)
        if close is not None:
            close()
            await self.gone()

    async def reset(self) -> None:
        """End the connection without an answer; in-process the caller sees ConnectionResetError."""
        reset = self._extension(RESET)
        if reset is None:
            raise ConnectionResetError("the simulated platform reset the connection")
        reset()
        await self.gone()

    async def gone(self) -> None:
        """Wait until the client has left."""
        while (await self._receive())["type"] != "http.disconnect":
            continue

    def _encode(self, reply: Reply) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
        body = reply.body
        if body:
            headers.append((b"content-type", reply.media_type.encode()))
        if self._gzip and len(body) >= _GZIP_FROM:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            headers.append((b"content-encoding", b"gzip"))
        if reply.status != NO_CONTENT:
            headers.append((b"content-length", str(len(body)).encode()))
        return body, headers

    async def _start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def _extension(self, name: str) -> Callable[[], None] | None:
        extension: Callable[[], None] | None = self._scope.get("extensions", {}).get(name)
        return extension
