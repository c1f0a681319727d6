"""Sends the requests of an account through its rate limiter, and returns responses or raises errors.

This is the only module that uses the HTTP library. The rate limiter sits in a transport around the library's, and no
client is used: without redirects, cookies or retries, no request can bypass the rate limiter.

Requests and responses are the values of `calls`; `responses` defines what a status means. A safe call without a valid
response is repeated here, each time through the rate limiter; an unsafe one never is.
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
_LONGEST_MAINTENANCE: Final = 3600.0
"""Maximum seconds of that, whatever it says."""
_MAX_BODY: Final = 64 * 1024 * 1024
"""Maximum decoded bytes of one response: a page of a thousand items has a few megabytes."""
_TRACE: Final = "orchestrator.trace"
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
"""Errors before the first byte of a request was sent."""
_BROKEN: Final = (httpx.HTTPError, OSError)
"""Network errors. The library does not wrap some errors of TLS, which are OSErrors."""


class Remote:
    """The HTTP connection to one account's platform."""

    def __init__(
        self,
        base_url: str,
        limiter: RateLimiter,
        clock: Clock,
        *,
        random: Random | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        observer: Callable[[Exchange], None] | None = None,
        user_agent: str = f"orchestrator/{__version__}",
        max_body: int = _MAX_BODY,
        classify: Classifier = unclassified,
    ) -> None:
        """`observer` is called after each request that was granted a slot, and must not raise.

        `max_body`: maximum decoded bytes of a response.

        Raises:
            SettingsError: the certificate authorities that the environment names cannot be read.
        """
        self._base_url = base_url.rstrip("/")
        self._host = urlsplit(base_url).hostname or base_url
        self._clock = clock
        self._limiter = limiter
        self._random = random or SystemRandom()
        self._observer = observer
        self._headers = {"User-Agent": user_agent, "Accept-Encoding": "gzip"}
        self._max_body = max_body
        self._classify = classify
        self._credentials = Credentials()
        self._gate = RateLimitedTransport(transport or _network(base_url), limiter, clock)

    @property
    def base_url(self) -> str:
        """The platform's URL without a trailing slash."""
        return self._base_url

    async def send(self, call: Call) -> Answer:
        """Send a call when the rate limiter allows, and read its response.

        Raises:
            Transient: no good answer, and nothing lost by asking again; an unsafe call never left.
            Throttled: the platform wants us to wait; the account is closed meanwhile at a 429, and at any answer that
                the platform's classifier takes for one.
            Unconfirmed: an unsafe call may have had its effect.
            Refused, Missing, Unauthorised: the platform refused the call, which had no effect.
            PlatformError: any other error that the platform's classifier returns.
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
        trace = _RequestTrace(call)
        self._credentials.learn(*secrets_of(call))
        cause: Exception | None = None
        try:
            with trace.deadline:
                await self._converse(trace)
            if trace.deadline.cancelled_caught:
                trace.fail(_TIMED_OUT, f"nothing more within {call.timeout:g} s")
        except _BROKEN as error:
            trace.fail(type(error).__name__, one_line(str(error), self._credentials.texts))
            cause = error
        except BaseException as error:
            trace.fail(type(error).__name__, "")
            raise
        finally:
            self._report(trace)
        head = trace.head
        if head is None or (head.success and trace.failure is not None):
            raise self._lost(trace) from cause
        if not head.success:
            refusal = error_of(
                call,
                self._host,
                head,
                trace.body,
                secrets=self._credentials.texts,
                classify=self._classify,
            )
            if isinstance(refusal, Throttled) and refusal.whole_account:
                pause = min(refusal.retry_after or _MAINTENANCE, _LONGEST_MAINTENANCE)
                self._limiter.close(self._limiter.now() + pause)
            raise refusal from cause
        body = trace.body if call.answers_with_secret else self._credentials.removed_from(trace.body)
        return Answer(head.status, head.headers, body, head.hints.date)

    async def _converse(self, trace: "_RequestTrace") -> None:
        """Send the request and read the response into the trace."""
        call = trace.call
        request = httpx.Request(
            call.method,
            f"{self._base_url}/{call.path.lstrip('/')}",
            params=dict(call.params) if isinstance(call.params, Mapping) else list(call.params),
            headers=self._headers | dict(call.headers),
            content=call.body,
            extensions={_TRACE: trace, "trace": trace.record},
        )
        response = await self._gate.handle_async_request(request)
        try:
            await self._read(response, trace)
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response, trace: "_RequestTrace") -> None:
        """Read the body: all of a successful response, the beginning of another."""
        most = self._max_body if response.is_success else COMPLAINT_BYTES
        try:
            raw = cast("httpx.AsyncByteStream", response.stream)
            trace.body, more = await decoded(raw, response.headers.get("content-encoding", ""), most)
        except DecodingError as error:
            trace.fail(type(error).__name__, str(error))
            return
        if response.is_success and more:
            trace.fail(_TOO_LARGE, f"more than {most} bytes")

    def _lost(self, trace: "_RequestTrace") -> PlatformError:
        """The error of a call without a response, or with a truncated one."""
        cause = ": ".join(part for part in (trace.failure, trace.reason) if part)
        head = trace.head
        outcome = f"no response ({cause})" if head is None else f"{head.status}, but an incomplete response ({cause})"
        message = f"{trace.call.label} at {self._host}: {outcome}"
        facts = (message, head.status, None, None, head.hints.date) if head else (message,)
        if trace.call.effect is Effect.UNSAFE and trace.left:
            return Unconfirmed(*facts)
        kinds: Mapping[str | None, type[PlatformError]] = {_TOO_LARGE: Refused, _TIMED_OUT: TimedOut}
        return kinds.get(trace.failure, Transient)(*facts)

    def _report(self, trace: "_RequestTrace") -> None:
        if self._observer is None or trace.slot is None:
            return
        head = trace.head
        self._observer(
            Exchange(
                route=trace.call.route,
                lane=trace.call.lane,
                outcome=trace.failure or str(head and head.status),
                status=head.status if head else None,
                waited=trace.slot.waited,
                seconds=self._clock.monotonic() - trace.slot.taken_at,
                server_date=head.hints.date if head else None,
            )
        )


class RateLimitedTransport(httpx.AsyncBaseTransport):
    """Sends a request once it has a slot, and releases the slot according to the response."""

    def __init__(self, inner: httpx.AsyncBaseTransport, limiter: RateLimiter, clock: Clock) -> None:
        self._inner = inner
        self._limiter = limiter
        self._clock = clock
        self._traced = isinstance(inner, httpx.AsyncHTTPTransport)  # reports when the first byte is sent

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        trace: _RequestTrace = request.extensions[_TRACE]
        slot = trace.slot = await self._limiter.acquire(trace.call.lane, trace.call.priority)
        trace.deadline.deadline = anyio.current_time() + trace.call.timeout  # starts after the wait for the slot
        try:
            response = await self._inner.handle_async_request(request)
        except BaseException as error:
            trace.left = trace.left if self._traced else not isinstance(error, _NEVER_LEFT)
            if trace.left:
                slot.lose(trace.call.timeout)
            else:
                slot.unsent()
            await trace.hang_up()
            raise
        if trace.call.free:
            slot.unsent()
        else:
            slot.release()
        hints = read_hints(response.headers, self._clock.now(), self._limiter.window)
        trace.left, trace.head = True, Head(response.status_code, response.headers, hints)
        self._apply_hints(slot, trace.head)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _apply_hints(self, slot: Slot, head: Head) -> None:
        hints = head.hints
        if hints.remaining is not None:
            self._limiter.hint(hints.remaining, hints.reset_in, slot)
        if head.status == httpx.codes.TOO_MANY_REQUESTS:
            self._limiter.throttled(slot, hints.reset_in if hints.retry_after is None else hints.retry_after)


@dataclass(slots=True)
class _RequestTrace:
    """One request and its progress."""

    call: Call
    deadline: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    slot: Slot | None = None
    left: bool = False
    """Whether a byte of the request may have been sent."""
    connection: Any = None
    """The library's connection, from its opening until the request is being sent."""
    head: Head | None = None
    body: bytes = b""
    failure: str | None = None
    """The name of the error."""
    reason: str = ""

    async def record(self, event: str, info: Mapping[str, Any]) -> None:
        """Record the progress that the library reports. A proxy's CONNECT contains nothing of the request."""
        if event.endswith("connect_tcp.complete"):
            self.connection = info["return_value"]
        elif event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self.left, self.connection = True, None

    async def hang_up(self) -> None:
        """Close a connection that was not used for the request: the library leaks it when cancelled during TLS."""
        if self.connection is not None:
            with anyio.CancelScope(shield=True):
                await self.connection.aclose()

    def fail(self, failure: str, reason: str) -> None:
        """Record why there is no complete response."""
        self.failure, self.reason = failure, reason


def _network(base_url: str) -> httpx.AsyncHTTPTransport:
    """The connection pool for one platform; the rate limiter bounds how many connections are in use."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=16, keepalive_expiry=30.0)
    trusted = authorities().context
    proxy = _proxy(base_url)
    # The context is for the way to the proxy; one that is spoken to without TLS must be given none.
    context = trusted if proxy is not None and urlsplit(proxy).scheme == "https" else None
    through = None if proxy is None else httpx.Proxy(proxy, ssl_context=context)
    return httpx.AsyncHTTPTransport(limits=limits, verify=trusted, proxy=through)


def _proxy(base_url: str) -> str | None:
    """The proxy for this host by `HTTPS_PROXY` and `NO_PROXY`, if any."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)
