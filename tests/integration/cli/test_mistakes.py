"""Mistakes of configuration and use: one clear line, which names the file that was read."""

import socket

import pytest
from commands import Desk


@pytest.fixture
def desk(tmp_path):
    """A folder with a configuration and nothing else."""
    return Desk(tmp_path)


def test_a_mistake_is_told_with_the_file_that_was_read(desk):
    """On the same line where there is one, above them where there are several."""
    good = desk.config.read_text()
    desk.config.write_text(good.replace('"server"', '"servr"'))
    assert desk.run("jobs").err == f"{desk.config}: servr: unknown key; did you mean server?\n"
    desk.config.write_text(good.replace('"server"', '"servr": 1, "quue"'))
    assert desk.run("jobs").err.splitlines() == [
        f"{desk.config}:",
        "servr: unknown key; did you mean server?",
        "quue: unknown key; did you mean queue?",
    ]


def test_a_file_that_the_environment_names_is_told_as_such(desk, monkeypatch):
    """Nobody looks for a mistake in the file of the folder while another is read."""
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(desk.config))
    desk.config.write_text("queue: {rest: 1}\n")
    err = desk.run("jobs").err
    assert err.startswith(f"{desk.config} ($ORCHESTRATOR_CONFIG):\n")


def test_a_file_that_cannot_be_read_is_named_once(desk):
    """Its problem names it already."""
    desk.config.unlink()
    assert desk.run("jobs").err == f"{desk.config}: cannot be read: No such file or directory\n"


def test_a_simulator_whose_port_is_taken_says_so(desk):
    """With the way out, and code 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = desk.run("simulator", "--port", str(port))
    told = f"cannot listen on 127.0.0.1:{port} (Address already in use): choose another --port; 0 selects a free one\n"
    assert (ended.code, ended.err) == (2, told)
