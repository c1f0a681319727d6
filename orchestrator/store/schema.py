"""The tables, their constraints and indexes, as they are after the newest migration; a test compares the two.

Identifiers and states are TEXT, times are microseconds UTC, JSON is text that SQL does not read. The predicates of
partial indexes are written with literals, and queries repeat them word for word (`LIVE_BATCH`, `OPEN_ITEM`…): SQLite
uses such an index for nothing else.
"""

from collections.abc import Iterable
from enum import StrEnum

import sqlalchemy as sa

from orchestrator.domain.model import BatchState, ItemState, JobState, Needs
from orchestrator.store.database.engine import SERIAL

metadata = sa.MetaData()

REVISION = "0004"
"""The newest migration, which these tables are the outcome of."""


def literal(value: str) -> sa.ColumnElement[str]:
    """A value of an enum as a literal of the statement, so that a partial index is recognised."""
    return sa.literal_column(f"'{value}'", sa.Text)


def one_of(column: sa.ColumnElement[str], values: Iterable[str]) -> sa.ColumnElement[bool]:
    """`column IN ('a', 'b')`, with literals."""
    return column.in_([literal(value) for value in values])


def _check(table: str, column: str, values: type[StrEnum]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{table}_{column}_known")


def _text(name: str, *, required: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=not required)


def _number(name: str, *, default: int | None = None, required: bool = False) -> sa.Column[int]:
    given = None if default is None else str(default)
    return sa.Column(name, sa.Integer, nullable=default is None and not required, server_default=given)


def _time(name: str, *, required: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=not required)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())


def _job(*, primary_key: bool = False, required: bool = True) -> sa.Column[str]:
    job = sa.ForeignKey("jobs.id", ondelete="CASCADE")
    return sa.Column("job", sa.Text, job, nullable=not required, primary_key=primary_key)


meta = sa.Table(
    "meta",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    _text("value", required=True),
)
"""Facts about the database as a whole: `instance`, `created_at`."""

memory = sa.Table(
    "memory",
    metadata,
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    _text("value", required=True),
)
"""What was learned about the platform of an account, and which accounts are paused."""

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _text("name", required=True),
    _text("folded", required=True),
    _text("kind", required=True),
    _text("account", required=True),
    _text("project", required=True),
    _text("engine"),
    _text("state", required=True),
    _text("needs"),
    _text("detail"),
    _number("round", default=1),
    _number("priority", required=True),
    _number("max_open"),
    _number("stop_after_failed"),
    _number("stop_base", default=0),  # failures before the last `resume`
    _text("after"),
    _text("retry"),
    _text("digest", required=True),
    _text("file"),
    _text("dropped_by"),
    _number("batch_size", required=True),
    _text("paused"),  # the reason, while it is paused; `needs` is drawn from these two and what the batches say
    _text("stopped"),
    _time("created_at", required=True),
    _time("started_at"),
    _time("settled_at"),
    _time("cancelled_at"),
    _time("sent_at"),
    _time("pruned_at"),
    sa.Column("first_stage", sa.Text, nullable=False, server_default="creation"),
    _flag("follow_only"),  # nothing of it is ever sent
    _number("found", default=0),  # items that were found, and not asked for
    _number("parents", default=0),  # items under which others were found, which are counted in their place
    _text("options"),
    _text("labels"),
    _text("notify"),
    _text("source"),  # the folded name of the job whose rows it is made of
    _text("template"),  # such a job as its file has it
    _text("blocked"),  # until such a job is planned: NOT_PLANNED, or the reason why it cannot be
    _text("content_digest"),  # of what it does, whatever its name
    *(_number(f"n_{state}", default=0) for state in ItemState),
    _check("jobs", "state", JobState),
    _check("jobs", "needs", Needs),
)

NOT_PLANNED = ""
"""In `blocked`: the job is made of rows, and is planned once their job has settled."""
REAL_JOB = jobs.c.state != literal(JobState.LOADING)
LIVE_JOB = one_of(jobs.c.state, [JobState.WAITING, JobState.QUEUED, JobState.RUNNING])
TO_BE_PLANNED = sa.and_(
    LIVE_JOB, one_of(jobs.c.state, [JobState.QUEUED]), jobs.c.blocked == NOT_PLANNED, jobs.c.cancelled_at.is_(None)
)
"""Jobs that are made of rows which are there."""

sa.Index("jobs_name", jobs.c.folded, unique=True, sqlite_where=REAL_JOB, postgresql_where=REAL_JOB)
sa.Index(
    "jobs_live",
    jobs.c.account,
    jobs.c.priority,
    jobs.c.created_at,
    jobs.c.id,
    sqlite_where=LIVE_JOB,
    postgresql_where=LIVE_JOB,
)
"""In the order in which jobs take their turns, while nothing of them is out."""

UNPRUNED_JOB = jobs.c.pruned_at.is_(None)

sa.Index("jobs_settled", jobs.c.settled_at, sqlite_where=UNPRUNED_JOB, postgresql_where=UNPRUNED_JOB)

job_after = sa.Table(
    "job_after",
    metadata,
    _job(primary_key=True),
    sa.Column("folded", sa.Text, primary_key=True),
    sa.Index("job_after_folded", "folded"),
)
"""The names that a job waits for; the jobs themselves may be dropped later."""

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _job(),
    _text("account", required=True),
    _number("number", required=True),
    _text("lineage", required=True),
    _number("attempt", default=0),
    _text("key", required=True),
    _text("state", required=True),
    _number("items", required=True),
    _number("open", required=True),
    _number("creating", required=True),
    _number("first_seq", required=True),  # its items are numbered within these two
    _number("last_seq", required=True),
    _text("remote_id"),
    _text("status"),
    _flag("status_final"),
    _flag("worded"),  # the platform reported its status after its last item became final
    _text("detail"),
    _text("last_error"),
    sa.Column("due_at", sa.BigInteger, nullable=False, server_default="0"),
    _number("sends", default=0),
    _time("first_sent_at"),
    _time("sent_at"),
    _time("submitted_at"),
    _time("settled_at"),
    _text("sent_by"),
    _time("searched_at"),
    _flag("in_doubt"),  # a send of this key may have had an effect that was never confirmed
    _flag("key_void"),
    _number("root", required=True),
    _text("pipeline"),  # what runs there: durations are learned by it
    _number("step", default=1),  # which of its submissions comes next, or was the last
    _text("resend"),  # what sending it again would do; null until it is composed
    _time("key_life"),
    _time("search_delay"),
    _number("found_open", default=0),  # of its open items those that were found
    _text("method"),
    _text("path"),
    _text("headers"),
    sa.Column("body", sa.LargeBinary),
    sa.UniqueConstraint("job", "number", name="batches_number"),
    sa.UniqueConstraint("key", name="batches_key"),
    _check("batches", "state", BatchState),
    sa.CheckConstraint("creating >= 0 AND open >= creating AND items >= open", name="batches_counts_sound"),
)

LIVE_BATCH = batches.c.state != literal(BatchState.SETTLED)
UNSENT_BATCH = one_of(batches.c.state, [BatchState.PLANNED, BatchState.UNCONFIRMED])
DESCENDANT_BATCH = batches.c.root != batches.c.number
"""Split from another batch of its job, or planned for what was not found of one."""

sa.Index(
    "batches_live",
    batches.c.account,
    batches.c.state,
    batches.c.due_at,
    sqlite_where=LIVE_BATCH,
    postgresql_where=LIVE_BATCH,
)
sa.Index("batches_of_live_job", batches.c.job, sqlite_where=LIVE_BATCH, postgresql_where=LIVE_BATCH)
sa.Index("batches_unsent", batches.c.job, batches.c.number, sqlite_where=UNSENT_BATCH, postgresql_where=UNSENT_BATCH)
sa.Index("batches_lineage", batches.c.job, batches.c.lineage)
sa.Index(
    "batches_family",
    batches.c.job,
    batches.c.root,
    sqlite_where=DESCENDANT_BATCH,
    postgresql_where=DESCENDANT_BATCH,
)

items = sa.Table(
    "items",
    metadata,
    _job(primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    _text("key", required=True),
    _number("batch", required=True),
    _text("stage", required=True),
    _text("state", required=True),
    _text("status"),
    _text("remote_id"),
    _text("detail"),
    _number("attempts", default=1),
    _text("previous_ids"),
    _time("submitted_at"),
    _time("finished_at"),
    _time("abort_sent_at"),
    _number("parent"),  # number of the item under which it was found
    _number("found", default=0),  # how many items were found under it: where any were, they are counted in its place
    _flag("superseded"),  # found under an earlier run of its parent: history, counted nowhere
    # The long ones last: what is read often then lies in the first page of a row.
    _text("facts"),
    sa.Column("request", sa.LargeBinary),  # null for what was found
    sa.Column("row", sa.LargeBinary),
    sa.UniqueConstraint("job", "key", name="items_key"),
    _check("items", "state", ItemState),
    sqlite_with_rowid=False,
)

FOUND_ITEM = items.c.parent.is_not(None)

sa.Index("items_found", items.c.job, items.c.parent, sqlite_where=FOUND_ITEM, postgresql_where=FOUND_ITEM)

OPEN_ITEM = one_of(items.c.state, [state for state in ItemState if not state.final])

IN_BATCH = sa.and_(
    items.c.job == batches.c.job,
    items.c.seq.between(batches.c.first_seq, batches.c.last_seq),
    items.c.batch == batches.c.number,
)
"""Joins batches and their items: a batch's items lie close together, so a range of the primary key finds them."""

events = sa.Table(
    "events",
    metadata,
    sa.Column("id", SERIAL, primary_key=True),
    _time("at", required=True),
    _job(required=False),
    _number("batch"),
    _number("seq"),
    _text("event", required=True),
    _text("old"),
    _text("new"),
    _text("detail"),
    _text("actor"),
    sa.Index("events_job", "job", "id"),
)

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    _time("at", required=True),
    _text("kind", required=True),
    _job(),
    _number("round", required=True),
    _number("ordinal", default=0),
    sa.Column("due_at", sa.BigInteger, nullable=False, server_default="0"),
    _number("tries", default=0),
    _text("last_error"),
    sa.UniqueConstraint("job", "round", "kind", "ordinal", name="outbox_once"),
    sa.Index("outbox_due", "due_at"),
)

controls = sa.Table(
    "controls",
    metadata,
    sa.Column("token", sa.Text, primary_key=True),
    _time("at", required=True),
    _text("what", required=True),
)
"""Controls already carried out: a control file seen again after a crash does nothing."""
