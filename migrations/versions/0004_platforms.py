"""What a platform other than the first needs, and what jobs will say of themselves.

Two tables lose a constraint, one column of each of two others becomes nullable: SQLite can do neither in place, so
`items`, `events` and `outbox` are built anew there, portion by portion. All of it is one transaction.
"""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from alembic import context, op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ITEM_STATES = ("pending", "submitted", "running", "attention", "succeeded", "partial", "failed", "aborted", "cancelled")
LINKS = "ica.data_linking"
HOUR = 3600 * 1_000_000
SIX_DAYS = 6 * 24 * HOUR
PORTION = 20_000
"""Rows that are copied between two reports of progress."""
INDEXES = {"outbox": {"outbox_due": ("due_at",)}, "events": {"events_job": ("job", "id")}}


def upgrade() -> None:
    connection = op.get_bind()
    add_to_jobs()
    add_to_batches()
    if connection.dialect.name == "sqlite":
        rebuild(connection)
    else:
        alter()
    found = sa.text("parent IS NOT NULL")
    op.create_index("items_found", "items", ["job", "parent"], sqlite_where=found, postgresql_where=found)


def add_to_jobs() -> None:
    op.add_column("jobs", sa.Column("first_stage", sa.Text, nullable=False, server_default="creation"))
    op.add_column("jobs", flag("follow_only"))
    op.add_column("jobs", number("found", 0))
    op.add_column("jobs", number("parents", 0))
    for name in ("options", "labels", "notify", "source", "template", "blocked", "content_digest"):
        op.add_column("jobs", sa.Column(name, sa.Text))
    op.execute(f"UPDATE jobs SET first_stage = 'link' WHERE kind = '{LINKS}'")


def add_to_batches() -> None:
    op.add_column("batches", number("step", 1))
    op.add_column("batches", sa.Column("resend", sa.Text))
    op.add_column("batches", sa.Column("key_life", sa.BigInteger))
    op.add_column("batches", sa.Column("search_delay", sa.BigInteger))
    op.add_column("batches", number("found_open", 0))
    of_links = f"job IN (SELECT id FROM jobs WHERE kind = '{LINKS}')"
    op.execute(f"UPDATE batches SET resend = 'harmless', search_delay = {HOUR} WHERE {of_links}")
    op.execute(
        f"UPDATE batches SET resend = 'same_key', key_life = {SIX_DAYS}, search_delay = {HOUR} WHERE NOT ({of_links})"
    )


# ---------------------------------------------------------------- PostgreSQL


def alter() -> None:
    op.drop_constraint("items_stage_known", "items")
    op.alter_column("items", "request", nullable=True)
    for column in found_columns():
        op.add_column("items", column)
    op.alter_column("events", "job", nullable=True)
    op.add_column("events", sa.Column("actor", sa.Text))
    op.drop_constraint("outbox_kind_known", "outbox")
    op.drop_constraint("outbox_once", "outbox")
    op.add_column("outbox", number("ordinal", 0))
    op.create_unique_constraint("outbox_once", "outbox", ["job", "round", "kind", "ordinal"])


# ---------------------------------------------------------------- SQLite


def rebuild(connection: sa.Connection) -> None:
    """Copy the three tables, the largest last: pages that one leaves are used by the next."""
    outbox = ("id", "at", "kind", "job", "round", "due_at", "tries", "last_error")
    replace(connection, "outbox", make_outbox, outbox, ("id",))
    events = ("id", "at", "job", "batch", "seq", "event", "old", "new", "detail")
    replace(connection, "events", make_events, events, ("id",))
    items = (
        ("job", "seq", "key", "batch", "stage", "state", "status", "remote_id", "detail", "attempts", "previous_ids")
        + ("submitted_at", "finished_at", "abort_sent_at", "request", "row")
    )  # fmt: skip
    replace(connection, "items", make_items, items, ("job", "seq"))


def replace(
    connection: sa.Connection, table: str, make: Callable[[], None], columns: Sequence[str], key: Sequence[str]
) -> None:
    """Build a table anew with these columns of the old one, in the order of its key."""
    old = f"old_{table}"
    for index in INDEXES.get(table, ()):
        op.drop_index(index, table)
    op.rename_table(table, old)  # not the new one into its place: SQLite would write the name in other letters
    make()
    total = connection.exec_driver_sql(f"SELECT count(*) FROM {old}").scalar_one()
    listed, names = ", ".join(columns), ", ".join(key)
    newest, marks = ", ".join(f"{each} DESC" for each in key), ", ".join("?" for _ in key)
    last: tuple[object, ...] | None = None
    done = 0
    while done < total:
        after = f"WHERE ({names}) > ({marks})" if last is not None else ""
        portion = f"FROM {old} {after} ORDER BY {names} LIMIT {PORTION}"
        copied = connection.exec_driver_sql(f"INSERT INTO {table} ({listed}) SELECT {listed} {portion}", last)
        last = tuple(connection.exec_driver_sql(f"SELECT {names} FROM {table} ORDER BY {newest} LIMIT 1").one())
        done += copied.rowcount
        context.config.attributes["progress"](table, done, total)
    op.drop_table(old)
    for index, indexed in INDEXES.get(table, {}).items():
        op.create_index(index, table, list(indexed))


def make_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        job(nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        number("ordinal", 0),
        sa.Column("due_at", sa.BigInteger, nullable=False, server_default="0"),
        number("tries", 0),
        sa.Column("last_error", sa.Text),
        sa.UniqueConstraint("job", "round", "kind", "ordinal", name="outbox_once"),
    )


def make_events() -> None:
    op.create_table(
        "events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        job(nullable=True),
        sa.Column("batch", sa.Integer),
        sa.Column("seq", sa.Integer),
        sa.Column("event", sa.Text, nullable=False),
        *(sa.Column(column, sa.Text) for column in ("old", "new", "detail", "actor")),
    )


def make_items() -> None:
    listed = ", ".join(f"'{state}'" for state in ITEM_STATES)
    op.create_table(
        "items",
        job(nullable=False, primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("batch", sa.Integer, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        *(sa.Column(column, sa.Text) for column in ("status", "remote_id", "detail")),
        number("attempts", 1),
        sa.Column("previous_ids", sa.Text),
        *(sa.Column(column, sa.BigInteger) for column in ("submitted_at", "finished_at", "abort_sent_at")),
        *found_columns(),
        sa.Column("request", sa.LargeBinary),
        sa.Column("row", sa.LargeBinary),
        sa.UniqueConstraint("job", "key", name="items_key"),
        sa.CheckConstraint(f"state IN ({listed})", name="items_state_known"),
        sqlite_with_rowid=False,
    )


def found_columns() -> tuple[sa.Column[int], ...]:
    return sa.Column("parent", sa.Integer), number("found", 0), flag("superseded"), sa.Column("facts", sa.Text)


def job(*, nullable: bool, primary_key: bool = False) -> sa.Column[str]:
    key = sa.ForeignKey("jobs.id", ondelete="CASCADE")
    return sa.Column("job", sa.Text, key, nullable=nullable, primary_key=primary_key)


def number(name: str, default: int) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default=str(default))


def flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false())
