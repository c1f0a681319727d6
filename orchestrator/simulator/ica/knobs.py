"""How the simulated ICA behaves where the real one is slow, configurable or simply unknown."""

from dataclasses import dataclass
from typing import Literal

from orchestrator.simulator.budget import Limit, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """All may be changed while the simulator runs; what was created before keeps its course."""

    # How long things take, in seconds. An item whose name says `slow` takes ten times as long.
    link_seconds: float = 5.0
    """Of links and of their removal, in projects and bundles."""
    data_seconds: float = 5.0
    """Of copies, moves, updates and the creation of samples."""
    creation_seconds: float = 2.0
    analysis_seconds: float = 30.0
    session_seconds: float = 60.0
    """How long a workflow session takes; its analyses run within."""
    await_seconds: float = 10.0
    """How long an analysis stays in AWAITING_INPUT."""
    abort_seconds: float = 2.0
    """How long an analysis stays in ABORTING."""
    jitter: float = 0.2
    """Each item is faster or slower by up to this share, always the same for the same seed and name."""
    durations: Literal["even", "bimodal", "long_tailed"] = "even"
    """How durations are distributed: as above; or half of the items take a tenth; or log-normal around the median."""

    # What nobody outside knows.
    embedded: Literal["live", "snapshot", "lagging"] = "live"
    """The analysis inside an item page: as it is, as it was when created, or as it was `embedded_lag` seconds ago."""
    embedded_lag: float = 60.0
    search_lag: float = 0.0
    """`analysis:search` answers with the state of so many seconds ago."""
    tag_filter: Literal["all", "any", "prefix"] = "all"
    """Tags of a search: all must be there, one is enough, or one that begins so is enough."""
    bad_item: Literal["refuse_post", "fail_item"] = "refuse_post"
    """What one invalid item does: the whole POST is refused with 400, or only that item fails."""
    link_race: Literal["already", "failed"] = "already"
    """What becomes of a link, or of its removal, while an earlier batch is at work on the same data."""
    move_again: Literal["failed", "moved"] = "failed"
    """What becomes of a move of data that is in that folder already."""
    sample_names: Literal["free", "unique"] = "free"
    """Whether a second sample of one name in a project is created."""
    echo: Literal["full", "ids"] = "full"
    """What items and batches show of what was asked for: all of it, or the data ids alone."""
    sessions_named: bool = True
    """Analyses name the workflow session that orchestrates them."""
    sessions_v3: bool = True
    """The deprecated list of workflow sessions is there; else it is 404."""
    job_null: bool = False
    """Creating calls answer `job: null`."""
    null_lists: bool = False
    """Empty lists are written as null."""
    last_page: Literal["empty", "null", "absent"] = "empty"
    """What `nextPageToken` is on the last page of a cursor."""
    page_order: Literal["stable", "shuffled"] = "stable"
    """The order of a batch's items and of a search: as sent, or mixed (but the same on each page of a cursor)."""

    # Limits.
    max_page_size: int = 1000
    default_page_size: int = 10
    token_seconds: float = 3600.0
    cursor_seconds: float = 600.0
    """A page token is refused so long after it was handed out."""
    idempotency_days: float = 7.0

    # The request budget of each user.
    requests: int = 1000
    per: float = 300.0
    window: Window = "sliding"
    count_refused: bool = False
    retry_after: bool = True
    """Whether a 429 carries `Retry-After`."""

    @property
    def limit(self) -> Limit:
        return Limit(self.requests, self.per, self.window, self.count_refused)
