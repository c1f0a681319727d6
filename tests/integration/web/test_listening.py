"""The server itself: its port, its stop, and what it leaves alone."""

import signal
import socket
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from processes import free_port
from starlette.responses import PlainTextResponse
from waiting import PATIENCE, patience

from orchestrator.clock import SystemClock
from orchestrator.settings import Address, SettingsError
from orchestrator.telemetry.bus import Bus
from orchestrator.web import server
from orchestrator.web.listening import SEND_BUFFER, listening


@asynccontextmanager
async def served(app):
    """The app on a free port; leaving the block stops the server."""
    with listening(Address("127.0.0.1", free_port())) as listener:
        async with anyio.create_task_group() as group:

            async def serve():
                await server.run(app, listener, clock=SystemClock(), bus=Bus())

            group.start_soon(serve)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", group
            group.cancel_scope.cancel()


async def hello(scope, receive, send):
    await PlainTextResponse("hello")(scope, receive, send)


# ---------------------------------------------------------------- the port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
async def test_a_port_that_is_taken_is_told_at_once(host):
    """As a mistake of the configuration, with the ways out."""
    with listening(Address(host, 0)) as listener:
        taken = Address(host, listener.getsockname()[1])
        with pytest.raises(SettingsError, match="in use") as caught, listening(taken):
            pass
        assert str(caught.value).startswith(f"server.listen: cannot listen on {taken} (Address already in use): free")
        assert "server: null" in str(caught.value)


async def test_an_address_that_is_not_ours_is_told():
    """Also where the system does not know the name."""
    with pytest.raises(SettingsError, match=r"^server\.listen"), listening(Address("192.0.2.1", 8080)):
        pass
    with pytest.raises(SettingsError, match=r"^server\.listen"), listening(Address("nowhere.invalid", 8080)):
        pass


def test_the_kernel_holds_little_of_what_is_not_read():
    """The buffer of an accepted connection does not grow to megabytes."""
    with listening(Address("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * SEND_BUFFER


async def test_the_port_is_free_again_after_the_stop():
    """A restart may follow at once, though connections were open."""
    async with served(hello) as (url, _), httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        assert (await client.get("/")).text == "hello"
        address = Address("127.0.0.1", int(url.rpartition(":")[2]))
    with listening(address):
        pass


# ---------------------------------------------------------------- the stop


async def test_signals_are_left_alone():
    """The daemon's own handlers stay, while it serves and after."""
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with served(hello) as (url, _), httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        await client.get("/")
        assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]


async def test_idle_connections_do_not_hold_up_a_stop(monkeypatch):
    """Nothing is waited for that has nothing to say, not even the grace."""
    monkeypatch.setattr(server, "GRACE", 3600)
    with patience():
        async with served(hello) as (url, group), httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
            await client.get("/")
            silent = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
            await client.get("/")
            group.cancel_scope.cancel()
        silent.close()


async def test_an_answer_under_way_may_end(monkeypatch):
    """Within the grace the caller still gets it."""
    monkeypatch.setattr(server, "GRACE", 3600)
    asked, stop = anyio.Event(), anyio.Event()

    async def slow(scope, receive, send):
        asked.set()
        await stop.wait()
        await hello(scope, receive, send)

    answers = []
    async with anyio.create_task_group() as callers:

        async def call(url):
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
                answers.append(await client.get("/"))

        with patience():
            async with served(slow) as (url, group):
                callers.start_soon(call, url)
                await asked.wait()
                group.cancel_scope.cancel()
                stop.set()
    assert answers[0].text == "hello"


async def test_a_hanging_answer_is_ended_as_our_own_tasks_are(monkeypatch):
    """Its shielded part is left to end; the rest is cancelled, and the server waits until both are over."""
    monkeypatch.setattr(server, "GRACE", 0.05)
    asked, release, seen = anyio.Event(), anyio.Event(), []

    async def hanging(_scope, _receive, _send):
        with anyio.CancelScope(shield=True):
            asked.set()
            await release.wait()
            seen.append("the transaction ended")
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("then it was cancelled")

    async def call(url):
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/")
        seen.append("the caller was cut off")
        release.set()

    async with anyio.create_task_group() as callers:
        with patience():
            async with served(hanging) as (url, group):
                callers.start_soon(call, url)
                await asked.wait()
                group.cancel_scope.cancel()
        seen.append("the server was gone")
    assert seen == [
        "the caller was cut off",
        "the transaction ended",
        "then it was cancelled",
        "the server was gone",
    ]


async def test_an_app_that_breaks_does_not_end_the_server(caplog):
    """The caller gets a 500, the log the reason, and the next caller an answer."""

    async def broken(scope, receive, send):
        if scope["path"] == "/broken":
            raise ZeroDivisionError
        await hello(scope, receive, send)

    async with served(broken) as (url, _), httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        assert (await client.get("/broken")).status_code == 500
        assert "ZeroDivisionError" in caplog.text
        assert (await client.get("/")).text == "hello"
