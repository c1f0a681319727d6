"""Sends webhooks. An address is checked before it is connected to, and the connection goes to exactly that address.

Apart from `platforms/http/transport.py`, this is the only module that uses the HTTP library. It uses the library's
transport without its client: no redirects, cookies, proxies or retries. Connections are not kept, so that none is
reused under another name.
"""

import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import anyio
import httpx

from orchestrator import __version__
from orchestrator.domain.messages.printable import printable
from orchestrator.domain.webhook import IpAddress, Network, Target, may_connect
from orchestrator.platforms.http.trust import authorities

CONNECT_TIMEOUT: Final = 10.0
"""Seconds for the name, for the connection, and for TLS, each."""
READ_TIMEOUT: Final = 15.0
"""Seconds without a byte of the response."""
TOTAL_TIMEOUT: Final = 60.0
"""Seconds for one attempt: longer than name, connection and TLS together, which are not cut off by it."""
BODY_TIMEOUT: Final = 5.0
"""Seconds for what is read of the body: the status has arrived, and decides."""
MOST_BODY: Final = 1024
"""Bytes of a response that are read."""
_MOST_ADDRESSES: Final = 3
"""Addresses of a host that are tried in one attempt."""
_SHOWN: Final = 200

Resolve = Callable[[str, int], Awaitable[Collection[str]]]
"""Host and port → addresses."""


class UndeliverableError(Exception):
    """There was no response; the text says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response of a receiver."""

    status: int
    text: str
    """The beginning of the body, printable, on one line."""
    retry_after: float | None
    """Seconds to wait, where the receiver says so."""


class WebhookClient:
    """Sends one request at a time to any receiver."""

    def __init__(self, allow_private: Collection[Network] = (), *, resolve: Resolve | None = None) -> None:
        """`resolve` looks up the addresses of a host; by default with the system's resolver.

        Raises:
            SettingsError: the certificate authorities that the environment names cannot be read.
        """
        self._allow_private = allow_private
        self._resolve = resolve or _addresses_of
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._transport = httpx.AsyncHTTPTransport(verify=authorities().context, limits=limits, http2=False, retries=0)

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Reply:
        """Send the body, and return the response whatever its status is.

        Raises:
            UndeliverableError: the address may not be connected to, or there was no response in time.
        """
        try:
            with anyio.fail_after(TOTAL_TIMEOUT):
                return await self._post(target, headers, body)
        except TimeoutError:
            raise UndeliverableError(f"no response within {TOTAL_TIMEOUT:g} s") from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    async def _post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Reply:
        failure = "no address"
        for address in (await self._checked_addresses(target))[:_MOST_ADDRESSES]:
            try:
                return await self._send(target, address, headers, body)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:  # nothing was sent: another may answer
                failure = f"{address}: {str(error) or type(error).__name__}"
            except httpx.HTTPError as error:
                raise UndeliverableError(f"{address}: {str(error) or type(error).__name__}") from error
        raise UndeliverableError(failure)

    async def _checked_addresses(self, target: Target) -> list[IpAddress]:
        try:
            with anyio.fail_after(CONNECT_TIMEOUT):
                found = [ip_address(each) for each in await self._resolve(target.host, target.port)]
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise UndeliverableError(
                f"{target.host} cannot be resolved: {str(error) or type(error).__name__}"
            ) from error
        checked = [address for address in found if may_connect(address, self._allow_private)]
        if not checked:
            shown = ", ".join(map(str, found)) or "nothing"
            raise UndeliverableError(
                f"{target.host} resolves to {shown}, which is not public: `notify.allow_private` may allow its network"
            )
        return checked

    async def _send(self, target: Target, address: IpAddress, headers: Mapping[str, str], body: bytes) -> Reply:
        host = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IP versions
        timeouts = {"connect": CONNECT_TIMEOUT, "read": READ_TIMEOUT, "write": READ_TIMEOUT, "pool": CONNECT_TIMEOUT}
        request = httpx.Request(
            "POST",
            f"{target.scheme}://{host}:{target.port}{target.path}",
            headers={
                "Host": target.authority,
                "User-Agent": f"orchestrator/{__version__}",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
                **headers,
            },
            content=body,
            extensions={"sni_hostname": target.host, "timeout": timeouts},
        )
        response = await self._transport.handle_async_request(request)
        try:
            text = await _beginning_of(response)
        finally:
            await response.aclose()
        return Reply(response.status_code, text, _retry_after(response.headers.get("retry-after", "")))


async def _addresses_of(host: str, port: int) -> Collection[str]:
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(address[0].partition("%")[0] for *_, address in found))


async def _beginning_of(response: httpx.Response) -> str:
    content = b""
    with suppress(httpx.HTTPError), anyio.move_on_after(BODY_TIMEOUT):
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) >= MOST_BODY:
                break
    text = " ".join(content[:MOST_BODY].decode("utf-8", errors="replace").split())
    return printable(text)[:_SHOWN]


def _retry_after(value: str) -> float | None:
    return float(value) if value.isascii() and value.isdecimal() and len(value) < 10 else None  # noqa: PLR2004 - digits
