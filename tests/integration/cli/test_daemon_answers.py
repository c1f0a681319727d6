"""Commands that ask the running daemon: how long they wait for its answer."""

import json
import select
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from commands import Desk

from orchestrator.cli.sources import http
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
    config = json.loads(desk.config.read_text())
    config["server"] = {"listen": f"127.0.0.1:{listener.getsockname()[1]}"}
    desk.config.write_text(json.dumps(config))
    return load(desk.config, {}, for_daemon=False)


def test_a_busy_daemon_is_waited_for(listener, settings, monkeypatch):
    """It accepts the connection at once; its answer may take longer than a connection."""
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
        assert http.ask(settings, "/api/v1/accounts") == {"a": 1}
        assert answered.result()


def test_a_daemon_that_never_answers_is_not_waited_for_without_end(listener, settings, monkeypatch):
    """After the time-out there is no document; the connection is closed."""
    monkeypatch.setattr(http, "ANSWER_TIMEOUT", SHORT)
    assert http.ask(settings, "/api/v1/accounts") is None
    connection, _ = listener.accept()
    with connection:
        while connection.recv(65536):
            pass
