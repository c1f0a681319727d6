"""Named points at which a test can kill the process, to prove that a crash there is harmless.

Normally `crash_point` does nothing. A test starts the daemon with `CRASH_POINT=NAME` (or `NAME:3` for the third pass)
in its environment, and the process sends itself SIGKILL there: no handler runs, no buffer is flushed.
"""

import itertools
import os
import signal
from enum import StrEnum

VARIABLE = "CRASH_POINT"


class CrashPoint(StrEnum):
    """The points between "file found" and "result written" at which a step was just completed or is about to begin."""

    FILE_OPENED = "file_opened"
    """A queue file was opened; nothing of it is in the database."""
    ROWS_LOADED = "rows_loaded"
    """All its rows are in the database, in the state `loading`."""
    FILE_DURABLE = "file_durable"
    """Its jobs are committed; the file is still in incoming/."""
    TABLE_MOVED = "table_moved"
    """Its table is in accepted/; the file itself is not yet."""
    FILE_MOVED = "file_moved"
    """The file is in accepted/."""
    ERRORS_WRITTEN = "errors_written"
    """The error file of a rejected file is written; the file is still in incoming/."""
    CONTROL_DONE = "control_done"
    """A control was carried out; its file is still in incoming/."""
    PLAN_LOADED = "plan_loaded"
    """The items that were made of the rows of a job are in the database, in the state `loading`."""
    PLAN_DURABLE = "plan_durable"
    """They are in the place of the job that waited, cut into batches."""
    BATCH_COMPOSED = "batch_composed"
    """The bytes of a batch exist in memory only."""
    BATCH_BEGUN = "batch_begun"
    """The bytes are durable; none was sent."""
    BATCH_SENT = "batch_sent"
    """The platform has answered; the answer is not stored."""
    BATCH_PROCEEDED = "batch_proceeded"
    """The answer to one step of a submission is durable; the next step was not sent."""
    BATCH_FOLLOWED = "batch_followed"
    """It is durable that a batch is followed, of which nothing is sent."""
    BATCH_CONFIRMED = "batch_confirmed"
    """The platform's answer is durable."""
    BATCH_REFUSED = "batch_refused"
    """The platform has refused; the consequences are not stored."""
    PAGE_READ = "page_seen"
    """A status page was read; nothing of it is stored."""
    PAGE_WRITTEN = "page_written"
    """The changes of a status page are durable."""
    ABORT_SENT = "abort_sent"
    """An abort was answered; the answer is not stored."""
    CSV_WRITTEN = "csv_written"
    """The first of a job's two result files is written."""
    RESULT_WRITTEN = "result_written"
    """Both are written; the outbox entry is still open."""
    RESULT_DELIVERED = "result_delivered"
    """The outbox entry is closed."""


def _armed() -> tuple[str, int]:
    name, _, nth = os.environ.get(VARIABLE, "").partition(":")
    return name, int(nth or 1)


_NAME, _NTH = _armed()
_PASSES = itertools.count(1)


def crash_point(point: CrashPoint) -> None:
    """Kill the process here if the environment selects this point."""
    if point == _NAME and next(_PASSES) == _NTH:
        os.kill(os.getpid(), signal.SIGKILL)
