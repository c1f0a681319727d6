"""Starts daemons by fork from a process that has imported the program: a start costs milliseconds, not a second of CPU.

As a program, `python forkserver.py SOCKET LAUNCHER` imports LAUNCHER and forks for every request on the socket; the
child runs `LAUNCHER.main()` with the arguments of the request. It ends when its standard input is closed.
"""

import contextlib
import gc
import importlib.util
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

# ---------------------------------------------------------------- for tests


@dataclass
class Forked:
    """A running child; has the part of `anyio.abc.Process` that tests use."""

    pid: int
    returncode: int | None = None
    """Negative: the signal that ended it. None while it runs."""

    def __post_init__(self) -> None:
        self._ended = anyio.Event()

    def ended(self, returncode: int) -> None:
        self.returncode = returncode
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended, and the server is about to report it
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@dataclass(frozen=True)
class ForkServer:
    """A running server."""

    path: Path
    launcher: Path

    @classmethod
    @contextmanager
    def running(cls, path: Path, launcher: Path) -> Iterator["ForkServer"]:
        """Start a server on a socket that does not exist yet."""
        command = [sys.executable, __file__, str(path), str(launcher)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield cls(path, launcher)
            process.stdin.close()

    @asynccontextmanager
    async def start(self, arguments: Sequence[str], *, log: Path, environ: Mapping[str, str]) -> AsyncIterator[Forked]:
        """A child whose output is appended to `log`; killed at the end if it still runs."""
        request = {"arguments": list(arguments), "log": str(log), "environ": dict(environ)}
        async with await anyio.connect_unix(self.path) as connection, anyio.create_task_group() as group:
            await connection.send(json.dumps(request).encode() + b"\n")
            answers = BufferedByteReceiveStream(connection)
            child = Forked(int(await answers.receive_until(b"\n", 100)))

            async def follow() -> None:
                child.ended(int(await answers.receive_until(b"\n", 100)))

            group.start_soon(follow)
            try:
                yield child
            finally:
                child.kill()
                with anyio.CancelScope(shield=True):
                    await child.wait()


# ---------------------------------------------------------------- the program


def serve(path: str) -> dict[str, Any] | None:
    """Fork for every request; returns the request in each child, and None in the server when it shall end."""
    with selectors.DefaultSelector() as selector, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        selector.register(listener, selectors.EVENT_READ)
        selector.register(sys.stdin, selectors.EVENT_READ)
        os.write(sys.stdout.fileno(), b"ready\n")
        while sys.stdin not in {key.fileobj for key, _ in selector.select()}:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                return follow(connection)
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    pass
    return None


def follow(connection: socket.socket) -> dict[str, Any]:
    """Fork once more, and report the child's number and then how it ended. Returns in the child alone."""
    with connection, connection.makefile("rb") as requests:
        request: dict[str, Any] = json.loads(requests.readline())
        child = os.fork()
        if child:
            connection.sendall(b"%d\n" % child)
            _, status = os.waitpid(child, 0)
            connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
            os._exit(0)
    return request


def become(request: Mapping[str, Any], launcher: ModuleType) -> None:
    """Be the process that was asked for."""
    from orchestrator import crash_points

    os.environ.clear()
    os.environ.update(request["environ"])
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)
    crash_points._NAME, crash_points._NTH = crash_points._armed()  # read when the module was imported
    sys.argv = [launcher.__file__ or "", *request["arguments"]]
    launcher.main()


def load(path: Path) -> ModuleType:
    """A launcher with all that it imports, also what a daemon imports or reads when it connects to its platforms."""
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location("launcher", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    import anyio._backends._asyncio  # noqa: F401 - the event loop
    import httpcore  # noqa: F401 - the HTTP library's own, for the first connection

    import orchestrator.store.database.revisions  # noqa: F401 - a first start migrates
    from orchestrator import platforms
    from orchestrator.platforms.http.trust import authorities

    for found in pkgutil.walk_packages(platforms.__path__, f"{platforms.__name__}."):
        importlib.import_module(found.name)
    authorities()
    return module


if __name__ == "__main__":
    launcher = load(Path(sys.argv[2]))
    gc.collect()
    gc.freeze()
    request = serve(sys.argv[1])
    if request is not None:
        become(request, launcher)
