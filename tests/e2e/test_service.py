"""The daemon under a service manager: it says when it is ready, that it lives, and that it stops."""

import signal
import socket

from waiting import patience


async def test_a_service_manager_hears_how_the_daemon_is(lab):
    """READY once everything is at work, WATCHDOG again and again while the loops turn, STOPPING at the signal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(lab.folder / "notify"))
        manager.setblocking(False)
        told = []

        def heard(message):
            try:
                while True:
                    told.append(manager.recv(4096).decode())
            except BlockingIOError:
                return told.count(message)

        # A socket holds ten messages: with one each second none is lost on a busy machine.
        environ = {"NOTIFY_SOCKET": str(lab.folder / "notify"), "WATCHDOG_USEC": "2000000"}
        async with lab.open(), lab.daemon(environ=environ) as process:
            await lab.until(lambda: heard("WATCHDOG=1") >= 3)
            assert told[0] == "READY=1"
            process.send_signal(signal.SIGTERM)
            with patience():
                assert await process.wait() == 0
            assert heard("STOPPING=1") == 1
