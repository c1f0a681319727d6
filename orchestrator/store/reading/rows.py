"""From rows to the values of the domain."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from orchestrator.domain.model import (
    After,
    Batch,
    BatchId,
    BatchKey,
    BatchState,
    Item,
    ItemState,
    Job,
    JobId,
    JobSpec,
    JobState,
    Needs,
    RetryPolicy,
    Stage,
)
from orchestrator.domain.queue_file.estimate import MOST_BATCH_BYTES
from orchestrator.domain.submission import Resend, Submission
from orchestrator.domain.units import HOUR
from orchestrator.domain.webhook import Notify
from orchestrator.store.schema import batches, items, jobs

Row = sa.Row[*tuple[Any, ...]]
Query = sa.Select[*tuple[Any, ...]]

LARGEST_BODY = 2 * MOST_BATCH_BYTES
"""Bytes of a stored submission that is read."""
_FITS = sa.func.length(batches.c.body) <= LARGEST_BODY
_SUBMISSION = (
    batches.c.method,
    batches.c.path,
    batches.c.headers,
    # One that an earlier version stored whatever its size is not read: it would end the process at every start.
    sa.case((_FITS, batches.c.body), else_=None).label("body"),
)
_SUBMISSION_NAMES = frozenset(column.name for column in _SUBMISSION)
_UNREAD = frozenset({items.c.facts, items.c.request, items.c.row, items.c.abort_sent_at})

COUNTERS = {state: jobs.c[f"n_{state}"] for state in ItemState}
"""The column of a job that counts its items in each state."""

SELECT_JOB = sa.select(jobs)

SELECT_BATCH = sa.select(
    *(column for column in batches.c if column.name not in _SUBMISSION_NAMES),
    jobs.c.name.label("job_name"),
    jobs.c.project,
    jobs.c.kind,
    jobs.c.engine,
    jobs.c.priority,
    jobs.c.first_stage,
    jobs.c.options,
    jobs.c.cancelled_at,
    jobs.c.created_at.label("planned_at"),
).join_from(batches, jobs)
"""Batches without what was sent."""

SELECT_BATCH_TO_SEND = SELECT_BATCH.add_columns(*_SUBMISSION)
"""Batches with their submission."""

_UNCONVERTED = sa.type_coerce(items.c.superseded, sa.Integer).label("superseded")
"""As the driver returns it: converting the flags takes a tenth of the time in which a page of items is read."""

SELECT_ITEM = sa.select(
    *(column for column in items.c if column not in _UNREAD and column is not items.c.superseded), _UNCONVERTED
)
"""Items without their long columns, and without `abort_sent_at`, which is only asked for."""

_OF_BATCH = batches.c.id == sa.bindparam("of_batch")
ITEMS_IN = (
    items.c.job == sa.bindparam("of_job"),
    items.c.seq.between(
        sa.select(batches.c.first_seq).where(_OF_BATCH).scalar_subquery(),
        sa.select(batches.c.last_seq).where(_OF_BATCH).scalar_subquery(),
    ),
    items.c.batch == sa.bindparam("of_number"),
)
"""The condition for the items that are in a batch now, which `place_of` names."""


def job_of(row: Row) -> Job:
    return Job(
        id=JobId(row.id),
        spec=_spec_of(row),
        state=JobState(row.state),
        needs=Needs(row.needs) if row.needs else None,
        detail=row.detail,
        round=row.round,
        counts=counts_of(row),
        created_at=row.created_at,
        started_at=row.started_at,
        settled_at=row.settled_at,
        cancelled_at=row.cancelled_at,
        sent_at=row.sent_at,
        parents=row.parents,
    )


def counts_of(row: Row) -> dict[ItemState, int]:
    """The item counts of a job's row, without the states that no item is in."""
    counts = {state: row._mapping[column] for state, column in COUNTERS.items()}  # noqa: SLF001 - SQLAlchemy's public name
    return {state: count for state, count in counts.items() if count}


def batch_of(row: Row, *, to_send: bool = False) -> Batch:
    """From a row of SELECT_BATCH, or of SELECT_BATCH_TO_SEND."""
    return Batch(
        id=BatchId(row.id),
        job=JobId(row.job),
        job_name=row.job_name,
        account=row.account,
        project=row.project,
        kind=row.kind,
        engine=row.engine,
        priority=row.priority,
        number=row.number,
        lineage=row.lineage,
        attempt=row.attempt,
        key=BatchKey(row.key),
        state=BatchState(row.state),
        items=row.items,
        open=row.open,
        creating=row.creating,
        remote_id=row.remote_id,
        status=row.status,
        status_final=row.status_final,
        detail=row.detail,
        sends=row.sends,
        first_sent_at=row.first_sent_at,
        sent_at=row.sent_at,
        submitted_at=row.submitted_at,
        settled_at=row.settled_at,
        user=row.sent_by,
        searched_at=row.searched_at,
        submission=_submission_of(row) if to_send else None,
        root=row.root,
        cancelled=row.cancelled_at is not None,
        in_doubt=row.in_doubt,
        key_void=row.key_void,
        last_error=row.last_error,
        planned_at=row.planned_at,
        pipeline=row.pipeline,
        step=row.step,
        resend=Resend(row.resend) if row.resend else None,
        key_life=row.key_life,
        search_delay=HOUR if row.search_delay is None else row.search_delay,
        first_stage=Stage(row.first_stage),
        options=row.options.encode() if row.options is not None else None,
        found_open=row.found_open,
    )


def _submission_of(row: Row) -> Submission | None:
    """What was stored to be sent; None before that, and once it is no longer needed.

    None too where it cannot be read: a damaged row must not keep all others from being read, and the same items are
    composed to the same bytes.
    """
    if row.body is None or row.resend is None:
        return None
    try:
        headers = msgspec.json.decode(row.headers or "", type=dict[str, str])
    except msgspec.MsgspecError:
        return None
    return Submission(
        method=row.method,
        path=row.path,
        headers=headers,
        body=row.body,
        resend=Resend(row.resend),
        pipeline=row.pipeline,
        key_life=row.key_life,
        search_delay=HOUR if row.search_delay is None else row.search_delay,
    )


def item_of(row: Row, *, with_request: bool = False, with_row: bool = False) -> Item:
    """From a row of SELECT_ITEM, to which the long columns may have been added."""
    return Item(
        job=JobId(row.job),
        seq=row.seq,
        key=row.key,
        batch=row.batch,
        stage=Stage(row.stage),
        state=ItemState(row.state),
        status=row.status,
        remote_id=row.remote_id,
        detail=row.detail,
        attempts=row.attempts,
        previous_ids=previous_ids_of(row.previous_ids),
        submitted_at=row.submitted_at,
        finished_at=row.finished_at,
        request=row.request if with_request else None,
        row=row.row if with_row else None,
        parent=row.parent,
        found=row.found,
        superseded=bool(row.superseded),
        facts=row.facts if with_row else None,
        parent_key=row.parent_key if with_row else None,
    )


def place_of(batch: Batch) -> dict[str, object]:
    """The parameters of ITEMS_IN."""
    return {"of_batch": batch.id, "of_job": batch.job, "of_number": batch.number}


def places(of: Sequence[tuple[JobId, int]]) -> sa.CTE:
    """The places of batches, job and number, to be joined with: SQLite looks no list of pairs up by an index."""
    columns = (sa.column("job", sa.Text), sa.column("number", sa.Integer))
    return sa.values(*columns, name="places").data(of).cte("places")


def previous_ids_of(text: str | None) -> tuple[str, ...]:
    """What cannot be read counts as one id: a damaged row keeps no other from being read, and nothing is discarded."""
    if not text:
        return ()
    try:
        return msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.MsgspecError:
        return (text,)


def previous_ids_as_text(ids: tuple[str, ...]) -> str | None:
    return as_text(ids) if ids else None


def after_of(text: str | None) -> After | None:
    return msgspec.json.decode(text, type=After) if text else None


def retry_of(text: str | None) -> RetryPolicy | None:
    return msgspec.json.decode(text, type=RetryPolicy) if text else None


def labels_of(text: str | None) -> dict[str, str]:
    return msgspec.json.decode(text, type=dict[str, str]) if text else {}


def notify_of(text: str | None) -> Notify | None:
    return msgspec.json.decode(text, type=Notify) if text else None


def as_text(value: object) -> str:
    """JSON, as it is stored; sets in order, so that equal values are equal texts."""
    return msgspec.json.encode(value, order="deterministic").decode()


def _spec_of(row: Row) -> JobSpec:
    return JobSpec(
        name=row.name,
        kind=row.kind,
        account=row.account,
        project=row.project,
        digest=row.digest,
        content_digest=row.content_digest,
        engine=row.engine,
        after=after_of(row.after),
        priority=row.priority,
        max_open=row.max_open,
        stop_after_failed=row.stop_after_failed,
        retry=retry_of(row.retry),
        file=row.file,
        dropped_by=row.dropped_by,
        batch_size=row.batch_size,
        first_stage=Stage(row.first_stage),
        follow_only=row.follow_only,
        options=row.options.encode() if row.options is not None else None,
        labels=labels_of(row.labels),
        notify=notify_of(row.notify),
        rows_of=row.source,
        document=row.template.encode() if row.template is not None else None,
    )
