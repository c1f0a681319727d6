"""Batches tell which pipeline they run: how long one takes is learnt by it."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("batches", sa.Column("pipeline", sa.Text))
