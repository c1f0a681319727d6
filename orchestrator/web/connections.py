"""Limits the number of open connections, and closes those whose caller stalls.

A connection waits either for its caller (to send the head or the body of a request, or to read an answer) or for the
program to produce the answer. Waiting for a caller has a timeout, so that slow or stalled callers do not hold
descriptors and memory. When the limit is reached, the connection that has been idle longest is closed for a new one.
While none is idle, a few more are admitted, on which only probes are answered.
"""

import asyncio
import itertools
import resource
from collections import Counter
from enum import StrEnum
from typing import cast

import anyio.lowlevel
import h11
import msgspec
from starlette.types import Message, Receive, Send
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from orchestrator.clock import Clock
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import CloseCause, ConnectionsClosed, Event
from orchestrator.web.api.responses import PROBLEM, describe_problem

HEAD_TIMEOUT = 10.0
"""Seconds for the whole head of a request, counted from the connection or, on a used one, from its first byte."""
KEEP_ALIVE = 15.0
"""Seconds for which a connection may be idle between two requests."""
STALL_TIMEOUT = 30.0
"""Seconds within which a caller sends or reads another `LEAST_PROGRESS` bytes, or all that is left."""
LEAST_PROGRESS = 16 * 1024
MOST_CONNECTIONS = 256
"""Maximum number of connections; fewer if the process may open few descriptors."""
RESERVED = 16
"""Additional connections for the probes while none of the others is idle."""
MOST_UNREAD = 16 * 1024 * 1024
"""Bytes of answers waiting to be read, on all connections. Above it the one without progress for longest is closed."""
PIECE = 64 * 1024
"""Bytes of an answer that are passed to the transport at a time."""
REPORT_INTERVAL = 60.0
"""Seconds between two reports of connections that were closed for the same reason."""

_SHARE = 4
"""Divisor: the fraction of the process's descriptors that may be connections."""


class Connections:
    """All connections of the server. Call `check` about once a second."""

    def __init__(self, clock: Clock, bus: Bus[Event]) -> None:
        self.clock = clock
        self.state = ServerState()
        self.numbers = itertools.count()
        self._bus = bus
        self._limit = connection_limit()
        self._closed: Counter[CloseCause] = Counter()
        self._reported: dict[CloseCause, float] = {}

    def admit(self, connection: "Connection") -> None:
        """Make room for a new connection, or close it."""
        others = [each for each in self._all() if each is not connection]
        if len(others) < self._limit:
            return
        if idle := [each for each in others if each.idle]:
            self._close(min(idle, key=_oldest), CloseCause.LIMIT)
            return
        connection.reserved = True
        if len(others) >= self._limit + RESERVED:
            self._close(connection, CloseCause.LIMIT)

    def check(self) -> None:
        """Close the connections whose callers are overdue, and report what was closed."""
        now = self.clock.monotonic()
        for connection in self._all():
            if (cause := connection.overdue(now)) is not None:
                self._close(connection, cause)
        for cause in list(self._closed):
            if now - self._reported.get(cause, -REPORT_INTERVAL) >= REPORT_INTERVAL:
                self._reported[cause] = now
                self._bus.publish(ConnectionsClosed(cause, self._closed.pop(cause)))

    def bound_unread(self, current: "Connection") -> None:
        """Close the most stalled connections while too much waits to be read, but never the `current` one."""
        now = self.clock.monotonic()
        while sum(each.unread for each in self._all()) > MOST_UNREAD:
            others = [each for each in self._all() if each is not current and each.unread]
            if not others:
                return
            for each in others:
                each.observe(now)
            self._close(min(others, key=_oldest), CloseCause.READER)

    def _all(self) -> "list[Connection]":
        return [cast("Connection", each) for each in self.state.connections]

    def _close(self, connection: "Connection", cause: CloseCause) -> None:
        connection.transport.abort()
        self.state.connections.discard(connection)  # asyncio reports the loss in its next iteration
        self._closed[cause] += 1


def _oldest(connection: "Connection") -> tuple[float, int]:
    return connection.since, connection.number


class _Phase(StrEnum):
    """What a connection waits for."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    READER = "reader"
    ANSWER = "answer"


class Connection(H11Protocol):
    """uvicorn's protocol, extended by what the connection waits for and since when."""

    def __init__(self, config: Config, connections: Connections) -> None:
        super().__init__(config=config, server_state=connections.state, app_state={"connection": self})
        self._owner = connections
        self.number = next(connections.numbers)
        self._phase = _Phase.HEAD
        self.since = connections.clock.monotonic()
        """When the caller last made progress, on the monotonic clock."""
        self.reserved = False
        """Whether only probes are answered on this connection."""
        self._head_begun = True
        self._receiving = False
        self._received = 0
        self._written = 0
        self._queued = 0
        """Bytes of the current answer that were not passed to the transport yet."""
        self._progress_at_since = 0

    # ---------------------------------------------------------------- the transport's side

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless the connection is refused."""
        super().connection_made(transport)
        self._owner.admit(self)

    def data_received(self, data: bytes) -> None:
        """Record the progress, then parse."""
        self._received += len(data)
        self._head_begun = not self._busy
        self.observe(self._owner.clock.monotonic())
        super().data_received(data)
        if self._busy:
            self._head_begun = False

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request; `msg` is the parser's reason."""
        body = msgspec.json.encode(describe_problem(400, f"{msg.rstrip('.')}: send HTTP/1.1")) + b"\n"
        headers = [("content-type", PROBLEM), ("connection", "close"), ("content-length", str(len(body)))]
        for event in (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    # ---------------------------------------------------------------- what it waits for

    @property
    def idle(self) -> bool:
        """Whether no request is in progress and no answer waits to be read."""
        return not self._busy and self.unread == 0

    @property
    def unread(self) -> int:
        """Bytes of answers that the caller has not read."""
        return self._queued + self.transport.get_write_buffer_size()

    def observe(self, now: float) -> None:
        """Record what the connection waits for, and whether its caller made progress."""
        phase = self._waits_for()
        moves = phase in (_Phase.BODY, _Phase.READER)
        if phase is not self._phase or (moves and self._progress(phase) - self._progress_at_since >= LEAST_PROGRESS):
            self._phase, self.since, self._progress_at_since = phase, now, self._progress(phase)

    def overdue(self, now: float) -> CloseCause | None:
        """Why the connection has to be closed; None if it may stay open."""
        self.observe(now)
        waited = now - self.since
        match self._phase:
            case _Phase.IDLE:
                return CloseCause.IDLE if waited >= KEEP_ALIVE else None
            case _Phase.HEAD:
                return CloseCause.HEAD if waited >= HEAD_TIMEOUT else None
            case _Phase.BODY:
                return CloseCause.BODY if waited >= STALL_TIMEOUT else None
            case _Phase.READER:
                return CloseCause.READER if waited >= STALL_TIMEOUT else None
            case _Phase.ANSWER:
                return None

    @property
    def _busy(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _waits_for(self) -> _Phase:
        if self.transport.get_write_buffer_size() > 0:
            return _Phase.READER
        if self._busy:
            return _Phase.BODY if self._receiving and self.cycle.more_body else _Phase.ANSWER
        return _Phase.HEAD if self._head_begun else _Phase.IDLE

    def _progress(self, phase: _Phase) -> int:
        if phase is _Phase.READER:
            return self._written - self.transport.get_write_buffer_size()
        return self._received

    # ---------------------------------------------------------------- the app's side

    async def receive(self, receive: Receive) -> Message:
        """The next message of the request; meanwhile the connection waits for its body."""
        self._receiving = True
        try:
            return await receive()
        finally:
            self._receiving = False

    async def send(self, message: Message, send: Send) -> None:
        """Send in pieces, each after the caller has read most of those before it."""
        body: bytes = message.get("body", b"")
        self._queued = len(body)
        try:
            for piece, is_last in _pieces(body):
                part = message if is_last and piece is body else {**message, "body": piece}
                if not is_last:
                    part["more_body"] = True
                self._owner.bound_unread(self)
                await send(part)
                self._queued -= len(piece)
                self._written += len(piece)
                await anyio.lowlevel.checkpoint()  # let other tasks run, also while this caller reads at once
        finally:
            self._queued = 0


def _pieces(body: bytes) -> "list[tuple[bytes, bool]]":
    if len(body) <= PIECE:
        return [(body, True)]
    return [(body[start : start + PIECE], start + PIECE >= len(body)) for start in range(0, len(body), PIECE)]


def connection_limit() -> int:
    """The maximum number of connections, derived from the descriptors that this process may open."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(1, min(MOST_CONNECTIONS, descriptors // _SHARE))
