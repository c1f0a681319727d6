"""Connections whose callers are silent, slow or too many, on real sockets; time is moved by hand."""

import contextlib
import json
import resource
import socket
from contextlib import ExitStack, asynccontextmanager

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from waiting import PATIENCE, patience

from orchestrator.clock import ManualClock
from orchestrator.settings import Address
from orchestrator.telemetry.bus import Bus
from orchestrator.telemetry.events import CloseCause
from orchestrator.web import connections, server
from orchestrator.web.listening import listening

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"


class Door:
    """The server's port, its callers, and the clock that both go by."""

    def __init__(self, port, clock, stack):
        self.port, self.clock, self.stack = port, clock, stack
        self.closed = []
        self.admitted = self.received = 0

    async def connect(self, sent=b"", *, receive_buffer=None):
        """A caller that the server knows, and that has sent this much; a small receive buffer stalls soon."""
        raw = self.stack.enter_context(socket.socket())
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.setblocking(False)
        before = self.admitted
        with contextlib.suppress(BlockingIOError):
            raw.connect(("127.0.0.1", self.port))
        await until(lambda: self.admitted > before)
        await self.send(raw, sent)
        return raw

    async def send(self, raw, sent):
        """Send this, and wait until the server has it."""
        before = self.received
        raw.sendall(sent)
        await until(lambda: self.received == before + len(sent))

    async def ask(self, path="/"):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE) as client:
            return await client.get(path)

    async def pass_time(self, seconds):
        """Let the server check once a second, for so long."""
        for _ in range(seconds):
            await self.clock.advance(1)

    def causes(self):
        return [(event.cause, event.count) for event in self.closed]


def is_closed(raw):
    """Whether the server has closed this connection; what it sent before is read and dropped."""
    while True:
        try:
            if not raw.recv(65536):
                return True
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


async def hello(scope, receive, send):
    await PlainTextResponse("hello")(scope, receive, send)


@asynccontextmanager
async def opened(app=hello):
    clock, bus = ManualClock(), Bus()
    admit, data_received = connections.Connections.admit, connections.Connection.data_received
    with listening(Address("127.0.0.1", 0)) as listener, ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        door = Door(listener.getsockname()[1], clock, stack)

        def counted_admit(self, connection):
            admit(self, connection)
            door.admitted += 1

        def counted_receive(self, data):
            data_received(self, data)
            door.received += len(data)

        patch.setattr(connections.Connections, "admit", counted_admit)
        patch.setattr(connections.Connection, "data_received", counted_receive)
        bus.subscribe(door.closed.append)
        async with anyio.create_task_group() as group:

            async def serve():
                await server.run(app, listener, clock=clock, bus=bus)

            group.start_soon(serve)
            yield door
            group.cancel_scope.cancel()


async def until(condition):
    """Let the loop run until the condition holds."""
    with patience():
        while not condition():
            await anyio.lowlevel.checkpoint()


def holds(raw, text, times):
    """Whether what arrived so far holds the text so often; it stays in the socket's buffer."""
    try:
        return raw.recv(65536, socket.MSG_PEEK).count(text) == times
    except BlockingIOError:
        return False


async def read(raw, size):
    """Read so many bytes."""
    held = 0

    def enough():
        nonlocal held
        with contextlib.suppress(BlockingIOError):
            held += len(raw.recv(65536))
        return held >= size

    await until(enough)


# ---------------------------------------------------------------- silent and slow callers


async def test_a_silent_connection_is_closed():
    """It has ten seconds for the head of its request."""
    async with opened() as door:
        silent = await door.connect()
        await door.pass_time(9)
        assert not is_closed(silent)
        await door.pass_time(2)
        await until(lambda: is_closed(silent))
        assert door.causes() == [(CloseCause.HEAD, 1)]


async def test_a_head_that_dribbles_in_wins_no_time():
    """Ten seconds are for the whole head, however many bytes arrive meanwhile."""
    async with opened() as door:
        slow = await door.connect(GET[:5])
        for byte in range(5, 15):
            await door.send(slow, GET[byte : byte + 1])
            await door.pass_time(1)
        await door.pass_time(1)
        await until(lambda: is_closed(slow))
        assert door.causes() == [(CloseCause.HEAD, 1)]


async def test_a_used_connection_may_rest_between_two_requests():
    """Its next head has its own ten seconds; without one it is closed after fifteen, and nothing is logged."""
    async with opened() as door:
        kept = await door.connect(GET)
        await until(lambda: holds(kept, b"hello", 1))
        await door.pass_time(14)
        await door.send(kept, GET[:5])
        await door.pass_time(9)
        await door.send(kept, GET[5:])
        await until(lambda: holds(kept, b"hello", 2))
        await door.pass_time(16)
        await until(lambda: is_closed(kept))
        assert [event.level for event in door.closed] == ["debug"]


async def test_a_body_that_stalls_is_given_up():
    """Each half minute has to bring 16 KiB; what arrives steadily may take as long as it likes."""

    async def reads(scope, receive, send):
        while (message := await receive())["type"] == "http.request" and message.get("more_body"):
            pass
        if message["type"] == "http.request":
            await hello(scope, receive, send)

    async with opened(reads) as door:
        steady, stalled = await door.connect(POST), await door.connect(POST)
        await door.send(stalled, b"x")
        for _ in range(3):
            await door.send(steady, b"x" * connections.LEAST_PROGRESS)
            await door.pass_time(25)
        await until(lambda: is_closed(stalled))
        assert not is_closed(steady)
        assert door.causes() == [(CloseCause.BODY, 1)]


async def test_an_answer_that_takes_long_is_waited_for():
    """Only callers are pressed, never the program's own work."""
    done = anyio.Event()

    async def slow(scope, receive, send):
        await done.wait()
        await hello(scope, receive, send)

    async with opened(slow) as door:
        waiting = await door.connect(GET)
        await door.pass_time(120)
        done.set()
        await until(lambda: holds(waiting, b"hello", 1))


# ---------------------------------------------------------------- callers that do not read


async def endless(scope, receive, send):
    async def pieces():
        while True:
            yield b"x" * 300_000

    await StreamingResponse(pieces())(scope, receive, send)


async def test_a_caller_that_does_not_read_is_closed():
    """After half a minute without progress; one that reads is not."""
    async with opened(endless) as door:
        stalled = await door.connect(GET, receive_buffer=4096)
        reading = await door.connect(GET)
        for _ in range(4):
            await door.pass_time(10)
            await read(reading, 1_000_000)
        await until(lambda: is_closed(stalled))
        assert door.causes() == [(CloseCause.READER, 1)]


async def test_an_answer_that_ended_unread_is_closed_too():
    """The program has finished with it; the system's buffers have not."""

    async def large(scope, receive, send):
        await PlainTextResponse("x" * 8_000_000)(scope, receive, send)

    async with opened(large) as door:
        stalled = await door.connect(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), receive_buffer=4096)
        await door.pass_time(32)
        await until(lambda: is_closed(stalled))
        assert door.causes() == [(CloseCause.READER, 1)]


async def test_what_waits_to_be_read_is_bounded(monkeypatch):
    """Above the bound, connections without progress are closed, as many as needed; the others are served."""
    monkeypatch.setattr(connections, "MOST_UNREAD", 1_000_000)
    async with opened(endless) as door:
        stalled = []
        for _ in range(8):
            stalled.append(await door.connect(GET, receive_buffer=4096))
            await door.pass_time(1)
        await read(await door.connect(GET), 2_000_000)
        await until(lambda: any(is_closed(each) for each in stalled))
        assert not all(is_closed(each) for each in stalled)


# ---------------------------------------------------------------- too many callers


async def test_idle_connections_make_room_for_new_ones(monkeypatch):
    """However many there are, everybody is answered; the longest idle go first."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 20)
    async with opened() as door:
        silent = [await door.connect() for _ in range(30)]
        assert (await door.ask()).text == "hello"
        closed = [is_closed(each) for each in silent]
        assert closed == [True] * 11 + [False] * 19


async def test_probes_are_answered_while_everything_is_busy(monkeypatch):
    """The others are refused with 503 and the time to wait, and beyond that closed at once."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    monkeypatch.setattr(connections, "RESERVED", 2)
    done = anyio.Event()

    async def slow(scope, receive, send):
        if scope["path"] == "/slow":
            await done.wait()
        await hello(scope, receive, send)

    async with opened(slow) as door:
        for _ in range(5):
            await door.connect(GET.replace(b"/ ", b"/slow "))
        assert (await door.ask("/livez")).status_code == 200
        assert (await door.ask("/readyz")).status_code == 200
        refused = await door.ask("/")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["detail"].startswith("all connections are in use")
        done.set()


async def test_what_is_no_request_is_refused_with_a_problem():
    """As every other answer of the server."""
    async with opened() as door:
        raw = await door.connect(b"GET / HTTP/9 \x00\r\n\r\n")
        received = b""
        while b"}" not in received:
            with contextlib.suppress(BlockingIOError):
                received += raw.recv(65536)
            await anyio.lowlevel.checkpoint()
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in head
        assert json.loads(body)["status"] == 400


async def test_connections_beyond_all_places_are_closed(monkeypatch):
    """No request of theirs is read; the report counts them instead of one line for each."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "RESERVED", 0)

    async def hangs(scope, receive, send):
        await anyio.sleep_forever()

    async with opened(hangs) as door:
        busy = [await door.connect(GET) for _ in range(3)]
        for _ in range(50):
            beyond = await door.connect()
            await until(lambda raw=beyond: is_closed(raw))
        assert not any(is_closed(each) for each in busy)
        await door.pass_time(59)
        assert door.causes() == [(CloseCause.LIMIT, 50)]


@pytest.mark.parametrize(("descriptors", "limit"), [(100_000, 256), (1024, 256), (256, 64), (3, 1)])
def test_connections_use_a_part_of_the_descriptors(monkeypatch, descriptors, limit):
    """The database, the queue and the platform's connections need theirs."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert connections.connection_limit() == limit
