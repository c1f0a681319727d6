"""Named moments at which the plug may be pulled, so that each of them can be proved harmless.

In ordinary runs `reach` does nothing. A test starts the daemon with `CRASH_POINT=NAME` (or `NAME:3` for the third time)
in its environment, and the process kills itself there with SIGKILL: no handler runs, no buffer is flushed.
"""

import itertools
import os
import signal
from enum import StrEnum

VARIABLE = "CRASH_POINT"


class CrashPoint(StrEnum):
    """Every moment between "file seen" and "result written" at which something was just done, or is about to be."""

    FILE_OPENED = "file_opened"
    """A queue file was opened; nothing of it is in the database."""
    ROWS_LOADED = "rows_loaded"
    """All its rows are in the database, not yet real."""
    FILE_DURABLE = "file_durable"
    """Its jobs are real; the file still lies in incoming/."""
    TABLE_MOVED = "table_moved"
    """Its table lies in accepted/; the file itself not yet."""
    FILE_MOVED = "file_moved"
    """It lies in accepted/."""
    ERRORS_WRITTEN = "errors_written"
    """The mistakes of a bad file are written; the file still lies in incoming/."""
    CONTROL_DONE = "control_done"
    """A control was carried out; its file still lies in incoming/."""
    BATCH_COMPOSED = "batch_composed"
    """The bytes of a batch exist in memory only."""
    BATCH_BEGUN = "batch_begun"
    """The bytes are durable; none has left."""
    BATCH_SENT = "batch_sent"
    """The platform has answered; we have not written what."""
    BATCH_CONFIRMED = "batch_confirmed"
    """The platform's answer is durable."""
    BATCH_REFUSED = "batch_refused"
    """The platform has refused; we have not written what follows from it."""
    PAGE_READ = "page_seen"
    """A page was read; nothing of it is written."""
    PAGE_WRITTEN = "page_written"
    """What a page told is durable."""
    ABORT_SENT = "abort_sent"
    """An abort was answered; we have not written so."""
    CSV_WRITTEN = "csv_written"
    """The first of a job's two results lies in its place."""
    RESULT_WRITTEN = "result_written"
    """Both lie there; the outbox still asks for them."""
    RESULT_DELIVERED = "result_delivered"
    """The outbox knows."""


def _armed() -> tuple[str, int]:
    name, _, nth = os.environ.get(VARIABLE, "").partition(":")
    return name, int(nth or 1)


_NAME, _NTH = _armed()
_PASSES = itertools.count(1)


def crash_point(point: CrashPoint) -> None:
    """Die here, if a test asks for it."""
    if point == _NAME and next(_PASSES) == _NTH:
        os.kill(os.getpid(), signal.SIGKILL)
