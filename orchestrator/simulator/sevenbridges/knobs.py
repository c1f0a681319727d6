"""How the simulated Seven Bridges behaves where the real one is slow, configurable or simply unknown."""

from dataclasses import dataclass
from typing import Literal

from orchestrator.simulator.budget import Limit, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """All may be changed while the simulator runs; what was started before keeps its course."""

    # How long things take, in seconds. An item whose name says `slow` takes ten times as long.
    task_seconds: float = 30.0
    creating_seconds: float = 2.0
    """How long a batch task stays in CREATING before its children are there."""
    transfer_seconds: float = 5.0
    """An import or an export."""
    file_job_seconds: float = 3.0
    drs_seconds: float = 5.0
    automation_seconds: float = 20.0
    abort_seconds: float = 2.0
    """How long a task stays in ABORTING, a stopped run in QUEUED_FOR_TERMINATION."""
    jitter: float = 0.2
    """Each item is faster or slower by up to this share, always the same for the same seed and name."""

    # What nobody outside knows.
    post_status: Literal[200, 201] = 201
    """What a POST that makes something answers."""
    parent_end: Literal["completed", "failed_if_any", "failed_if_all"] = "failed_if_all"
    """How a batch task ends when some of its children fail. It is ABORTED only when it was aborted itself."""
    invalid_run: Literal["errors", "refuse"] = "errors"
    """Running a task with validation errors: 200, still DRAFT, with `errors`; or 400 with code 7024."""
    children_listed: bool = False
    """Whether a list of tasks shows the children of batch tasks without being asked for them by `parent`."""
    time_filter: Literal["exact", "day", "ignored"] = "exact"
    """`created_from` and its kind: to the microsecond, only to the day (UTC), or without effect."""
    list_lag: float = 0.0
    """Lists show what was made at least so many seconds ago."""
    result_order: Literal["sent", "shuffled"] = "sent"
    """The order of the rows of bulk answers and of the results of jobs."""
    pages_shift: bool = False
    """Whether rows move by one place between two pages of a list: one is missed or shown twice."""

    # Limits.
    bulk_items: int = 100
    drs_files: int = 500
    drs_per: float = 300.0
    """A DRS import takes up `drs_files` files in `drs_per` seconds; it waits, it does not fail."""
    automation_tasks: int = 2
    """Tasks that an automation run makes."""
    file_job_days: float = 30.0
    """For so long after its end a file job can be asked about."""

    # The request budget of each user.
    requests: int = 1000
    per: float = 300.0
    window: Window = "fixed_from_first"
    count_refused: bool = False
    elsewhere: int = 0
    """So many requests of each window are used up by other programs of the user."""
    rate_headers: bool = True
    """Whether answers carry `X-RateLimit-*`."""
    rate_reset: Literal["s", "ms"] = "s"
    """The unit of `X-RateLimit-Reset`."""

    @property
    def limit(self) -> Limit:
        return Limit(self.requests, self.per, self.window, self.count_refused, self.elsewhere)
