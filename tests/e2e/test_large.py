"""A hundred thousand items in one file."""

import signal
from pathlib import Path

MOST_MEMORY = 300 * 1024
"""Kibibytes of resident memory that the daemon may ever have taken."""


def peak_memory(pid: int) -> int:
    """The largest resident size of a process so far, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


async def test_a_hundred_thousand_links_in_one_file_take_little_memory(lab):
    """A YAML file of 100,000 links is accepted, and is sent, in memory that does not grow with it."""
    async with lab.open():
        items = "".join(f"      - {{dataId: fil.{n:08x}}}\n" for n in range(100_000))
        head = (
            "version: 1\njobs:\n  - name: large\n    kind: ica.data_linking\n    account: ica\n"
            f"    project: {lab.project}\n    count: 100000\n    items:\n"
        )
        async with lab.daemon() as process:
            lab.drop("large.yaml", head + items)
            await lab.until((lab.queue / "accepted/large.yaml").exists)
            await lab.until(lambda: len(lab.simulator.ledger.effects("link")) >= 10_000)
            peak = peak_memory(process.pid)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        assert peak < MOST_MEMORY
