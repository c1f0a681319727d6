"""Certificate authorities: those of the system, or those that the environment names."""

import asyncio
import json
import shutil
import ssl
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import certifi
import pytest

from orchestrator.platforms.http.trust import DIRECTORY, FILE, authorities
from orchestrator.settings import SettingsError

ASK = """
import sys, anyio, httpx
from orchestrator.platforms.http.transport import _network

async def ask():
    request = httpx.Request("GET", sys.argv[1])
    response = await _network(sys.argv[1]).handle_async_request(request)
    print(response.status_code)

anyio.run(ask)
"""


@pytest.fixture
def private(tmp_path, needs):
    """A private authority, its certificate for 127.0.0.1, and a folder as a system's store has it."""
    needs("openssl")
    folder = tmp_path / "authority"
    folder.mkdir()

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=A company")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
    openssl("x509", "-req", "-in", "server.csr", *signed, "-out", "server.pem")
    (folder / "store").mkdir()
    (folder / "store/ca-certificates.crt").write_bytes((folder / "ca.pem").read_bytes())
    openssl("rehash", "store")
    return folder


@asynccontextmanager
async def serving(private):
    """A TLS server that answers every request with 204; its address."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(private / "server.pem", private / "server.key")

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def ask(url, environ, *under):
    """One request from a process of its own, as the daemon sends it."""
    command = [*under, sys.executable, "-c", ASK, url]
    clean = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", **environ}
    ended = await anyio.run_process(command, check=False, env=clean)
    return ended.stdout.decode().strip() or ended.stderr.decode()


@pytest.mark.parametrize(("key", "name"), [(FILE, "ca.pem"), (DIRECTORY, "store")])
async def test_what_the_environment_names_is_trusted(private, key, name):
    """A file or a folder with the private authority; without it the certificate is refused."""
    async with serving(private) as url:
        assert await ask(url, {key: str(private / name)}) == "204"
        assert "CERTIFICATE_VERIFY_FAILED" in await ask(url, {})


async def test_the_systems_store_is_trusted(private, needs):
    """An authority that only the system knows, as `curl` would trust it."""
    needs("unshare", "mount", root=True)
    script = f'mount --bind {private}/store /etc/ssl/certs && exec "$@"'
    async with serving(private) as url:
        assert await ask(url, {}, "unshare", "-m", "sh", "-c", script, "sh") == "204"


def test_a_system_without_a_store_falls_back(monkeypatch):
    """To the authorities that come with the program, which doctor then says."""
    nothing = ssl.DefaultVerifyPaths(None, None, "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)
    monkeypatch.setattr("orchestrator.platforms.http.trust._STORES", ())
    trusted = authorities({})
    assert (trusted.system, len(trusted.context.get_ca_certs()) > 50) == (False, True)


def test_authorities_are_read_once(tmp_path):
    """Further accounts and the webhooks share what the first account has read."""
    copy = Path(shutil.copyfile(certifi.where(), tmp_path / "ca.pem"))
    first = authorities({FILE: str(copy)})
    copy.unlink()
    assert authorities({FILE: str(copy)}) is first


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "cannot be read (No such file or directory)"),
        (lambda path: path.mkdir(), "cannot be read (Is a directory)"),
        (lambda path: path.write_text("no certificate\n"), "holds no certificate"),
        (lambda path: path.touch(), "holds no certificate"),
    ],
    ids=["missing", "folder", "garbage", "empty"],
)
def test_a_file_that_is_none_is_a_mistake(tmp_path, make, reason):
    """Named with what is wrong with it."""
    make(tmp_path / "ca.pem")
    with pytest.raises(SettingsError) as raised:
        authorities({FILE: str(tmp_path / "ca.pem")})
    assert reason in str(raised.value)
    assert FILE in str(raised.value)


def test_a_folder_that_is_missing_is_a_mistake(tmp_path):
    """As a file is."""
    with pytest.raises(SettingsError, match="does not exist"):
        authorities({DIRECTORY: str(tmp_path / "certs")})


async def test_run_and_doctor_name_a_missing_file(lab):
    """One line and exit code 2 instead of a traceback; doctor finds it wrong, and asks no platform."""
    lab.program = ("-m", "orchestrator", "run")
    environ = {FILE: "/no/such/ca.pem"}
    async with lab.open():
        ended = await lab.run(environ=environ)
        assert (ended.code, len(ended.log.splitlines())) == (2, 1), ended.log
        assert "/no/such/ca.pem cannot be read" in ended.log
        command = [sys.executable, "-m", "orchestrator", "doctor", "--json", "--config", str(lab.config)]
        checked = await anyio.run_process(command, check=False, env={"PATH": str(Path("/usr/bin")), **environ})
        findings = json.loads(checked.stdout)["findings"]
    assert checked.returncode == 2
    (found,) = [each for each in findings if each["check"] == "certificates"]
    assert (found["result"], found["subject"]) == ("wrong", FILE)
    assert [each["found"] for each in findings if each["check"] == "account"] == [
        "the credential was not checked: the certificate authorities cannot be read"
    ]
