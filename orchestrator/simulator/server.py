"""A simulator on a real socket, able to break connections as networks do.

It uses uvicorn's HTTP protocol but not uvicorn's server: that one takes the process's signals and raises them again
after its own stop, waits for hanging requests, and needs two tenths of a second to leave.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from orchestrator.simulator.exchange import CLOSE, RESET, App, Receive, Scope, Send

_LINGER_NOT = struct.pack("ii", 1, 0)
_KEEP_ALIVE = 75


class Served(Protocol):
    """What can be served: an ASGI app that knows under which path its API lies."""

    app: App
    base_path: str


@asynccontextmanager
async def serve(simulator: Served, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `simulator` until the block ends; yields the base URL of its API. Port 0 takes a free one.

    On leaving, connections are broken off, hanging requests with them. Raises OSError when the port is taken.
    """
    config = uvicorn.Config(
        simulator.app,
        interface="asgi3",
        lifespan="off",
        proxy_headers=False,
        log_config=None,
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE,
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: _BreakableProtocol(config=config, server_state=state, app_state={}), host, port
    )
    try:
        bound = listener.sockets[0].getsockname()[1]
        yield f"http://{host}:{bound}{simulator.base_path}"
    finally:
        listener.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.gather(*state.tasks, return_exceptions=True)


class _BreakableProtocol(H11Protocol):
    """uvicorn's protocol, which hands the app two ways to end its connection."""

    def __init__(self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        super().__init__(config, server_state, app_state)
        self._inner: Any = self.app
        self.app = self._with_extensions

    async def _with_extensions(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"] = {RESET: self._reset, CLOSE: self._close}
        await self._inner(scope, receive, send)

    def _reset(self) -> None:
        raw: socket.socket = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        self.transport.abort()

    def _close(self) -> None:
        self.transport.close()
