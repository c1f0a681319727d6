"""Nobody reads stderr: the work continues, the server answers, and a signal ends the daemon."""

import fcntl
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import pytest
from processes import free_port
from waiting import PATIENCE, patience

from orchestrator.clock import SystemClock


@contextmanager
def full():
    """A disk without room."""
    with Path("/dev/full").open("wb") as device:
        yield device


@contextmanager
def undrained():
    """A pipe of one page, that nobody drains."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writing, False)
    os.write(writing, b"#" * 4096)
    os.set_blocking(writing, True)
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb", buffering=0) as pipe:
        yield pipe


@contextmanager
def closed():
    """A pipe whose reader is gone, as the journal's."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        yield pipe


async def lost(client):
    """How many lines the metric counts."""
    page = (await client.get("/metrics")).text
    return float(re.search(r"^orchestrator_log_lines_lost_total (\S+)$", page, re.MULTILINE)[1])


@pytest.mark.parametrize("stderr", [full, undrained, closed])
async def test_work_continues_whatever_becomes_of_the_log(stderr, lab):
    """A job ends with its result, `/livez` answers, a metric counts what is lost, and SIGTERM ends it with code 0.

    A pipe that nobody drains is no failure yet: its lines wait, up to a bound.
    """
    address = f"127.0.0.1:{free_port()}"
    lab.extra = {"server": {"listen": address}}
    async with lab.open():
        lab.drop_jobs("work.json", lab.links("links", ["fil.0a"]))
        with stderr() as stream:
            process = start(lab, stream)
            try:
                await lab.until((lab.queue / "results/links.json").exists)
                transport = httpx.AsyncHTTPTransport(retries=8)  # the server begins a moment after the work
                async with httpx.AsyncClient(
                    base_url=f"http://{address}", transport=transport, timeout=PATIENCE
                ) as client:
                    assert (await client.get("/livez")).status_code == 200
                    with patience():
                        while not await lost(client) and stderr is not undrained:
                            await SystemClock().sleep(0.05)
                process.send_signal(signal.SIGTERM)
                with patience():
                    assert await anyio.to_thread.run_sync(process.wait) == 0
            finally:
                process.kill()
    assert lab.result("links")["job"]["state"] == "succeeded"


@pytest.mark.parametrize("stderr", [full, undrained, closed])
async def test_a_start_that_is_refused_ends_whatever_becomes_of_the_log(stderr, lab):
    """The line that says why is lost; the exit code is not."""
    lab.extra = {"no such key": 1}
    async with lab.open():
        with stderr() as stream:
            process = start(lab, stream)
            with patience():
                assert await anyio.to_thread.run_sync(process.wait) == 2


async def test_a_daemon_without_a_stderr_works(lab):
    """Closed before the start: there is no log then, and no failure."""
    async with lab.open():
        lab.drop_jobs("work.json", lab.links("links", ["fil.0a"]))
        command = [sys.executable, "-m", "orchestrator", "run", "--config", str(lab.config), "--until-idle"]
        script = 'exec 2>&-; exec "$@"'
        ended = await anyio.run_process(["sh", "-c", script, "sh", *command], check=False)
        assert ended.returncode == 0
    assert lab.result("links")["job"]["state"] == "succeeded"


def start(lab, stderr):
    """A daemon with this stderr."""
    command = [sys.executable, "-m", "orchestrator", "run", "--config", str(lab.config)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
