"""Other programs beside a test: started, waited for, ended."""

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def running(folder: Path, *command: object) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block; what it writes is kept in the folder."""
    texts = [str(part) for part in command]
    with (folder / f"{Path(texts[0]).name}-{texts[1].strip('-')[:9]}.log").open("w") as log:
        process = subprocess.Popen(texts, cwd=folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


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
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        error.close()
        raise


def until(condition: Callable[[], Any], *, patience: float = 180) -> Any:
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
