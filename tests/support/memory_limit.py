"""A memory cgroup for processes of a test: version 2, or version 1 where the machine still has that."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryLimit:
    """A control group whose processes have so much memory together."""

    folder: Path
    version: int

    @property
    def kills(self) -> int:
        """How often the kernel killed a process of the group because it had no memory left."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        lines = dict(line.split() for line in (self.folder / name).read_text().splitlines())
        return int(lines.get("oom_kill", 0))

    def entered(self, *command: object, descriptors: int) -> list[str]:
        """The command, started in the group and with so many descriptors at most."""
        script = 'echo $$ > "$0" && ulimit -n "$1" && shift && exec "$@"'
        return ["sh", "-c", script, str(self.folder / "cgroup.procs"), str(descriptors), *map(str, command)]


@contextmanager
def memory_limit(size: int) -> Iterator[MemoryLimit]:
    """A group of `size` bytes. Its processes have ended by the end of the block."""
    version = 2 if "memory" in _controllers() else 1
    parent = _ROOT if version == 2 else _ROOT / "memory"
    folder = parent / f"orchestrator-test-{uuid.uuid4().hex[:8]}"
    try:
        if version == 2:
            (_ROOT / "cgroup.subtree_control").write_text("+memory")
        folder.mkdir()
        (folder / ("memory.max" if version == 2 else "memory.limit_in_bytes")).write_text(str(size))
    except OSError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI needs a memory cgroup: {error}")
        pytest.skip(f"needs a memory cgroup: {error}")
    try:
        yield MemoryLimit(folder, version)
    finally:
        folder.rmdir()


def _controllers() -> list[str]:
    file = _ROOT / "cgroup.controllers"
    return file.read_text().split() if file.exists() else []
