"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ITEM_STATES = ("pending", "submitted", "running", "attention", "succeeded", "partial", "failed", "aborted", "cancelled")
BATCH_STATES = ("planned", "submitting", "unconfirmed", "tracking", "blocked", "settled")
JOB_STATES = (
    "loading", "waiting", "queued", "running", "succeeded", "partial", "failed", "cancelled", "skipped",
)  # fmt: skip


def upgrade() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    op.create_table(
        "memory",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )
    create_jobs()
    create_batches()
    create_items()
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        job(),
        sa.Column("batch", sa.Integer),
        sa.Column("seq", sa.Integer),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("old", sa.Text),
        sa.Column("new", sa.Text),
        sa.Column("detail", sa.Text),
    )
    op.create_index("events_job", "events", ["job", "id"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        job(),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_error", sa.Text),
        sa.UniqueConstraint("job", "round", "kind", name="outbox_once"),
        sa.CheckConstraint("kind IN ('result')", name="outbox_kind_known"),
    )
    op.create_index("outbox_due", "outbox", ["due_at"])
    op.create_table(
        "controls",
        sa.Column("token", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
    )


def create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("project", sa.Text, nullable=False),
        sa.Column("engine", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("needs", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("round", sa.Integer, nullable=False, server_default="1"),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("max_open", sa.Integer),
        sa.Column("stop_after_failed", sa.Integer),
        sa.Column("stop_base", sa.Integer, nullable=False, server_default="0"),
        sa.Column("after", sa.Text),
        sa.Column("retry", sa.Text),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("file", sa.Text),
        sa.Column("dropped_by", sa.Text),
        sa.Column("batch_size", sa.Integer, nullable=False),
        sa.Column("paused", sa.Text),
        sa.Column("stopped", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("cancelled_at", sa.BigInteger),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("pruned_at", sa.BigInteger),
        *(sa.Column(f"n_{state}", sa.Integer, nullable=False, server_default="0") for state in ITEM_STATES),
        known("jobs", "state", JOB_STATES),
        known("jobs", "needs", ("blocked", "attention", "paused", "stopped")),
    )
    partial_index("jobs_name", "jobs", ["folded"], "state != 'loading'", unique=True)
    partial_index("jobs_live", "jobs", ["account", "priority"], "state IN ('waiting', 'queued', 'running')")
    op.create_table(
        "job_after",
        job(primary_key=True),
        sa.Column("folded", sa.Text, primary_key=True),
    )
    op.create_index("job_after_folded", "job_after", ["folded"])


def create_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Text, primary_key=True),
        job(),
        sa.Column("account", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("lineage", sa.Text, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False, server_default="0"),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("items", sa.Integer, nullable=False),
        sa.Column("open", sa.Integer, nullable=False),
        sa.Column("creating", sa.Integer, nullable=False),
        sa.Column("first_seq", sa.Integer, nullable=False),
        sa.Column("last_seq", sa.Integer, nullable=False),
        sa.Column("remote_id", sa.Text),
        sa.Column("status", sa.Text),
        sa.Column("status_final", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("worded", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("detail", sa.Text),
        sa.Column("last_error", sa.Text),
        sa.Column("due_at", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("sends", sa.Integer, nullable=False, server_default="0"),
        sa.Column("first_sent_at", sa.BigInteger),
        sa.Column("sent_at", sa.BigInteger),
        sa.Column("submitted_at", sa.BigInteger),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("sent_by", sa.Text),
        sa.Column("searched_at", sa.BigInteger),
        sa.Column("in_doubt", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("key_void", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("root", sa.Integer, nullable=False),
        sa.Column("method", sa.Text),
        sa.Column("path", sa.Text),
        sa.Column("headers", sa.Text),
        sa.Column("body", sa.LargeBinary),
        sa.UniqueConstraint("job", "number", name="batches_number"),
        sa.UniqueConstraint("key", name="batches_key"),
        known("batches", "state", BATCH_STATES),
        sa.CheckConstraint("creating >= 0 AND open >= creating AND items >= open", name="batches_counts_sound"),
    )
    partial_index("batches_live", "batches", ["account", "state", "due_at"], "state != 'settled'")
    partial_index("batches_of_live_job", "batches", ["job"], "state != 'settled'")
    partial_index("batches_unsent", "batches", ["job", "number"], "state IN ('planned', 'unconfirmed')")


def create_items() -> None:
    op.create_table(
        "items",
        job(primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("batch", sa.Integer, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("status", sa.Text),
        sa.Column("remote_id", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="1"),
        sa.Column("previous_ids", sa.Text),
        sa.Column("submitted_at", sa.BigInteger),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("abort_sent_at", sa.BigInteger),
        sa.Column("request", sa.LargeBinary, nullable=False),
        sa.Column("row", sa.LargeBinary),
        sa.UniqueConstraint("job", "key", name="items_key"),
        known("items", "stage", ("creation", "analysis", "link")),
        known("items", "state", ITEM_STATES),
        sqlite_with_rowid=False,
    )


def job(*, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(
        "job", sa.Text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, primary_key=primary_key
    )


def known(table: str, column: str, words: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=f"{table}_{column}_known")


def partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    predicate = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=predicate, postgresql_where=predicate)
