"""Asking the running daemon over HTTP, for what only it knows."""

import http.client
import json
from ipaddress import ip_address
from typing import Any

from orchestrator.domain.fields import is_loopback
from orchestrator.settings import Settings

_PATIENCE = 3.0
"""Seconds for which a command waits for an answer before it makes do without."""


def ask(settings: Settings, path: str) -> dict[str, Any] | None:
    """The document that the daemon has at `path`; None when none answers, or not to us."""
    server = settings.server
    if server is None:
        return None
    host = _reachable(server.listen.host)
    headers = {}
    # This machine reads without the token, and whoever has the port while the daemon is down shall not learn it.
    if server.token is not None and not is_loopback(host):
        headers["Authorization"] = f"Bearer {server.token.get_secret_value()}"
    connection = http.client.HTTPConnection(host, server.listen.port, timeout=_PATIENCE)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        told = json.loads(body) if answer.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None  # no daemon, or something else has its port: the caller knows another way
    finally:
        connection.close()
    return told if isinstance(told, dict) else None


def _reachable(host: str) -> str:
    """Where to call a daemon that listens on `host`: one that listens everywhere is on this machine too."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"  # noqa: PLR2004 - the versions of IP are names
