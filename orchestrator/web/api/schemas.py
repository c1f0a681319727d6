"""The shapes of answers, for `/openapi.json`. The answers themselves are written without passing through these."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.domain.model import BatchState, ItemState, JobState, Needs
from orchestrator.domain.webhook import Notice
from orchestrator.engine.outlook.why import WaitsFor

Time = Annotated[str, Field(description="RFC 3339, UTC.", examples=["2026-01-31T12:00:00.000Z"])]
Next = Annotated[str | None, Field(description="Where the following page is; null on the last one.")]


ExpectedEnd = Annotated[
    Time | None,
    Field(description="When it is expected to settle, from how long the same work took before; null if unknown."),
]


class Shape(BaseModel):
    """An object with exactly these members."""

    model_config = ConfigDict(extra="forbid")


class Job(Shape):
    """A job, as in its result."""

    name: str
    kind: str
    account: str
    project: str | None
    labels: dict[str, str]
    state: JobState
    needs: Annotated[Needs | None, Field(description="Why it is on hold.")]
    detail: str | None
    round: int
    file: str | None
    dropped_by: str | None
    created_at: Time
    started_at: Time | None
    cancelled_at: Time | None
    settled_at: Time | None
    counts: Annotated[dict[ItemState, int], Field(description="Items by state; states without any are left out.")]
    parents: Annotated[int, Field(description="Items under which others were found, which count in their place.")]


class ListedJob(Job):
    """A job in a list."""

    expected_end: ExpectedEnd


class Batch(Shape):
    """One submission to the platform."""

    number: int
    remote_id: str | None
    state: BatchState
    stage: Annotated[str, Field(description="What `status` is about: `creation` of analyses, `link`, `copy`, ….")]
    status: Annotated[
        str | None,
        Field(description="The platform's status of `stage`: `SUCCEEDED` of a creation says nothing of the analyses."),
    ]
    submitted_at: Time | None
    items: int
    counts: Annotated[dict[ItemState, int], Field(description="Items by state; states without any are left out.")]
    sends: Annotated[int, Field(description="Sends that may have had an effect.")]
    detail: Annotated[str | None, Field(description="Why it waits for the operator, or the error of its last attempt.")]


class Item(Shape):
    """One unit of work."""

    key: str
    batch: int | None
    stage: str
    state: ItemState
    status: Annotated[str | None, Field(description="The platform's own word.")]
    remote_id: str | None
    detail: str | None
    attempts: int
    previous_ids: list[str]
    parent: Annotated[str | None, Field(description="Key of the item under which it was found.")]
    facts: Annotated[dict[str, Any] | None, Field(description="What else the platform reports of it.")]
    submitted_at: Time | None
    finished_at: Time | None
    link: Annotated[str | None, Field(description="Its page on the platform, where `web_url` is configured.")] = None


class JobsPage(Shape):
    """Some jobs, the newest first."""

    jobs: list[ListedJob]
    next: Next


class JobDocument(Shape):
    """The head of a job's result, and what is known besides."""

    job: Job
    batches: list[Batch]
    unchanged_since: Annotated[Time | None, Field(description="When it last made progress; null once it is settled.")]
    waits_for: Annotated[str | None, Field(description="Why its next batch is not sent.")]
    expected_end: ExpectedEnd
    undelivered: Annotated[list["UndeliveredNotice"], Field(description="Webhooks that were not delivered.")]


class UndeliveredNotice(Shape):
    """A webhook that was not delivered."""

    id: str
    event: Notice
    round: int
    at: Time
    tries: Annotated[int, Field(description="Attempts that failed.")]
    next_try: Time | None
    last_error: str | None
    given_up: bool


class HistoryEvent(Shape):
    """One change of a job, a batch or an item."""

    id: int
    at: Time
    event: Annotated[str, Field(description="What happened.", examples=["job", "item", "pause", "confirm"])]
    batch: int | None
    item: Annotated[str | None, Field(description="Key of the item; null for an event of the job or of a batch.")]
    old: str | None
    new: str | None
    detail: str | None
    actor: Annotated[
        str | None, Field(description="Id of the user who dropped the file that caused it; null for the daemon.")
    ]


class HistoryPage(Shape):
    """Some events of a job, the oldest first."""

    events: list[HistoryEvent]
    next: Next


class Reason(Shape):
    """One thing that a job waits for."""

    waits_for: WaitsFor
    text: str
    since: Time | None
    by: Annotated[str | None, Field(description="Id of the user who caused it; null for the daemon or the platform.")]


class LatestRequest(Shape):
    """The request of an account that ended last."""

    at: Time
    route: str
    outcome: Annotated[str, Field(description="The HTTP status, or the name of the error.")]


class WhyDocument(Shape):
    """What a job waits for."""

    name: str
    state: JobState
    needs: Needs | None
    reasons: Annotated[list[Reason], Field(description="Those that need an operator first; none once it is settled.")]
    unchanged_since: Time | None
    next_poll: Annotated[Time | None, Field(description="When its batches are polled next.")]
    last_request: Annotated[LatestRequest | None, Field(description="Of its account, since the daemon started.")]
    last_error: Annotated[str | None, Field(description="Of its latest batch that failed, else of its account.")]
    expected_end: ExpectedEnd


class ItemsPage(Shape):
    """Some items of a job, in order."""

    items: list[Item]
    next: Next


class Daemon(Shape):
    """Who answers."""

    version: str
    instance: str
    database: Annotated[str, Field(description="Without its password.")]


class RateLimiter(Shape):
    """A request budget; what only a running daemon knows is null without one."""

    limit: Annotated[int, Field(description="Requests that may be counted in one window.")]
    per_seconds: float
    used: int | None
    free: int | None
    closed_for_seconds: Annotated[float | None, Field(description="For so long the platform wants no request.")]
    waiting: Annotated[dict[str, int] | None, Field(description="Requests that wait for the budget, by lane.")]


class OpenItems(Shape):
    """Places on the platform; a batch leaves when there is one for each of its items."""

    limit: int
    used: int


class Account(Shape):
    """One credential on one platform."""

    name: str
    platform: str
    base_url: str
    learned: Annotated[
        dict[str, str], Field(description="What was learned of the platform's behaviour; the names are the platform's.")
    ]
    closed: Annotated[bool | None, Field(description="Whether the platform refuses the credential.")]
    closed_because: Annotated[
        Literal["credential", "address", "user"] | None, Field(description="What has to change before it can be used.")
    ]
    detail: str | None
    failing_since: Annotated[Time | None, Field(description="Since when nothing succeeds, after 15 minutes of it.")]
    last_error: Annotated[
        str | None, Field(description="The last error of polls, submissions or aborts that keep failing.")
    ]
    paused: Annotated[
        str | None, Field(description="Who paused it, or everything, and when; null while it may submit.")
    ]
    clock_skew_seconds: Annotated[
        float | None, Field(description="Our clock minus the platform's; null until an answer had a date.")
    ]
    budget: RateLimiter
    open_items: OpenItems


class Accounts(Shape):
    """All accounts of the configuration."""

    daemon: Daemon | None
    accounts: list[Account]


class Received(Shape):
    """What became of a queue file."""

    file: Annotated[str, Field(description="Its name in accepted/, or in incoming/ while it is not decided.")]
    decided: bool
    jobs: Annotated[list[str], Field(description="Names of the jobs that are durable now.")]
    items: int
    note: Annotated[str | None, Field(description="What is not plain from names and numbers.")]
    notes: Annotated[list[str], Field(description="What may be wrong in the file, although it was accepted.")]


class Check(Shape):
    """One check of the daemon, and what is wrong."""

    name: str
    error: str | None


class Health(Shape):
    """Whether the daemon is healthy, check by check."""

    status: str
    checks: list[Check] = []
    accounts: dict[str, str] = {}


class Problem(BaseModel):
    """Why a request was not answered (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
