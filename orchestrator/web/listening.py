"""Opens the server's port early, so that a conflict fails the start, and runs the server as a task of the daemon."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import anyio
import anyio.to_thread

from orchestrator.settings import Address, Problem, SettingsError
from orchestrator.web.components import Shown
from orchestrator.web.monitoring.health import Health

HEAD_START = 0.3
"""Delay of the server in seconds, so that its import does not delay the first polls. Callers wait."""

_BACKLOG = 128
SEND_BUFFER = 64 * 1024
"""Bytes that the kernel holds of an answer that is not read; it doubles this for its own records.

By itself it grows the buffer of a connection to megabytes, which count as memory of the daemon.
"""


@contextmanager
def listening(address: Address) -> Iterator[socket.socket]:
    """Listen on the port; connections wait until `serve` runs.

    Raises:
        SettingsError: the server cannot listen on the address.
    """
    with _bound(address) as listener:
        yield listener


async def serve(listener: socket.socket, shown: Shown) -> None:
    """Serve until cancelled; answers in progress have a grace period. Signals are not handled here."""
    # Importing FastAPI takes half as long as everything else: other commands and the start do not wait for it.
    await shown.clock.sleep(HEAD_START)
    await anyio.to_thread.run_sync(_load)
    from orchestrator.web.app import build  # noqa: PLC0415 - as above
    from orchestrator.web.server import run  # noqa: PLC0415 - as above

    health = Health(shown)
    async with anyio.create_task_group() as group:
        app = build(shown, health, group)
        group.start_soon(health.run)
        # The duplicate is closed at the end; the port stays open in case the server is restarted.
        await run(app, listener.dup(), clock=shown.clock, bus=shown.bus)


def _load() -> None:
    for name in ("orchestrator.web.app", "orchestrator.web.server"):
        import_module(name)


def _bound(address: Address) -> socket.socket:
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = str(error.strerror or error).partition(" (while ")[0]  # Python repeats the address there
        text = (
            f"cannot listen on {address} ({reason}): free the port, choose another, "
            "or switch the server off with `server: null`"
        )
        raise SettingsError([Problem("server.listen", text)]) from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # accepted connections inherit it
    return listener
