"""Where intake keeps what does not belong into memory: unnamed files that vanish with the process."""

import tempfile
from pathlib import Path
from typing import IO

IN_MEMORY = 4 * 1024 * 1024
"""A scratch file smaller than this never reaches the disk."""


class TemporaryFiles:
    """Makes scratch files and closes them together."""

    def __init__(self, directory: Path | None = None) -> None:
        """`directory` is on a disk with room for the largest queue file; None: the system's temporary folder."""
        self._directory = str(directory) if directory else None
        self._files: list[IO[bytes]] = []

    def file(self) -> IO[bytes]:
        """A new file, open for reading and writing."""
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=self._directory)  # noqa: SIM115 - closed by close
        self._files.append(file)
        return file

    def close(self) -> None:
        while self._files:
            self._files.pop().close()
