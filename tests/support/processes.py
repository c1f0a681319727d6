"""Other programs beside a test: started, waited for, ended."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from waiting import PATIENCE

_reservations: deque[socket.socket] = deque()
_MOST_RESERVATIONS = 50
"""More than one test uses; the oldest is closed then."""


class Started:
    """A process that may be killed and started again; what it writes is kept in the folder."""

    def __init__(self, folder: Path, *command: object) -> None:
        self._folder = folder
        self._command = [str(part) for part in command]
        self._log = folder / f"{Path(self._command[0]).name}-{self._command[1].strip('-')[:9]}.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)

    def start(self) -> None:
        """Start it, behind what an earlier one wrote."""
        with self._log.open("a") as log:
            self.process = subprocess.Popen(self._command, cwd=self._folder, stdout=log, stderr=log)

    def kill(self) -> None:
        """End it at once, as a loss of power would."""
        self.process.kill()
        self.process.wait(PATIENCE)


@contextmanager
def running(folder: Path, *command: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block; what it writes is kept in the folder."""
    with Started(folder, *command) as started:
        yield started.process


def free_port() -> int:
    """A port of the loopback address for a program to listen on, kept from all others where the system can do that.

    Linux gives a port to nobody who asks for any free one while a socket is bound to it, and lets a program listen on
    it if both sockets have SO_REUSEADDR and the first does not listen itself (socket(7)).
    """
    reservation = socket.socket()
    reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reservation.bind(("127.0.0.1", 0))
    port = int(reservation.getsockname()[1])
    _reservations.append(reservation)
    if sys.platform != "linux" or len(_reservations) > _MOST_RESERVATIONS:
        _reservations.popleft().close()
    return port


def get(url: str, token: str | None = None, body: str | None = None) -> bytes:
    """The body of an answer of success; with a `body`, to a POST of that JSON document.

    Raises:
        HTTPError: the answer had another status.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, data=body.encode() if body is not None else None, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        error.close()
        raise


def until(condition: Callable[[], Any], *, patience: float = PATIENCE) -> Any:
    """Wait until the condition holds; what is not there yet raises OSError. Fails after so many seconds."""
    end = time.monotonic() + patience  # noqa: TID251 - other processes run by the machine's clock
    while True:
        try:
            if held := condition():
                return held
        except OSError:
            pass
        assert time.monotonic() < end, "it never came true"  # noqa: TID251 - as above
        time.sleep(0.1)
