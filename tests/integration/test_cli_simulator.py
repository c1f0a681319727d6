"""`simulator` as a process: every platform on one port, until it is stopped."""

import signal
import subprocess
import sys

import httpx
import yaml

from orchestrator.simulator.registry import PLATFORMS


def test_every_platform_is_served_at_the_base_url_that_is_printed():
    """One line each, as a configuration takes it; Ctrl-C ends it with code 0."""
    command = [sys.executable, "-m", "orchestrator", "simulator", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stdout.readline() for _ in PLATFORMS]
            assert [line.rpartition("platform: ")[2].strip() for line in lines] == list(PLATFORMS)
            for line in lines:
                base_url = yaml.safe_load(line)["base_url"]
                knobs = httpx.get(f"{base_url}/_simulator/knobs", timeout=60.0).json()
                assert knobs["requests"] == 1000
            process.send_signal(signal.SIGINT)
            assert (process.stdout.read(), process.wait()) == ("stopped\n", 0)
        finally:
            process.kill()
