"""uvicorn's HTTP protocol inside our own task, without uvicorn's server.

That one takes the process's signals and raises them again after its own stop. And it cancels hanging requests task by
task, which would go straight through the shields that database calls rely on: here each request has a cancel scope.
"""

import asyncio
import socket

import anyio
import anyio.lowlevel
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

GRACE = 1.0
"""Seconds that answers under way have at a stop."""
MOST_CONNECTIONS = 256
"""Beyond this a request is answered 503 unseen: memory does not grow with callers."""
_KEEP_ALIVE = 15


async def run(app: ASGIApp, listener: socket.socket) -> None:
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
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=_KEEP_ALIVE,
    )
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: H11Protocol(config=config, server_state=state, app_state={}), sock=listener
    )
    try:
        await anyio.sleep_forever()
    finally:
        server.close()
        with anyio.CancelScope(shield=True):
            await _drain(state, requests)


async def _drain(state: ServerState, requests: "_Requests") -> None:
    """End all connections: idle ones at once, busy ones after their answer, or when the grace is over."""
    for connection in list(state.connections):
        connection.shutdown()
    with anyio.move_on_after(GRACE):
        await _finished(state)
    for connection in list(state.connections):
        connection.transport.abort()
    await anyio.lowlevel.checkpoint()  # the connections learn of their end, so that nobody answers into them
    requests.cancel()
    await _finished(state)


async def _finished(state: ServerState) -> None:
    while state.tasks:
        await asyncio.wait(set(state.tasks))


class _Requests:
    """The app, with a scope round each request that ends it as our own tasks are ended."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._scopes: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with anyio.CancelScope() as life:
            self._scopes.add(life)
            try:
                await self._app(scope, receive, send)
            finally:
                self._scopes.discard(life)

    def cancel(self) -> None:
        for scope in list(self._scopes):
            scope.cancel()
