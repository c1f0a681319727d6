"""Notifies the service manager with systemd's notification protocol.

Each message is one datagram to `$NOTIFY_SOCKET`. If that is not set, nothing is sent.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import structlog

log = structlog.get_logger(__name__)

_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Notifier:
    """Sends the daemon's state to the service manager."""

    address: str | None = None
    """A socket's path, or an abstract name that begins with `@`; None: there is no service manager."""
    watchdog_interval: float | None = None
    """Seconds between two calls of `watchdog`, half of what the manager allows; None: it does not watch."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """What `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$WATCHDOG_PID` say.

        Raises:
            ValueError: one of them is malformed.
        """
        address = environ.get("NOTIFY_SOCKET") or None
        if address is not None and not address.startswith(("/", "@")):
            raise ValueError(f"NOTIFY_SOCKET must begin with / or @, not {address!r}")
        return cls(address, _watchdog_interval(environ) if address else None)

    def ready(self) -> None:
        """The start is complete."""
        self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={' '.join(text.split())}")

    def watchdog(self) -> None:
        """Still alive; only to be called by what proves it."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The daemon is stopping."""
        self._send("STOPPING=1")

    def extend(self, seconds: float) -> None:
        """Ask for this much time from now on before starting or stopping counts as failed."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * _MICROS)}")

    def _send(self, message: str) -> None:
        if self.address is None:
            return
        name = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                # The event loop calls this: a full queue on the other side must not hold it up.
                channel.setblocking(False)
                channel.sendto(message.encode(), name)
        except OSError as error:
            # The daemon continues; a watchdog without notifications acts by itself.
            log.warning("watchdog_notify_failed", message=message.partition("=")[0], error=str(error))


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    allowed = environ.get("WATCHDOG_USEC")
    meant_for = environ.get("WATCHDOG_PID")
    if not allowed or (meant_for and meant_for != str(os.getpid())):
        return None
    if not allowed.isdecimal() or int(allowed) == 0:
        raise ValueError(f"WATCHDOG_USEC must be a number of microseconds, not {allowed!r}")
    return int(allowed) / _MICROS / 2
