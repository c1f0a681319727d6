"""Commands that ask the running daemon: how long they wait for its answer."""

import select
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from checkup import configure
from commands import Desk

from orchestrator.cli.commands.accounts import from_daemon
from orchestrator.cli.sources import http
from orchestrator.cli.sources.job_sources import Daemon, UnreachableError
from orchestrator.settings import load

SHORT = 0.05


@pytest.fixture
def listener():
    """A socket that accepts connections as a daemon does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def settings(tmp_path, listener):
    """The settings of a daemon that listens there."""
    desk = Desk(tmp_path)
    configure(desk, server={"listen": f"127.0.0.1:{listener.getsockname()[1]}"})
    return load(desk.config, {}, for_daemon=False)


async def test_a_busy_daemon_is_waited_for(listener, settings, monkeypatch):
    """An answer that the command requires may take longer than the connection, which is accepted at once."""
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", SHORT)

    def answer_late():
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            closed, _, _ = select.select([connection], [], [], 4 * SHORT)
            if not closed:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + b'{"a": 1}\n')
            return not closed

    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answer_late)
        assert await Daemon(settings).why("links") == ({"a": 1}, True)
        assert answered.result()


async def test_a_daemon_that_never_answers_is_not_waited_for_without_end(listener, settings, monkeypatch):
    """After the time-out there is no document, and the error names it; the connection is closed."""
    monkeypatch.setattr(http, "ANSWER_TIMEOUT", SHORT)
    with pytest.raises(UnreachableError, match="or it did not answer within 30 s"):
        await Daemon(settings).why("links")
    connection, _ = listener.accept()
    with connection:
        while connection.recv(65536):
            pass


def test_an_answer_that_a_command_can_do_without_is_not_waited_for_longer(settings, monkeypatch):
    """As that of another program which has the port of a daemon that is down: the database is read."""
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", SHORT)
    monkeypatch.setattr(http, "ANSWER_TIMEOUT", None)  # a wait without end
    assert from_daemon(settings) is None
