"""Requests to the running daemon over HTTP."""

import http.client
import json
from ipaddress import ip_address
from typing import Any

from orchestrator.domain.fields import is_loopback
from orchestrator.settings import Settings

CONNECT_TIMEOUT = 3.0
"""Seconds that a command waits for a connection to the daemon, and for an answer that it can do without."""

ANSWER_TIMEOUT = 30.0
"""Seconds that it waits for one that it requires: on a busy machine a page of a thousand items takes several."""


def ask(settings: Settings, path: str, *, required: bool = False) -> dict[str, Any] | None:
    """The JSON document that the daemon serves at `path`; None if it cannot be had."""
    try:
        document = json.loads(fetch(settings, path, required=required) or b"null")
    except ValueError:
        return None  # another program uses its port
    return document if isinstance(document, dict) else None


def fetch(settings: Settings, path: str, *, required: bool = False) -> bytes | None:
    """What the daemon serves at `path`; None if it cannot be had. What is required is waited for longer."""
    server = settings.server
    if server is None:
        return None
    host = _reachable(server.listen.host)
    headers = {}
    # The token is not needed on this machine, and another program may use the port while the daemon is down.
    if server.token is not None and not is_loopback(host):
        headers["Authorization"] = f"Bearer {server.token.get_secret_value()}"
    connection = http.client.HTTPConnection(host, server.listen.port, timeout=CONNECT_TIMEOUT)
    try:
        connection.connect()
        connection.sock.settimeout(ANSWER_TIMEOUT if required else CONNECT_TIMEOUT)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        return None  # no daemon, or another program uses its port
    finally:
        connection.close()
    return body if answer.status == http.client.OK else None


def _reachable(host: str) -> str:
    """The address of a daemon that listens on `host`: loopback if it listens on every interface."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - IP versions
