"""Webhooks: what a job may ask for, which hosts may be called, and the addresses that they may resolve to."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from orchestrator.domain.fields import is_loopback

MOST_CHARACTERS = 2000
"""Of a webhook's URL."""

_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9])?\.?")
_PORTS = {"https": 443, "http": 80}
_HIGHEST_PORT = 65_535
_NAT64 = ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ip_network("64:ff9b:1::/48")

Network = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address


class Notice(StrEnum):
    """What a job may announce."""

    SETTLED = "settled"
    BLOCKED = "blocked"
    ATTENTION = "attention"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom a job notifies, and of what."""

    webhook: str
    on: frozenset[Notice]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook goes."""

    scheme: str
    host: str
    """In lower case, without brackets."""
    port: int
    path: str
    """With the query; begins with a slash."""

    @property
    def authority(self) -> str:
        """`HOST`, or `HOST:PORT` where the port is not that of the scheme: what `allowed_hosts` must have."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class WebhookTerms:
    """What the configuration allows."""

    allowed_hosts: tuple[str, ...] = ()
    """Each `HOST` or `HOST:PORT`, in lower case."""
    signed: bool = False
    """Whether there is a secret to sign with; without one no webhook is accepted."""

    def allow(self, target: Target) -> bool:
        return target.authority in self.allowed_hosts


NO_WEBHOOKS = WebhookTerms()
"""None may be called."""


def parse_target(url: str) -> Target:
    """Take a webhook's URL apart.

    Raises:
        ValueError: it is no https URL (or http URL to this machine) with a host, or has a user, password or fragment.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a valid URL") from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError("is not a valid URL: write a name with other letters as xn--…, and quote others with %")
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError("must be a URL such as https://lims.example.org/hook")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must begin with https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password: the receiver checks the signature")
    if "#" in url:
        raise ValueError("must not hold #: it is never sent")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.hostname.lower(), port or _PORTS[parts.scheme], path)


def parse_allowed_host(text: str) -> str:
    """An entry of `allowed_hosts` in the spelling that targets are compared with.

    Raises:
        ValueError: it is not `HOST` or `HOST:PORT`.
    """
    lowered = text.strip().lower()
    host, port = _host_and_port(lowered)
    known = _is_address(host) if lowered.startswith("[") else _HOST.fullmatch(host) is not None
    if not known or (port is not None and not 0 < int(port) <= _HIGHEST_PORT):
        raise ValueError("must be HOST or HOST:PORT as in the URL, such as lims.example.org or lims.example.org:8443")
    shown = f"[{host}]" if ":" in host else host
    return shown if port in {None, "443"} else f"{shown}:{int(port)}"


def may_connect(address: IpAddress, allow_private: Collection[Network]) -> bool:
    """Whether an address may be connected to: it is public, or in one of these networks.

    An IPv4 address inside an IPv6 one counts as itself; an address that a gateway would translate is not public.
    """
    plain = address.ipv4_mapped if isinstance(address, IPv6Address) and address.ipv4_mapped else address
    if any(plain in network for network in allow_private if network.version == plain.version):
        return True
    if isinstance(plain, IPv6Address) and (
        plain.sixtofour is not None or plain.teredo is not None or plain in _NAT64 or plain in _LOCAL_NAT64
    ):
        return False
    return plain.is_global and not plain.is_multicast and not plain.is_reserved


def named(hosts: Iterable[str]) -> str:
    """The hosts for a message."""
    return ", ".join(hosts) or "none"


def _host_and_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        port = rest.removeprefix(":") if rest else None
        return (host, port) if closed and (not rest or rest.startswith(":")) and _is_port(port) else ("", None)
    host, colon, port = text.partition(":")
    return (host, port if colon else None) if _is_port(port if colon else None) else ("", None)


def _is_port(text: str | None) -> bool:
    return text is None or re.fullmatch(r"[0-9]{1,5}", text) is not None


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
