"""Runs uvicorn's HTTP protocol in a task of the daemon, without uvicorn's server.

uvicorn's server handles the process's signals and raises them again after it has stopped. It also cancels hanging
requests by cancelling their tasks, which ignores the shields of database calls: here each request has a cancel scope.
"""

import asyncio
import socket

import anyio
import anyio.lowlevel
import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.server import ServerState

from orchestrator.clock import Clock
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import Event
from orchestrator.web.connections import Connection, Connections
from orchestrator.web.guard import PROBES

GRACE = 1.0
"""Seconds that answers in progress have to finish when the server stops."""
CHECK_INTERVAL = 1.0
"""Seconds between two checks for connections that are overdue."""
_NEVER = 10**9
"""Timeout of uvicorn's timers that `Connections` replaces, in seconds."""


async def run(app: ASGIApp, listener: socket.socket, *, clock: Clock, bus: Bus[Event]) -> None:
    """Serve `app` on a listening socket until cancelled."""
    requests = _Requests(app)
    config = uvicorn.Config(
        requests,
        interface="asgi3",
        http="h11",
        ws="none",
        lifespan="off",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        timeout_keep_alive=_NEVER,
    )
    config.load()
    connections = Connections(clock, bus)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(config, connections), sock=listener)
    try:
        while True:
            await clock.sleep(CHECK_INTERVAL)
            connections.check()
    finally:
        server.close()
        with anyio.CancelScope(shield=True):
            await _drain(connections.state, requests)


async def _drain(state: ServerState, requests: "_Requests") -> None:
    """Close all connections: idle ones at once, busy ones after their answer or at the end of the grace period."""
    for connection in list(state.connections):
        connection.shutdown()
    with anyio.move_on_after(GRACE):
        await _finished(state)
    for connection in list(state.connections):
        connection.transport.abort()
    await anyio.lowlevel.checkpoint()  # let the connections process their end before anything is written to them
    requests.cancel()
    await _finished(state)


async def _finished(state: ServerState) -> None:
    while state.tasks:
        await asyncio.wait(set(state.tasks))


class _Requests:
    """Wraps the app: each request runs in a cancel scope, and the size of unread answers is bounded."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._scopes: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"].pop("connection")

        async def bounded(message: Message) -> None:
            await connection.send(message, send)

        app = _full if connection.reserved and scope["path"] not in PROBES else self._app
        with anyio.CancelScope() as life:
            self._scopes.add(life)
            try:
                await app(scope, lambda: connection.receive(receive), bounded)
            finally:
                self._scopes.discard(life)

    def cancel(self) -> None:
        for scope in list(self._scopes):
            scope.cancel()


async def _full(scope: Scope, receive: Receive, send: Send) -> None:
    answer = Response(
        b"all connections are in use; try again in a few seconds\n",
        503,
        {"Retry-After": "5", "Connection": "close", "Content-Type": "text/plain; charset=utf-8"},
    )
    await answer(scope, receive, send)
