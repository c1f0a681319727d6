"""The body of a webhook; docs/webhook.schema.json is its JSON Schema."""

from typing import Annotated

import msgspec

from orchestrator.domain.model import ItemState, JobState
from orchestrator.domain.units import rfc3339
from orchestrator.domain.webhook import Notice
from orchestrator.store.notices import Change, PendingNotice

MOST_DETAIL = 1000
"""Characters of `detail` that are sent."""


def _of(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class JobData(msgspec.Struct, frozen=True):
    """The job, as it was when the event happened."""

    job: Annotated[str, _of("Name of the job.")]
    kind: str
    account: str
    project: str
    labels: dict[str, str]
    round: Annotated[int, _of("1, and one more for each `retry` of the settled job.")]
    state: JobState
    needs: Annotated[Notice | None, _of("Why the job is on hold; null once it is settled.")]
    detail: Annotated[str | None, _of("The reason, cut to 1000 characters.")]
    counts: Annotated[dict[ItemState, int] | None, _of("Items by state; null once the job was opened again.")]


class WebhookBody(msgspec.Struct, frozen=True):
    """One event of one job."""

    id: Annotated[str, _of("Of the event: the same at every attempt, and in the header webhook-id.")]
    type: Annotated[str, msgspec.Meta(pattern=r"^job\.(settled|blocked|attention|stopped)$")]
    timestamp: Annotated[str, _of("When the event happened: RFC 3339, UTC.")]
    instance: Annotated[str, _of("The installation that sends it.")]
    data: JobData


def compose(pending: PendingNotice, change: Change, instance: str) -> bytes:
    """The body of a notice: a few hundred bytes."""
    detail = change.detail
    data = JobData(
        job=pending.job_name,
        kind=pending.kind,
        account=pending.account,
        project=pending.project,
        labels=dict(pending.labels),
        round=pending.round,
        state=change.state,
        needs=None if pending.notice is Notice.SETTLED else pending.notice,
        detail=detail if detail is None or len(detail) <= MOST_DETAIL else f"{detail[: MOST_DETAIL - 1]}…",
        counts=dict(pending.counts) if pending.counts is not None else None,
    )
    return msgspec.json.encode(
        WebhookBody(
            id=pending.id,
            type=f"job.{pending.notice}",
            timestamp=rfc3339(pending.at),
            instance=instance,
            data=data,
        )
    )
