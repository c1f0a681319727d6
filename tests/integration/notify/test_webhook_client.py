"""The connection goes to the address that was checked, under the name that was asked for, and follows nothing."""

import asyncio
import socket
import ssl
import subprocess
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

import anyio
import pytest
from loop_time import pass_seconds

from orchestrator.domain.webhook import parse_target
from orchestrator.notify import client
from orchestrator.notify.client import UndeliverableError, WebhookClient

LOOPBACK = [ip_network("127.0.0.0/8")]


@asynccontextmanager
async def receiver(answer=b"HTTP/1.1 204 No Content\r\n\r\n", context=None):
    """A server that keeps what it is sent; its port and the requests."""
    seen, serving = [], []

    async def serve(reader, writer):
        serving.append(asyncio.current_task())
        with suppress(asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            seen.append(head + await reader.readexactly(int(length.partition(b":")[2])))
            writer.write(answer)
            await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1], seen
    await asyncio.gather(*serving)


def to(*addresses):
    """A resolver that knows one answer."""

    async def resolve(host, port):
        del host, port
        return addresses

    return resolve


async def post(url, resolve=None, allow=LOOPBACK, body=b"{}"):
    sender = WebhookClient(allow, resolve=resolve)
    try:
        return await sender.post(parse_target(url), {"webhook-id": "1"}, body)
    finally:
        await sender.aclose()


async def test_a_webhook_arrives_with_its_headers_and_its_body():
    """One POST of JSON, to the path of the URL."""
    async with receiver() as (port, seen):
        reply = await post(f"http://127.0.0.1:{port}/hook?a=1", body=b'{"a": 1}')
    assert reply.status == 204
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hook?a=1 HTTP/1.1\r\n")
    assert f"host: 127.0.0.1:{port}".encode() in head.lower()
    assert (b"content-type: application/json" in head.lower(), b"webhook-id: 1" in head, body) == (
        True,
        True,
        b'{"a": 1}',
    )


async def test_a_name_that_resolves_to_this_machine_is_not_connected_to():
    """Unless the network is allowed; a name with several addresses is tried at the allowed ones only."""
    async with receiver() as (port, seen):
        url = f"http://localhost:{port}/"
        with pytest.raises(UndeliverableError, match=r"not public: `notify\.allow_private`"):
            await post(url, allow=())
        with pytest.raises(UndeliverableError, match=r"127\.0\.0\.1, 10\.0\.0\.1"):
            await post(url, to("127.0.0.1", "10.0.0.1"), allow=())
        assert seen == []
        assert (await post(url, to("10.255.255.1", "127.0.0.1"))).status == 204


async def test_a_redirect_is_an_answer_and_is_not_followed():
    """Nothing is sent to where it leads."""
    async with receiver() as (elsewhere, visited):
        moved = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{elsewhere}/\r\nContent-Length: 0\r\n\r\n"
        async with receiver(moved.encode()) as (port, _):
            assert (await post(f"http://127.0.0.1:{port}/")).status == 302
        assert visited == []


async def test_only_the_beginning_of_an_answer_is_read():
    """However long it is, and whatever characters are in it."""
    long = b"HTTP/1.1 500 Oops\r\nRetry-After: 7\r\nContent-Length: 100000000\r\n\r\n" + b"no\x1b[31m " * 10000
    async with receiver(long) as (port, _):
        reply = await post(f"http://127.0.0.1:{port}/")
    assert (reply.status, reply.retry_after, len(reply.text) <= 200) == (500, 7.0, True)
    assert "\x1b" not in reply.text


async def until_left(reader, writer):
    """Answer no more, and close the connection when the caller does."""
    with suppress(OSError):
        await reader.read()
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def test_a_receiver_that_hangs_is_left(monkeypatch):
    """After the time-out, which covers the whole attempt."""
    monkeypatch.setattr(client, "READ_TIMEOUT", 10 * client.TOTAL_TIMEOUT)
    left = asyncio.Event()

    async def hang(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        pass_seconds(client.TOTAL_TIMEOUT)
        await until_left(reader, writer)
        left.set()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        with pytest.raises(UndeliverableError, match="no response within"):
            await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await left.wait()


async def test_an_answer_whose_body_never_ends_is_an_answer(monkeypatch):
    """The status has arrived: the call was a delivery, and is not made again."""
    monkeypatch.setattr(client, "BODY_TIMEOUT", 0.05)
    left = asyncio.Event()

    async def answer(reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nwait")
        await until_left(reader, writer)
        left.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reply = await post(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        await left.wait()
    assert (reply.status, reply.text) == (200, "wait")


async def test_an_address_that_does_not_answer_keeps_no_other_from_being_tried(monkeypatch):
    """As an IPv6 address that the network drops before an IPv4 address that works: nothing was sent to it."""
    connect_tcp = anyio.connect_tcp

    async def connect(remote_host, **more):
        if remote_host == "127.0.0.2":
            asyncio.get_running_loop().call_soon(pass_seconds, client.CONNECT_TIMEOUT)
        return await connect_tcp(remote_host, **more)

    monkeypatch.setattr(anyio, "connect_tcp", connect)
    async with receiver() as (port, seen):
        with socket.socket() as silent, socket.socket() as first, socket.socket() as second:
            silent.bind(("127.0.0.2", port))
            silent.listen(0)
            for waiting in (first, second):  # a queue that is full: the system drops who comes
                waiting.setblocking(False)
                waiting.connect_ex(silent.getsockname())
            reply = await post(f"http://localhost:{port}/", to("127.0.0.2", "127.0.0.1"))
            with pytest.raises(UndeliverableError, match=r"127\.0\.0\.2: ConnectTimeout"):
                await post(f"http://localhost:{port}/", to("127.0.0.2"))
    assert (reply.status, len(seen)) == (204, 1)


async def test_a_host_that_is_not_there_says_so():
    """With the address, or that the name does not resolve."""

    async def nothing(host, port):
        raise OSError(-2, "Name or service not known")

    with pytest.raises(UndeliverableError, match="cannot be resolved"):
        await post("https://nowhere.example.org/", nothing)
    with pytest.raises(UndeliverableError, match=r"127\.0\.0\.1"):
        await post("http://localhost:1/", to("127.0.0.1"))


@pytest.fixture
def certificate(tmp_path, needs):
    """A folder with a certificate for lims.test, which is its own authority, and its key."""
    needs("openssl")
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make += ["-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=lims.test"]
    subprocess.run([*make, "-addext", "subjectAltName=DNS:lims.test"], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


async def test_the_certificate_must_be_that_of_the_name_not_of_the_address(certificate, monkeypatch):
    """The connection goes to an address, and TLS still speaks of the host in the URL."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    names = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    async with receiver(context=context) as (port, seen):
        assert (await post(f"https://lims.test:{port}/", to("127.0.0.1"))).status == 204
        with pytest.raises(UndeliverableError, match=r"(?i)certificate"):
            await post(f"https://other.test:{port}/", to("127.0.0.1"))
    assert names == ["lims.test", "other.test"]
    assert len(seen) == 1
