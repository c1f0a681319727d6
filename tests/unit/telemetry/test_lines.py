"""Lines that a thread writes: in order, and without anybody waiting for them."""

import errno
import fcntl
import io
import os
import threading

import pytest

from orchestrator.telemetry.lines import END_WITHIN, LineWriter


@pytest.fixture
def pipe():
    """A pipe of one page: its reading end, its writing end."""
    ends = tuple(io.FileIO(end, mode) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def writer_to(pipe):
    """Makes a writer whose report is easy to recognise.

    Each of them has ended before the pipe is closed: a thread that still wrote would write to the file that is given
    the same descriptor next.
    """
    made = []

    def make(end, **options):
        made.append(LineWriter(end.fileno(), report=lambda count: f"lost {count}", **options))
        return made[-1]

    yield make
    pipe[0].close()  # a thread that waits for a reader gets an error
    for writer in made:
        writer.close(within=threading.TIMEOUT_MAX)


def fill(end):
    """Write until the pipe takes no more; how many bytes it took."""
    os.set_blocking(end.fileno(), False)
    taken = 0
    try:
        while True:
            taken += os.write(end.fileno(), b"#" * 512)
    except BlockingIOError:
        return taken
    finally:
        os.set_blocking(end.fileno(), True)


def read(end, count):
    """So many bytes, however they come."""
    found = b""
    while len(found) < count:
        found += end.read(count - len(found))
    return found


def rest_of(end):
    """All that comes until the other end is closed."""
    return end.read().decode()


def test_lines_are_written_in_order_and_whole(pipe, writer_to):
    """`close` returns when the last one is written."""
    reading, writing = pipe
    writer = writer_to(writing)
    for number in range(100):
        writer.write(f"line {number} é \udcff")
    writer.close(within=threading.TIMEOUT_MAX)
    writing.close()
    assert rest_of(reading) == "".join(f"line {number} é \\udcff\n" for number in range(100))
    assert writer.lost == 0


def test_nobody_waits_for_a_pipe_that_is_not_read(pipe, writer_to):
    """What does not fit is counted; a close returns all the same; nothing of it is an error."""
    _, writing = pipe
    fill(writing)
    writer = writer_to(writing, most=1000)
    for _ in range(200):
        writer.write("x" * 99)
    assert 185 <= writer.lost <= 191  # one may be in the writer's hand
    writer.close(within=0.01)


def test_a_thread_that_runs_late_is_waited_for(pipe, writer_to, monkeypatch):
    """While the descriptor takes data, for longer than a reader that takes none."""
    reading, writing = pipe
    runs, write, waited = threading.Event(), os.write, []
    monkeypatch.setattr(os, "write", lambda descriptor, data: runs.wait() and write(descriptor, data))
    writer = writer_to(writing)
    writer.write("one")
    join = writer._thread.join

    def counted(seconds):
        waited.append(seconds)
        if sum(waited) > 2 * END_WITHIN:
            runs.set()
            join()

    try:
        with monkeypatch.context() as patch:
            patch.setattr(writer._thread, "join", counted)
            writer.close()
        assert runs.is_set()
    finally:
        runs.set()
    writing.close()
    assert rest_of(reading) == "one\n"


def test_lost_lines_are_reported_once_when_they_can_be(pipe, writer_to):
    """After the first line that is written again; a later loss is reported for itself."""
    reading, writing = pipe
    taken = fill(writing)
    writer = writer_to(writing, most=10)
    writer.write("one")
    while writer._waiting:
        pass  # the writer takes it, and is stuck with it
    writer.write("two 4567890")
    writer.write("three")
    writer.write("four")
    assert writer.lost == 2
    assert read(reading, taken + 23) == b"#" * taken + b"one\nlost 2\ntwo 4567890\n"
    writer.close(within=threading.TIMEOUT_MAX)
    writing.close()
    assert (rest_of(reading), writer.lost) == ("", 2)


def test_a_full_disk_is_survived_and_reported_when_it_has_room(pipe, writer_to):
    """Each line that fails is lost; the next that does not is followed by the number."""
    reading, writing = pipe
    good = os.dup(writing.fileno())
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writing.fileno())
    os.close(full)
    writer = writer_to(writing)
    for name in ("one", "two"):
        writer.write(name)
    while writer.lost < 2:
        pass
    os.dup2(good, writing.fileno())
    os.close(good)
    writer.write("three")
    writer.write("four")
    writer.close(within=threading.TIMEOUT_MAX)
    writing.close()
    assert rest_of(reading) == "three\nlost 2\nfour\n"


def test_a_reader_that_is_gone_is_survived(pipe, writer_to):
    """A closed pipe loses lines and raises nothing."""
    reading, writing = pipe
    reading.close()
    writer = writer_to(writing)
    writer.write("one")
    writer.write("two")
    writer.close(within=threading.TIMEOUT_MAX)
    assert writer.lost == 2


def test_a_descriptor_that_does_not_block_loses_nothing(pipe, writer_to):
    """Another process may have set O_NONBLOCK on a shared terminal: the thread waits instead."""
    reading, writing = pipe
    taken = fill(writing)
    os.set_blocking(writing.fileno(), False)
    writer = writer_to(writing)
    writer.write("x" * 6000)
    assert read(reading, taken + 6001)[taken:] == b"x" * 6000 + b"\n"
    writer.close(within=threading.TIMEOUT_MAX)
    assert writer.lost == 0


def test_a_line_that_was_cut_ends_before_the_next(pipe, writer_to, monkeypatch):
    """Half a line is lost; the next one begins a line of its own."""
    reading, writing = pipe
    real, sizes = os.write, [3, None]

    def write(descriptor, data):
        size = sizes.pop(0) if sizes else len(data)
        if size is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data[:size])

    monkeypatch.setattr(os, "write", write)
    writer = writer_to(writing)
    writer.write("one and more")
    writer.write("two")
    writer.close(within=threading.TIMEOUT_MAX)
    writing.close()
    assert rest_of(reading) == "one\ntwo\nlost 1\n"
