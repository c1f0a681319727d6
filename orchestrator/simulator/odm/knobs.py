"""How the simulated ODM behaves where the real one is slow, configurable or simply unknown."""

from dataclasses import dataclass
from typing import Literal

from orchestrator.simulator.budget import Limit, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """All may be changed while the simulator runs; what was started before keeps its course."""

    # How long things take, in seconds. An item whose name says `slow` takes ten times as long.
    publish_seconds: float = 20.0
    import_seconds: float = 30.0
    stop_seconds: float = 2.0
    """How long an import stays in STOPPING."""
    jitter: float = 0.2
    """Each item is faster or slower by up to this share, always the same for the same seed and name."""

    # What depends on the version of the server, or on the user's permissions.
    publish_all: Literal["kept", "404", "405"] = "404"
    """Whether everything can be published at once: that call went away in 1.64, and answers this since."""
    audit: Literal["forbidden", "permitted", "absent"] = "forbidden"
    """Whether the user may view the audit log (403), and whether there is one (404)."""
    audit_messages: bool = True
    """Whether the details of an audit event have the message of the version."""

    # What nobody outside knows.
    version_shown: Literal["at_end", "at_once"] = "at_end"
    """When a published version is listed: once its task is DONE, or as soon as the call was answered."""
    republish: Literal["nothing", "version"] = "nothing"
    """What publishing a study without changes makes: nothing, or one more version of it."""
    missing_study: Literal[404, 500] = 404
    """What publishing a study that does not exist answers."""
    conflict_names: Literal["latest", "first", "nobody"] = "latest"
    """Which job a repeated import (409) names, where an earlier one was restarted."""
    failed_again: Literal["409", "new"] = "409"
    """Repeating an import whose job did not complete: a conflict like any other, or another job."""
    restart_id: Literal["new", "same"] = "new"
    """Whether a restart gives an id of its own."""
    restart_answer: Literal["fresh", "stale"] = "fresh"
    """Whether the answer to a restart has the new status already."""
    running_word: Literal["RUNNING", "STARTED"] = "RUNNING"
    """The vendor's own example and script have STARTED, which the vendor's client rejects."""
    job_times: Literal["iso", "day_first"] = "iso"
    """`2026-11-29T18:40:14+00:00`, or `29-11-2026 18:40:14` as in the vendor's own test."""
    task_times: Literal["ms", "s", "text"] = "ms"
    """Times of tasks: the specification only says that they are integers."""

    # The request budget of each user: none is documented.
    requests: int = 1000
    per: float = 300.0
    window: Window = "none"

    @property
    def limit(self) -> Limit:
        return Limit(self.requests, self.per, self.window)
