"""Folders of tests that other users can reach."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that every user may pass through; removed at the end.

    Not one of pytest's: all runs of one user share their parent, and each run that starts closes it to other users.
    """
    with tempfile.TemporaryDirectory(prefix="orchestrator-open-") as name:
        folder = Path(name)
        for each in (folder, folder.parent):
            mode = each.stat().st_mode
            if not mode & 1:
                each.chmod(mode | 0o11)
        yield folder
