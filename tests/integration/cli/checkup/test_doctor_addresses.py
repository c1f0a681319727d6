"""`doctor` about what is on the way to a platform, and about two accounts of one user."""

import errno
import os
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import pytest
from checkup import KEY, about, configure, examine

from orchestrator.simulator import serve
from orchestrator.simulator.ica import Config, Simulator
from orchestrator.simulator.ica.protocol import tokens

PAGE = b"<!DOCTYPE html><html><head><title>Intranet</title></head></html>"
WEB_PAGE = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%b" % (len(PAGE), PAGE)
LOGIN = b"HTTP/1.1 302 Found\r\nlocation: https://login.example.org/sso\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def answering(response):
    """A server that is no platform: it answers each request with these bytes."""

    async def answer(stream):
        async with stream:
            await stream.receive()
            await stream.send(response)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, answer)
        yield f"http://127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"
        group.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("response", "said"), [(WEB_PAGE, "a page titled 'Intranet'"), (LOGIN, "https://login.example.org")]
)
async def test_what_answers_in_place_of_the_platform_is_named(desk, response, said):
    """A web page or a login: the account is wrong, with what answered and what `base_url` should be."""
    async with answering(response) as address:
        configure(desk, {"base_url": f"{address}/ica"})
        code, found = await anyio.to_thread.run_sync(examine, desk)
    (account,) = about(found, "account")
    assert (code, account["result"]) == (2, "wrong")
    assert said in account["found"]
    assert f"base_url should be {address}/ica/rest: change the configuration" in account["found"]


async def test_one_path_part_too_many_is_seen(desk):
    """The platform itself answers 404: the message says which part is wrong, and no key is blamed."""
    async with serve(Simulator(Config(api_keys=(KEY,)))) as base_url:
        configure(desk, {"base_url": f"{base_url}/api"})
        code, found = await anyio.to_thread.run_sync(examine, desk)
    (account,) = about(found, "account")
    assert (code, account["result"], "404" in account["found"]) == (2, "wrong", True)
    assert f"base_url should be {base_url}: change the configuration" in account["found"]


@pytest.mark.parametrize("shared", [True, False], ids=["one user", "two users"])
async def test_two_accounts_of_one_user_are_found(desk, monkeypatch, shared):
    """Each key is accepted, and the later account is wrong: the platform counts their requests together."""
    other = desk.folder / "other"
    other.write_text("key-of-another\n")
    other.chmod(0o600)
    if shared:
        user = tokens.user_of("both")
        monkeypatch.setattr(tokens, "user_of", lambda _: user)
    async with serve(Simulator(Config(api_keys=(KEY, "key-of-another")))) as base_url:
        account = {"platform": "ica", "base_url": base_url, "api_key_file": "key"}
        configure(desk, accounts={"ica": account, "second": account | {"api_key_file": "other"}})
        code, found = await anyio.to_thread.run_sync(examine, desk)
    wrong = [each for each in about(found, "account") if each["result"] == "wrong"]
    assert (code, [each["subject"] for each in wrong]) == ((2, ["second"]) if shared else (0, []))
    assert all("ica" in each["found"] for each in wrong)
    assert [each["subject"] for each in about(found, "account") if each["result"] == "ok"] == ["ica", "second"]


def test_certificates_that_are_missing_are_one_finding(desk, monkeypatch):
    """The variable and the file are named, no request leaves, and a start exits with code 2 and one line."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/company.pem")
    code, found = examine(desk)
    (certificates,) = about(found, "certificates")
    assert (code, certificates["result"], certificates["subject"]) == (2, "wrong", "SSL_CERT_FILE")
    assert "/nowhere/company.pem" in certificates["found"]
    assert [each["found"] for each in about(found, "account")] == [
        "the credential was not checked: the certificate authorities cannot be read"
    ]
    ended = desk.run("run", "--until-idle")
    assert (ended.code, ended.err.count("\n"), "/nowhere/company.pem" in ended.err) == (2, 1, True)


def test_folders_that_cannot_be_synced_are_a_warning(desk, monkeypatch):
    """Each is named with the consequence; nothing is wrong, as the daemon works there."""
    for name in ("incoming", "accepted", "rejected", "results"):
        (desk.queue / name).mkdir(parents=True)
    fsync = os.fsync

    def refusing(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112 - follows the link to what is open
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)
    warned = [each for each in about(examine(desk)[1], "queue") if each["result"] == "warning"]
    assert [each["subject"] for each in warned] == [
        str(desk.queue / name) for name in ("incoming", "accepted", "rejected", "results")
    ]
    assert all("cannot sync folders" in each["found"] and each["remedy"] for each in warned)
