"""Indexes for what would otherwise be read through: the queue in its order, families of batches, what may be pruned."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("jobs_live", "jobs")
    live = "state IN ('waiting', 'queued', 'running')"
    partial_index("jobs_live", "jobs", ["account", "priority", "created_at", "id"], live)
    partial_index("jobs_settled", "jobs", ["settled_at"], "pruned_at IS NULL")
    op.create_index("batches_lineage", "batches", ["job", "lineage"])
    partial_index("batches_family", "batches", ["job", "root"], "root != number")


def partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    predicate = sa.text(where)
    op.create_index(name, table, columns, sqlite_where=predicate, postgresql_where=predicate)
