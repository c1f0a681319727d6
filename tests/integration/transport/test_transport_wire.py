"""The transport against a real socket: what breaks there, and whether the request had left."""

import socket
import struct
import sys
from contextlib import asynccontextmanager, suppress
from random import Random

import anyio
import anyio.abc
import anyio.lowlevel
import pytest
from loop_time import pass_seconds

from orchestrator.clock import SystemClock
from orchestrator.domain.errors import Missing, Transient, Unconfirmed
from orchestrator.platforms.http.transport import Effect, Remote
from orchestrator.platforms.rate_limit.limiter import Limit, RateLimiter
from orchestrator.platforms.rate_limit.slots import MemorySlots

TIMEOUT = 60.0
"""Of a call, in seconds; they pass when the server says so."""


class Backoffless(SystemClock):
    """The real clock, but nobody sleeps on it: repeats come at once."""

    async def sleep(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()


class Server:
    """A platform on a loopback socket. Each request is told to `behave`, which does with the connection as it likes."""

    def __init__(self, behave):
        self.behave = behave
        self.connections = 0
        self.requests: list[bytes] = []
        self.seen = anyio.Event()

    async def serve(self, stream: anyio.abc.SocketStream) -> None:
        self.connections += 1
        async with stream:
            buffer = b""
            while True:
                while b"\r\n\r\n" not in buffer:
                    try:
                        buffer += await stream.receive()
                    except (anyio.EndOfStream, anyio.BrokenResourceError):
                        return
                request, _, buffer = buffer.partition(b"\r\n\r\n")
                self.requests.append(request)
                self.seen.set()
                if await self.behave(stream) is None:
                    return


@asynccontextmanager
async def serving(behave, *, scheme="http"):
    """A server that behaves so, and a remote that speaks to it."""
    server = Server(behave)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    clock = Backoffless()
    budget = RateLimiter(Limit(100, 300.0), clock, MemorySlots(), Random(1))
    remote = Remote(f"{scheme}://127.0.0.1:{port}", budget, clock)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, server.serve)
        yield server, remote, budget
        await remote.aclose()
        group.cancel_scope.cancel()


def replying(text: bytes, *, goes_on=False):
    """Answer each request with these bytes, and close or go on."""

    async def behave(stream):
        await stream.send(text)
        return goes_on or None

    return behave


async def closing(stream):
    """Say nothing and close."""


async def resetting(stream):
    """Tear the connection down, so that the other side sees a reset."""
    raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def hanging(stream):
    """Say nothing, forever."""
    await anyio.sleep_forever()


async def silent(stream):
    """Say nothing until the time-out of the call has passed, nor later."""
    pass_seconds(TIMEOUT)
    await hanging(stream)


async def dripping(stream):
    """Begin an answer and go on so slowly that no single read ever times out."""
    await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with suppress(anyio.BrokenResourceError):
        for _ in range(1000):
            await stream.send(b".")
            pass_seconds(TIMEOUT / 10)
            await anyio.lowlevel.checkpoint()


async def test_connections_are_kept_alive(call):
    """Three calls, one connection."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with serving(replying(reply, goes_on=True)) as (server, remote, _):
        for _ in range(3):
            assert (await remote.send(call())).body == b"ok"
        assert server.connections == 1


class Searches:
    """Stands first among the finders of modules, and finds none."""

    def __init__(self):
        self.names: list[str] = []

    def find_spec(self, name, path=None, target=None):
        self.names.append(name)


async def test_a_request_looks_for_no_module(call, monkeypatch):
    """Once the first request has been sent: a search of the path takes as long as the rest of a request."""
    reply, searches = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Searches()
    async with serving(replying(reply, goes_on=True)) as (_, remote, _):
        await remote.send(call())
        monkeypatch.setattr(sys, "meta_path", [searches, *sys.meta_path])
        await remote.send(call())
    assert searches.names == []


@pytest.mark.parametrize(
    "behave",
    [
        closing,
        resetting,
        replying(b"\x00\x01 this is not HTTP\r\n\r\n"),
        replying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it"),
        replying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"),
        replying(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nno gzip"),
    ],
    ids=["closed", "reset", "no HTTP", "cut", "cut chunk", "no gzip"],
)
async def test_an_answer_that_breaks_is_repeated_or_unconfirmed(behave, call):
    """A safe call is sent three times in all and then Transient; an unsafe one once, and is Unconfirmed."""
    async with serving(behave) as (server, remote, budget):
        with pytest.raises(Transient):
            await remote.send(call())
        assert len(server.requests) == 3
        with pytest.raises(Unconfirmed) as caught:
            await remote.send(call(Effect.UNSAFE))
        assert len(server.requests) == 4
        assert not caught.value.by_platform
        assert "127.0.0.1" in caught.value.message
        assert budget.used == 4


@pytest.mark.parametrize("behave", [silent, dripping])
async def test_a_timeout_is_total(behave, call):
    """Neither silence nor a trickle outlasts it."""
    async with serving(behave) as (_, remote, budget):
        with pytest.raises(Unconfirmed, match="TimedOut"):
            await remote.send(call(Effect.UNSAFE, timeout=TIMEOUT))
        assert budget.snapshot().in_flight == 0
        assert budget.used == 1


async def test_a_refusal_whose_body_breaks_is_still_that_refusal(call):
    """The status line tells all that matters."""
    broken = replying(b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{")
    async with serving(broken) as (_, remote, _):
        with pytest.raises(Missing):
            await remote.send(call(Effect.UNSAFE))


async def test_nobody_listening_is_a_request_that_never_left(call):
    """An unsafe call may be sent again, and its slot is free."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        clock = Backoffless()
        budget = RateLimiter(Limit(100, 300.0), clock, MemorySlots(), Random(1))
        remote = Remote(f"http://127.0.0.1:{taken.getsockname()[1]}", budget, clock)
        with pytest.raises(Transient, match="ConnectError"):
            await remote.send(call(Effect.UNSAFE))
        assert budget.used == 0
        await remote.aclose()


@pytest.mark.parametrize("stop", ["timeout", "cancel"])
async def test_a_request_that_waits_for_tls_has_not_left(stop, call):
    """The connection stands, the handshake hangs: no byte of the request is out, whatever ends the wait."""
    async with serving(hanging, scheme="https") as (_, remote, budget):
        if stop == "timeout":
            with pytest.raises(Transient, match="TimedOut"):
                await remote.send(call(Effect.UNSAFE, timeout=0.1))
        else:
            with anyio.move_on_after(0.1) as scope:
                await remote.send(call(Effect.UNSAFE))
            assert scope.cancelled_caught
        assert budget.used == 0


async def test_a_request_that_is_cancelled_after_it_left_holds_its_slot(call):
    """The platform has it; the slot waits out time-out, margin and window."""
    async with serving(hanging) as (server, remote, budget):
        async with anyio.create_task_group() as group:
            group.start_soon(remote.send, call(Effect.UNSAFE))
            await server.seen.wait()
            group.cancel_scope.cancel()
        assert budget.snapshot().in_flight == 0
        assert budget.used == 1


async def test_a_proxy_of_the_environment_is_used_but_not_on_loopback(monkeypatch, call):
    """Clusters without a way out of their own name one; what runs on this machine needs none."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy"
    async with serving(replying(reply, goes_on=True)) as (server, direct, budget):
        monkeypatch.setenv("http_proxy", direct._base_url)
        monkeypatch.setenv("no_proxy", "near.example.org")
        assert (await direct.send(call())).body == b"proxy"
        assert server.requests[-1].startswith(b"GET /api/projects/p1/analyses/a1 ")
        far = Remote("http://far.example.org", budget, Backoffless())
        assert (await far.send(call())).body == b"proxy"
        assert server.requests[-1].startswith(b"GET http://far.example.org/api/projects/p1/analyses/a1 ")
        await far.aclose()
