"""Writes log lines to a file descriptor in a thread, so that a reader that stalls does not block the daemon.

If lines cannot be written (disk full, a pipe that is not read), they are discarded and counted, and the count is
written once writing works again. The event loop never waits for a write.
"""

import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable

MOST = 4 * 1024 * 1024
"""Maximum size of the queue of lines, in bytes."""
END_WITHIN = 2.0
"""Seconds to wait at exit, in all, while the descriptor takes no data."""
_LONGEST_END = 5.0
"""Seconds after which waiting ends in any case: the thread may run late, and a stop takes 10 s at most."""
_CHECK = 500
"""Milliseconds between two attempts to write to a descriptor that would block."""
_ROUND = 0.1
"""Seconds between two tests whether a descriptor takes data."""


class LineWriter:
    """Writes lines in order. Any thread may call it."""

    def __init__(self, descriptor: int, *, report: Callable[[int], str], most: int = MOST) -> None:
        """`report` formats the line that reports the number of lost lines; it is called in the writing thread."""
        self._descriptor = descriptor
        self._report = report
        self._most = most
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._reported = 0
        self._cut = False
        """Whether only the beginning of a line was written."""
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    @property
    def lost(self) -> int:
        """Lines that were not written, since the start."""
        return self._lost

    def write(self, line: str) -> None:
        """Queue a line without its newline and return at once. The line is lost if the queue is full."""
        data = f"{line}\n".encode(errors="backslashreplace")
        with self._changed:
            if self._waiting and self._size + len(data) > self._most:
                self._lost += 1
                return
            self._waiting.append(data)
            self._size += len(data)
            self._changed.notify()

    def lose(self) -> None:
        """Count a line that could not be formatted."""
        with self._changed:
            self._lost += 1

    def close(self, within: float = END_WITHIN) -> None:
        """Write the queued lines; give up after `within` seconds in which the descriptor took no data.

        Nothing can be written afterwards.
        """
        with self._changed:
            self._ending = True
            self._changed.notify()
        _join(self._thread, self._descriptor, within)

    def _run(self) -> None:
        while (line := self._next()) is not None:
            if self._put(line) and (lost := self._lost) > self._reported and self._put(self._summary(lost)):
                self._reported = lost

    def _summary(self, lost: int) -> bytes:
        return f"{self._report(lost - self._reported)}\n".encode(errors="backslashreplace")

    def _next(self) -> bytes | None:
        """The next line; None at the end."""
        with self._changed:
            while not self._waiting:
                if self._ending:
                    return None
                self._changed.wait()
            line = self._waiting.popleft()
            self._size -= len(line)
            return line

    def _put(self, line: bytes) -> bool:
        """Write one line, or count it as lost."""
        try:
            put(self._descriptor, b"\n" + line if self._cut else line)
        except CutError as error:
            self._cut = self._cut or error.done > 0
            self.lose()
            return False
        self._cut = False
        return True


class CutError(OSError):
    """Writing failed after `done` bytes."""

    def __init__(self, cause: OSError, done: int) -> None:
        super().__init__(cause.errno, cause.strerror)
        self.done = done


def put(descriptor: int, data: bytes) -> None:
    """Write all data, waiting while the descriptor would block. Raises CutError."""
    done = 0
    while done < len(data):
        try:
            done += os.write(descriptor, data[done:])
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            poll.poll(_CHECK)
        except OSError as error:
            raise CutError(error, done) from error


def write_stderr(text: str, within: float = END_WITHIN) -> None:
    """Write text to stderr at exit, without hanging or failing if it is not read."""
    try:
        descriptor = sys.stderr.fileno()
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        if sys.stderr is not None:  # replaced by something without a descriptor, as in tests
            sys.stderr.write(text)
        return

    def write() -> None:
        try:
            put(descriptor, text.encode(errors="backslashreplace"))
        except CutError:
            return  # there is no other place to report it

    thread = threading.Thread(target=write, name="stderr", daemon=True)
    thread.start()
    _join(thread, descriptor, within)


def _join(thread: threading.Thread, descriptor: int, within: float) -> None:
    """Wait for a writing thread; give up after `within` seconds in which its descriptor took no data."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    waited, blocked = 0.0, 0.0
    while thread.is_alive() and blocked < within and waited < max(within, _LONGEST_END):
        thread.join(_ROUND)
        waited += _ROUND
        if not poll.poll(0):
            blocked += _ROUND
