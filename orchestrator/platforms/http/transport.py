"""The one way out: every request of an account passes its budget here, and comes back as an answer or as an error.

This is the only module that knows the HTTP library. The gate is a transport around the real one, and there is no client
above it: no redirects, no cookies, nothing that could send a request round the budget.

What is sent and what comes back are the values of `calls`; what a status means is told in `answers`. A safe call whose
answer failed is repeated here, each time through the budget; an unsafe one never is.
"""

import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random, SystemRandom
from typing import Any, Final, cast
from urllib.parse import urlsplit

import anyio
import httpx

from orchestrator import __version__
from orchestrator.clock import Clock
from orchestrator.domain.errors import PlatformError, Refused, Throttled, TimedOut, Transient, Unconfirmed
from orchestrator.domain.polling.backoff import Backoff
from orchestrator.platforms.http.calls import Answer, Call, Effect, Exchange
from orchestrator.platforms.http.decoding import DecodingError, decoded
from orchestrator.platforms.http.echoed_credentials import Credentials
from orchestrator.platforms.http.responses import (
    COMPLAINT_BYTES,
    Classifier,
    Head,
    error_of,
    one_line,
    read_hints,
    secrets_of,
    unclassified,
)
from orchestrator.platforms.http.trust import authorities
from orchestrator.platforms.rate_limit.limiter import RateLimiter, Slot

__all__ = ["Answer", "Call", "Effect", "Exchange", "RateLimitedTransport", "Remote"]

_REPEATS: Final = 2
_BACKOFF: Final = Backoff(floor=1.0, first=2.0, cap=30.0)
_MAINTENANCE: Final = 300.0
"""Seconds for which an account is closed whose platform declines everything and does not say for how long."""
_MAX_BODY: Final = 64 * 1024 * 1024
"""Decoded bytes of one answer: a page of a thousand items has a few megabytes."""
_PASSAGE: Final = "orchestrator.passage"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_TOO_LARGE: Final = "TooLarge"
_TIMED_OUT: Final = "TimedOut"
_NEVER_LEFT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
"""Failures before the first byte of a request."""
_BROKEN: Final = (httpx.HTTPError, OSError)
"""What breaks on a network. The library lets some errors of TLS through as they are; those are OSErrors."""


class Remote:
    """One account's platform, as far as HTTP goes."""

    def __init__(
        self,
        base_url: str,
        budget: RateLimiter,
        clock: Clock,
        *,
        random: Random | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        observer: Callable[[Exchange], None] | None = None,
        user_agent: str = f"orchestrator/{__version__}",
        max_body: int = _MAX_BODY,
        classify: Classifier = unclassified,
    ) -> None:
        """`observer` hears of each request that had its slot; it must not raise. `max_body` is in bytes, decoded.

        Raises:
            SettingsError: the certificate authorities that the environment names cannot be read.
        """
        self._base_url = base_url.rstrip("/")
        self._host = urlsplit(base_url).hostname or base_url
        self._clock = clock
        self._budget = budget
        self._random = random or SystemRandom()
        self._observer = observer
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "gzip"}
        self._max_body = max_body
        self._classify = classify
        self._credentials = Credentials()
        self._gate = RateLimitedTransport(transport or _network(base_url), budget, clock)

    @property
    def base_url(self) -> str:
        """Where the platform is, without a slash at its end."""
        return self._base_url

    async def send(self, call: Call) -> Answer:
        """Send a call once the budget allows, and read its answer.

        Raises:
            Transient: no good answer, and nothing lost by asking again; an unsafe call never left.
            Throttled: the platform wants us to wait; the account is closed meanwhile at a 429, and at any answer that
                the platform's classifier takes for one.
            Unconfirmed: an unsafe call may have had its effect.
            Whatever else the platform's classifier makes of an answer.
            Refused, Missing, Unauthorised: the platform said no, and did nothing.
        """
        attempt = 1
        while True:
            try:
                return await self._send(call)
            except Transient as error:
                if call.effect is Effect.UNSAFE or attempt > _REPEATS or isinstance(error, Throttled | TimedOut):
                    raise
            await self._clock.sleep(_BACKOFF.delay(attempt, self._random))
            attempt += 1

    async def aclose(self) -> None:
        """Close the connections."""
        await self._gate.aclose()

    async def _send(self, call: Call) -> Answer:
        passage = _RequestTrace(call)
        self._credentials.learn(*secrets_of(call))
        cause: Exception | None = None
        try:
            with passage.deadline:
                await self._converse(passage)
            if passage.deadline.cancelled_caught:
                passage.fail(_TIMED_OUT, f"nothing more within {call.timeout:g} s")
        except _BROKEN as error:
            passage.fail(type(error).__name__, one_line(str(error), self._credentials.texts))
            cause = error
        except BaseException as error:
            passage.fail(type(error).__name__, "")
            raise
        finally:
            self._report(passage)
        head = passage.head
        if head is None or (head.success and passage.failure is not None):
            raise self._lost(passage) from cause
        if not head.success:
            refusal = error_of(
                call,
                self._host,
                head,
                passage.body,
                secrets=self._credentials.texts,
                classify=self._classify,
            )
            if isinstance(refusal, Throttled) and refusal.whole_account:
                self._budget.close(self._budget.now() + (refusal.retry_after or _MAINTENANCE))
            raise refusal from cause
        body = passage.body if call.answers_with_secret else self._credentials.removed_from(passage.body)
        return Answer(head.status, head.headers, body, head.hints.date)

    async def _converse(self, passage: "_RequestTrace") -> None:
        """Send the request and read what comes, into the passage."""
        call = passage.call
        request = httpx.Request(
            call.method,
            f"{self._base_url}/{call.path.lstrip('/')}",
            params=dict(call.params) if isinstance(call.params, Mapping) else list(call.params),
            headers=self._headers | dict(call.headers),
            content=call.body,
            extensions={_PASSAGE: passage, "trace": passage.trace},
        )
        response = await self._gate.handle_async_request(request)
        try:
            await self._read(response, passage)
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response, passage: "_RequestTrace") -> None:
        """Read the body: all of an answer, the beginning of a complaint."""
        most = self._max_body if response.is_success else COMPLAINT_BYTES
        try:
            raw = cast("httpx.AsyncByteStream", response.stream)
            passage.body, more = await decoded(raw, response.headers.get("content-encoding", ""), most)
        except DecodingError as error:
            passage.fail(type(error).__name__, str(error))
            return
        if response.is_success and more:
            passage.fail(_TOO_LARGE, f"more than {most} bytes")

    def _lost(self, passage: "_RequestTrace") -> PlatformError:
        """No answer came, or half of one."""
        broke = ": ".join(part for part in (passage.failure, passage.reason) if part)
        head = passage.head
        said = f"no answer ({broke})" if head is None else f"{head.status}, but half an answer ({broke})"
        message = f"{passage.call.label} at {self._host}: {said}"
        facts = (message, head.status, None, None, head.hints.date) if head else (message,)
        if passage.call.effect is Effect.UNSAFE and passage.left:
            return Unconfirmed(*facts)
        kinds: Mapping[str | None, type[PlatformError]] = {_TOO_LARGE: Refused, _TIMED_OUT: TimedOut}
        return kinds.get(passage.failure, Transient)(*facts)

    def _report(self, passage: "_RequestTrace") -> None:
        if self._observer is None or passage.slot is None:
            return
        head = passage.head
        self._observer(
            Exchange(
                route=passage.call.route,
                lane=passage.call.lane,
                outcome=passage.failure or str(head and head.status),
                status=head.status if head else None,
                waited=passage.slot.waited,
                seconds=self._clock.monotonic() - passage.slot.taken_at,
                server_date=head.hints.date if head else None,
            )
        )


class RateLimitedTransport(httpx.AsyncBaseTransport):
    """Lets a request through to the network once it has its slot, and gives the slot back as the answer allows."""

    def __init__(self, inner: httpx.AsyncBaseTransport, budget: RateLimiter, clock: Clock) -> None:
        self._inner = inner
        self._budget = budget
        self._clock = clock
        self._traced = isinstance(inner, httpx.AsyncHTTPTransport)  # it tells when the first byte leaves

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        passage: _RequestTrace = request.extensions[_PASSAGE]
        slot = passage.slot = await self._budget.acquire(passage.call.lane, passage.call.priority)
        passage.deadline.deadline = anyio.current_time() + passage.call.timeout  # the wait before was not part of it
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException as error:
            passage.left = passage.left if self._traced else not isinstance(error, _NEVER_LEFT)
            if passage.left:
                slot.lose(passage.call.timeout)
            else:
                slot.unsent()
            await passage.hang_up()
            raise
        slot.release()
        hints = read_hints(response.headers, self._clock.now(), self._budget.window)
        passage.left, passage.head = True, Head(response.status_code, response.headers, hints)
        self._heed(slot, passage.head)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _heed(self, slot: Slot, head: Head) -> None:
        hints = head.hints
        if hints.remaining is not None:
            self._budget.hint(hints.remaining, hints.reset_in, slot)
        if head.status == httpx.codes.TOO_MANY_REQUESTS:
            self._budget.throttled(slot, hints.reset_in if hints.retry_after is None else hints.retry_after)


@dataclass(slots=True)
class _RequestTrace:
    """One request on its way, and what has become of it so far."""

    call: Call
    deadline: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    slot: Slot | None = None
    left: bool = False
    """Whether a byte of the request may have left."""
    connection: Any = None
    """The library's stream, from its opening until the request is being sent."""
    head: Head | None = None
    body: bytes = b""
    failure: str | None = None
    """The word for what went wrong on the way."""
    reason: str = ""

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """The network tells of each of its steps. A proxy's CONNECT carries nothing of the request itself."""
        if event.endswith("connect_tcp.complete"):
            self.connection = info["return_value"]
        elif event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self.left, self.connection = True, None

    async def hang_up(self) -> None:
        """Close a connection that never came to carry the request: the library forgets it when cancelled during TLS."""
        if self.connection is not None:
            with anyio.CancelScope(shield=True):
                await self.connection.aclose()

    def fail(self, failure: str, reason: str) -> None:
        """The answer is not whole."""
        self.failure, self.reason = failure, reason


def _network(base_url: str) -> httpx.AsyncHTTPTransport:
    """Connections for one platform, kept alive; the budget bounds how many are in use."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=30.0)
    trusted = authorities().context
    proxy = _proxy(base_url)
    # The context is for the way to the proxy; one that is spoken to without TLS must be given none.
    context = trusted if proxy is not None and urlsplit(proxy).scheme == "https" else None
    through = None if proxy is None else httpx.Proxy(proxy, ssl_context=context)
    return httpx.AsyncHTTPTransport(limits=limits, verify=trusted, proxy=through)


def _proxy(base_url: str) -> str | None:
    """The proxy that the environment names for this host (`HTTPS_PROXY`, `NO_PROXY`), if any."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)
