"""Callers that keep connections open, while the daemon has the memory and the descriptors of its unit and no more."""

import json
import re
import resource
import socket
import sys
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import free_port, get, running, until
from tools import ROOT

UNIT = (ROOT / "deploy/systemd/orchestrator.service").read_text()
MIB = 1024 * 1024
ITEMS = 100_000
GROUPS = Path("/sys/fs/cgroup")


def of_unit(setting):
    """The number that a setting of the unit has; sizes are in MiB there."""
    return int(re.search(rf"^{setting}=(\d+)M?$", UNIT, re.MULTILINE)[1])


def links(name, count):
    """A queue file with a job of so many links, and a control that keeps them from being sent."""
    job = {
        "name": name,
        "kind": "ica.data_linking",
        "account": "ica",
        "project": "11111111-1111-1111-1111-111111111111",
    }
    items = [{"dataId": f"fil.{name}{number:06}"} for number in range(count)]
    return json.dumps({"version": 1, "jobs": [job | {"items": items}], "controls": [{"pause": {"all": True}}]})


@dataclass(frozen=True)
class MemoryLimit:
    """A control group whose processes have so much memory together."""

    folder: Path
    version: int

    @property
    def kills(self):
        """How often the kernel killed a process of the group because it had no memory left."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        lines = dict(line.split() for line in (self.folder / name).read_text().splitlines())
        return int(lines.get("oom_kill", 0))

    def entered(self, *command, descriptors):
        """The command, started in the group and with so many descriptors at most."""
        script = 'echo $$ > "$0" && ulimit -n "$1" && shift && exec "$@"'
        return ["sh", "-c", script, str(self.folder / "cgroup.procs"), str(descriptors), *map(str, command)]


@contextmanager
def memory_limit(size):
    """A group of `size` bytes. Its processes have ended by the end of the block."""
    version = 2 if "memory" in controllers() else 1
    parent = GROUPS if version == 2 else GROUPS / "memory"
    folder = parent / f"orchestrator-test-{uuid.uuid4().hex[:8]}"
    try:
        if version == 2:
            (GROUPS / "cgroup.subtree_control").write_text("+memory")
        folder.mkdir()
        (folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(str(size))
    except OSError as error:
        pytest.skip(f"this machine lets nobody limit memory by a control group: {error}")  # no tool brings that
    try:
        yield MemoryLimit(folder, version)
    finally:
        folder.rmdir()


def controllers():
    file = GROUPS / "cgroup.controllers"
    return file.read_text().split() if file.exists() else []


class Daemon:
    """A daemon within the limits of its unit."""

    def __init__(self, folder, port, process, limit):
        self.folder, self.port, self.process, self.limit = folder, port, process, limit
        self.dropped = 0

    def accept(self, text):
        """Drop a file, and wait until it was accepted."""
        self.dropped += 1
        name = f"{self.dropped}.json"
        self.drop(name, text)
        until((self.folder / f"queue/accepted/{name}").exists)

    def drop(self, name, text):
        """Drop a file as programs should: hidden, then renamed."""
        draft = self.folder / f"queue/incoming/.{name}.tmp"
        draft.write_text(text)
        draft.rename(self.folder / f"queue/incoming/{name}")

    def probe(self):
        """Both probes are answered, though not at once on a busy machine."""
        for path in ("livez", "readyz"):
            until(lambda path=path: self.get(path))

    def get(self, path):
        """The body of an answer of 200."""
        return get(f"http://127.0.0.1:{self.port}/{path}")

    def connect(self, stack, sent=b""):
        """A caller that sends this much and then neither sends nor reads; False where it was not let in."""
        raw = stack.enter_context(socket.socket())
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(20)
        try:
            raw.connect(("127.0.0.1", self.port))
            raw.sendall(sent)
        except OSError:
            return False
        return True

    @property
    def peak(self):
        """Bytes of memory that the process had at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def stands(self):
        """It runs on, took files and answers, and stayed below where systemd begins to slow it down."""
        assert (self.process.poll(), self.limit.kills) == (None, 0)
        assert self.peak < of_unit("MemoryHigh") * MIB
        self.accept(links(f"after{self.dropped}", 1))
        self.probe()
        log = (self.folder / "sh-c.log").read_text()
        assert log.count('"level": "error"') == 0
        assert len(log) < 200_000


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A running daemon that tracks a job of 100,000 items."""
    folder, port = tmp_path_factory.mktemp("memory"), free_port()
    (folder / "key").write_text("simulator")
    (folder / "key").chmod(0o600)
    account = {"platform": "ica", "base_url": "http://127.0.0.1:1/ica/rest", "api_key_file": "key"}
    config = {"accounts": {"ica": account}, "server": {"listen": f"127.0.0.1:{port}"}, "log": {"format": "json"}}
    (folder / "config.yaml").write_text(json.dumps(config))
    program = Path(sys.executable).parent / "orchestrator"
    with memory_limit(of_unit("MemoryMax") * MIB) as limit:
        command = limit.entered(program, "run", "--config", "config.yaml", descriptors=of_unit("LimitNOFILE"))
        with running(folder, *command) as process:
            it = Daemon(folder, port, process, limit)
            until(lambda: it.get("readyz"))
            it.accept(links("large", ITEMS))
            yield it


@pytest.fixture
def callers():
    """Connections that end with the test; this process may open as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with ExitStack() as stack:
        yield stack
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_thirty_items_of_five_megabytes_are_decided(daemon):
    """150 MB in one file: each item is larger than a request may be, so the file is rejected, and the daemon stands."""
    job = json.loads(links("heavy", 1))
    job["jobs"][0]["items"] = [{"dataId": f"fil.h{number}", "note": "x" * 5_000_000} for number in range(30)]
    daemon.drop("heavy.json", json.dumps(job))
    until((daemon.folder / "queue/rejected/heavy.json.error.json").exists)
    (mistake, *_) = json.loads((daemon.folder / "queue/rejected/heavy.json.error.json").read_text())["mistakes"]
    assert "one request takes" in mistake["message"]
    daemon.stands()


@pytest.mark.parametrize("count", [260, 594])
def test_silent_connections_keep_nobody_out(daemon, callers, count):
    """More than there are places for: probes, intake and the API work meanwhile, and the log does not fill."""
    for _ in range(count):
        daemon.connect(callers)
    daemon.stands()
    until(lambda: daemon.get("api/v1/jobs?limit=1"))


def test_callers_that_do_not_read_cost_little_memory(daemon, callers):
    """500 of them ask for 100,000 items each and read nothing: memory is bounded, probes and intake work meanwhile."""
    request = b"GET /api/v1/jobs/large/items HTTP/1.1\r\nHost: localhost\r\n\r\n"
    asked = sum(daemon.connect(callers, request) for _ in range(500))
    assert asked >= 256
    daemon.stands()
