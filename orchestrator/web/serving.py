"""The way in: the port is taken early, so that a start fails at once; the server is a task among the daemon's."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import anyio
import anyio.to_thread

from orchestrator.settings import Address, Problem, SettingsError
from orchestrator.web.health import Health
from orchestrator.web.shown import Shown

HEAD_START = 0.3
"""Seconds in which the first looks leave, before the server takes half of the time for itself. Callers wait."""

_BACKLOG = 128


@contextmanager
def listening(address: Address) -> Iterator[socket.socket]:
    """Take the port; whoever connects waits until `serve` runs.

    Raises:
        SettingsError: the address cannot be listened on; it tells why.
    """
    with _bound(address) as listener:
        yield listener


async def serve(listener: socket.socket, shown: Shown) -> None:
    """Serve until cancelled. It takes no signals; leaving, it lets answers under way end for a moment."""
    # FastAPI takes half as long to import as all else: no other command waits for it, and the daemon works meanwhile.
    await shown.clock.sleep(HEAD_START)
    await anyio.to_thread.run_sync(_load)
    from orchestrator.web.app import build  # noqa: PLC0415 - as above
    from orchestrator.web.server import run  # noqa: PLC0415 - as above

    health = Health(shown)
    async with anyio.create_task_group() as group:
        app = build(shown, health, group)
        group.start_soon(health.run)
        # The duplicate is closed at the end; the port stays ours, should the server have to start again.
        await run(app, listener.dup(), clock=shown.clock, bus=shown.bus)


def _load() -> None:
    for name in ("orchestrator.web.app", "orchestrator.web.server"):
        import_module(name)


def _bound(address: Address) -> socket.socket:
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        text = (
            f"{address} cannot be listened on ({error.strerror or error}): free it, choose another, "
            "or switch the server off with `server: null`"
        )
        raise SettingsError([Problem("server.listen", text)]) from error
