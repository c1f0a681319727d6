"""`simulator` as a process: every platform on one port, until it is stopped."""

import signal
import subprocess
import sys

import httpx
import pytest
import yaml
from waiting import PATIENCE

from orchestrator.simulator.registry import PLATFORMS


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_every_platform_is_served_at_the_base_url_that_is_printed(number):
    """One line each, as a configuration takes it; a signal ends it with code 0, also one that its parent ignores."""
    command = [sys.executable, "-m", "orchestrator", "simulator", "--port", "0"]
    before = signal.signal(number, signal.SIG_IGN)  # as `nohup` and the background jobs of a shell have it
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        signal.signal(number, before)
        try:
            lines = [process.stdout.readline() for _ in PLATFORMS]
            assert [line.rpartition("platform: ")[2].strip() for line in lines] == list(PLATFORMS)
            for line in lines:
                base_url = yaml.safe_load(line)["base_url"]
                knobs = httpx.get(f"{base_url}/_simulator/knobs", timeout=PATIENCE).json()
                assert knobs["requests"] == 1000
            process.send_signal(number)
            assert (process.stdout.read(), process.wait()) == ("stopped\n", 0)
        finally:
            process.kill()
