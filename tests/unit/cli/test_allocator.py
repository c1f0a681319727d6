"""The heaps of the process, where the C library has several."""

import os
import platform
import subprocess
import sys

import pytest

_SIX_THREADS = """
import re, sys, threading
from pathlib import Path
from orchestrator.cli import allocator
if sys.argv[1] == "shared":
    allocator.share()
held, filled, counted = [], threading.Barrier(7), threading.Event()
def fill():
    held.append([bytes(1000) for _ in range(1000)])
    filled.wait()
    counted.wait()
threads = [threading.Thread(target=fill) for _ in range(6)]
for thread in threads:
    thread.start()
filled.wait()
# The heap of a thread begins at a multiple of 64 MB; behind what it uses, the rest is reserved.
heap_and_rest = r"^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 *\\n\\2-[0-9a-f]+ ---p"
found = re.findall(heap_and_rest, Path("/proc/self/maps").read_text(), re.MULTILINE)
counted.set()
print(sum(int(start, 16) % (64 << 20) == 0 for start, _ in found))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have one heap")
def test_threads_share_two_heaps():
    """The main thread's, which lies elsewhere, and one for all others; left to themselves they have one each."""

    def heaps(how: str) -> int:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
        command = [sys.executable, "-c", _SIX_THREADS, how]
        return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout)

    assert (heaps("shared"), heaps("alone")) == (1, 6)
