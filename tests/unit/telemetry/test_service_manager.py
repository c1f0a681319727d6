"""The service manager hears how the daemon is."""

import os
import socket
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from orchestrator.telemetry.service_manager import Notifier


@pytest.fixture
def manager(tmp_path):
    """A socket in the place of systemd's, and the address that it is known by."""
    address = str(tmp_path / "notify")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(address)
        listening.setblocking(False)
        yield listening, address


def test_each_call_sends_one_datagram_of_the_protocol(manager):
    """Every message is worded as sd_notify(3) asks."""
    listening, address = manager
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": address})
    notifier.ready()
    notifier.status("42 items open,\n1 job waits")
    notifier.watchdog()
    notifier.extend(2.5)
    notifier.stopping()

    received = [listening.recv(4096) for _ in range(5)]

    assert received == [
        b"READY=1",
        b"STATUS=42 items open, 1 job waits",
        b"WATCHDOG=1",
        b"EXTEND_TIMEOUT_USEC=2500000",
        b"STOPPING=1",
    ]


def test_an_abstract_socket_is_reached():
    """A name that begins with @ stands for one in the abstract namespace."""
    name = f"orchestrator-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as listening:
        listening.bind(f"\0{name}")
        listening.setblocking(False)
        Notifier.from_environ({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert listening.recv(4096) == b"READY=1"


def test_without_a_manager_nothing_is_sent_and_nothing_is_watched():
    """Outside of systemd every call is harmless, even when a watchdog's variables are left over."""
    notifier = Notifier.from_environ({"WATCHDOG_USEC": "2000000"})
    with capture_logs() as lines:
        notifier.ready()
        notifier.watchdog()

    assert lines == []
    assert notifier.watchdog_interval is None


def test_a_manager_that_went_away_is_logged_and_harms_nothing(tmp_path):
    """A message that cannot be delivered becomes a warning, not an error of the daemon."""
    notifier = Notifier(str(tmp_path / "gone"))
    with capture_logs() as lines:
        notifier.status("secret-free")

    assert [(line["event"], line["message"], line["log_level"]) for line in lines] == [
        ("watchdog_notify_failed", "STATUS", "warning")
    ]


def test_a_full_queue_does_not_hold_the_caller_up(manager):
    """When the manager does not read, a message is dropped with a warning instead of waiting."""
    _, address = manager
    notifier = Notifier(address)
    with capture_logs() as lines:
        for _ in range(10_000):
            notifier.watchdog()
            if lines:
                break

    assert lines[0]["event"] == "watchdog_notify_failed"


@pytest.mark.parametrize(
    ("variables", "interval"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time(variables, interval):
    """Half of what the manager allows, and only where this process is the one it watches."""
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": "/run/notify", **variables})
    assert interval == notifier.watchdog_interval


@pytest.mark.parametrize(
    "variables",
    [
        {"NOTIFY_SOCKET": "vsock:2:1"},
        {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "soon"},
        {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "0"},
    ],
)
def test_malformed_variables_are_refused_by_name(variables):
    """What we could not obey is said at the start."""
    with pytest.raises(ValueError, match="must b"):
        Notifier.from_environ(variables)
